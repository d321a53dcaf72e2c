"""OASIS-1's Analyze 7.5 files as NIfTI, with the axes that their headers don't state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from headstart.common import files
from headstart.common.errors import UserError

# Axes: Marcus et al. 2007, https://doi.org/10.1162/jocn.2007.19.9.1498; RAW and SUBJ_111 run to
# anterior, superior, left, the atlas to left, anterior, superior. The origin isn't recorded and is
# put into the middle of the volume, so the atlas' files are 'aligned' with each other (code 2) but
# don't claim Talairach's coordinates (code 3).
SCANNER = 1
ALIGNED = 2


@dataclass(frozen=True)
class AnalyzeSpace:
    """How the files of one of OASIS's folders lie in space.

    Attributes:
        shape: Voxels along each axis.
        affine: Voxel indices to mm: right, anterior, superior.
        code: NIfTI's code of what the coordinates mean.
        labels: Whether the voxels are labels: 0 background, 1 to 3 tissue.
    """

    shape: tuple[int, int, int]
    affine: tuple[tuple[float, ...], ...]
    code: int
    labels: bool = False


ATLAS = ((-1.0, 0, 0, 88), (0, 1.0, 0, -104), (0, 0, 1.0, -88), (0, 0, 0, 1))
SPACES = {
    "RAW": AnalyzeSpace(
        (256, 256, 128),
        ((0, 0, -1.25, 80), (1.0, 0, 0, -128), (0, 1.0, 0, -128), (0, 0, 0, 1)),
        SCANNER,
    ),
    "SUBJ_111": AnalyzeSpace(
        (256, 256, 160),
        ((0, 0, -1.0, 80), (1.0, 0, 0, -128), (0, 1.0, 0, -128), (0, 0, 0, 1)),
        SCANNER,
    ),
    "T88_111": AnalyzeSpace((176, 208, 176), ATLAS, ALIGNED),
    "FSL_SEG": AnalyzeSpace((176, 208, 176), ATLAS, ALIGNED, labels=True),
}


def convert(header: Path, space: AnalyzeSpace, output: Path) -> None:
    """Convert an Analyze 7.5 pair to .nii.gz.

    Voxel values and their order stay as they are. Nothing of the old header is taken over but
    shape, type and voxel size, so that its free text (description, patient, dates) stays behind.
    sform and qform are both set.

    Args:
        header: The .hdr; the .img lies beside it.
        space: How the folder's files lie in space.
        output: The .nii.gz to write.

    Raises:
        UserError: If a file is missing or cut off, or the volume isn't as this folder's are.
    """
    image = header.with_suffix(".img")
    if not image.exists():
        raise UserError(f"{header}: its .img is missing; fetch the archive again")
    try:
        analyze = nib.AnalyzeHeader(header.read_bytes()[:348])
    except (nib.spatialimages.HeaderDataError, nib.wrapstruct.WrapStructError) as error:
        raise UserError(f"{header}: is not an Analyze 7.5 header ({error})") from error
    _check(header, analyze, space)
    expected = int(np.prod(space.shape)) * analyze.get_data_dtype().itemsize
    if image.stat().st_size != expected:
        raise UserError(
            f"{image}: has {image.stat().st_size} bytes instead of {expected}; it is cut off: "
            "fetch the archive again"
        )
    voxels = np.fromfile(image, analyze.get_data_dtype()).reshape(space.shape, order="F")
    if space.labels and not np.isin(np.unique(voxels), range(4)).all():
        raise UserError(f"{image}: has other values than the labels 0 to 3; fetch it again")
    nifti = nib.Nifti1Image(voxels.astype(voxels.dtype.newbyteorder("=")), np.array(space.affine))
    nifti.header.set_xyzt_units("mm")
    nifti.set_sform(nifti.affine, code=space.code)
    nifti.set_qform(nifti.affine, code=space.code)
    with files.temporary(output) as draft:
        nib.save(nifti, draft)


def _check(header: Path, analyze: nib.AnalyzeHeader, space: AnalyzeSpace) -> None:
    shape = analyze.get_data_shape()
    if shape[3:] not in ((), (1,)) or shape[:3] != space.shape:
        raise UserError(
            f"{header}: is a volume of {'x'.join(map(str, shape))} voxels, but this folder's have "
            f"{'x'.join(map(str, space.shape))}"
        )
    size = np.abs(analyze.get_zooms()[:3])
    expected = nib.affines.voxel_sizes(np.array(space.affine))
    if not np.allclose(size, expected, rtol=0.01):
        raise UserError(
            f"{header}: has voxels of {'x'.join(f'{edge:g}' for edge in size)} mm, but this "
            f"folder's have {'x'.join(f'{edge:g}' for edge in expected)}"
        )
    if analyze.get_data_dtype().kind not in "iu":
        raise UserError(f"{header}: holds {analyze.get_data_dtype()}, not whole numbers")
