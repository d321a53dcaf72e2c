"""What a NIfTI header says about orientation, and what it should not say about persons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from typing import Literal

import nibabel as nib
import numpy as np

SHEAR = 0.01  # cosine between two axes; headers round to about 1e-6
SIZE = 0.01  # relative difference of voxel sizes
ANGLE = 5.0  # degrees between an axis of the sform and of the qform
DICOM = 2  # code of an extension that holds a DICOM header
TEXTS = ("descrip", "aux_file", "db_name", "intent_name")
# mm per unit of length, by the code in the lowest three bits of xyzt_units
MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001}
# Fields that say where the voxels lie, all of them numbers.
GEOMETRY = (
    *("pixdim", "xyzt_units", "sform_code", "srow_x", "srow_y", "srow_z"),
    *("qform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
)
# Of a series besides: when and in which order its volumes and slices were taken.
TIMES = ("toffset", "dim_info", "slice_code", "slice_start", "slice_end", "slice_duration")
UNIT_NAMES = {1: "metres", 2: "mm", 3: "micrometres"}

# every repetition is bounded: the time to search grows with the text, and not with its square
MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,9}\.?"
YEAR = r"(?:19|20)\d\d"
PERSONAL = [
    # dates: 20240131, 2024-01-31, 31.1.2024, 31 Jan 2024, Jan 31 2024, Wed Jan 31 15:24:53 2024
    rf"(?<![\d.]){YEAR}([-/. ]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)",
    rf"(?<!\d)\d{{1,2}}[-/. ]\d{{1,2}}[-/. ]{YEAR}(?!\d)",
    rf"(?<!\d)\d{{1,2}}[-/. ]{MONTH}[-/., ]{{1,4}}{YEAR}(?!\d)",
    rf"\b{MONTH} {{1,4}}\d{{1,2}},? {{1,4}}(?:\d\d:\d\d:\d\d {{1,4}})?{YEAR}(?!\d)",
    # names: DOE^JANE, a label before a name, somebody@somewhere
    r"[a-z]{2}\^[a-z]",
    r"\b(?:patient|subject|operator|physician|name|dob|birth ?date|born)\w{0,32}"
    r"[ ._]{0,4}(?:name|id)?[:=]",
    r"\w@\w",
]
# the whole text is two or three capitalised words, or `Doe, Jane`
NAME = re.compile(r"[A-Z][a-z]+(?:, ?| )(?:[A-Z][a-z]+|[A-Z]\.)(?: [A-Z][a-z]+)?")
PATTERN = re.compile("|".join(f"(?:{one})" for one in PERSONAL), re.IGNORECASE)
# FreeSurfer stamps the date on which it was built
BUILD = re.compile(rf"FreeSurfer {MONTH} {{1,4}}\d{{1,2}} {{1,4}}{YEAR}", re.IGNORECASE)


def unit_of_length(header: Any) -> int:
    """Return the code of a header's unit of length; 2, mm, where it gives none."""
    code = int(header["xyzt_units"]) & 7
    return code if code in MILLIMETRES else 2


def best_affine(header: Any) -> np.ndarray:
    """Return the affine in use, from voxel indices to mm, whatever the header's unit.

    Args:
        header: A NIfTI header.

    Returns:
        4x4: the sform, the qform if the sform's code is 0, or a guess if both are 0.

    Raises:
        HeaderDataError, ValueError: If the form in use is damaged.
    """
    affine = np.array(header.get_best_affine(), dtype=float)
    affine[:3] *= MILLIMETRES[unit_of_length(header)]
    return affine


def geometry_fields(header: Any) -> dict[str, Any]:
    """Return a header's fields that place its voxels, ready for JSON; none is text."""
    fields = {name: np.asarray(header[name]).tolist() for name in GEOMETRY}
    return fields | {"version": 2 if isinstance(header, nib.Nifti2Header) else 1}


def time_fields(header: Any) -> dict[str, Any]:
    """Return a header's fields that say when a series was taken, ready for JSON."""
    return {name: np.asarray(header[name]).tolist() for name in TIMES}


def intensity_fields(header: Any) -> dict[str, Any]:
    """Return how a file holds its intensities, ready for JSON: `kind`, `slope` and `intercept`."""
    slope, intercept = header.get_slope_inter()
    kind = header.get_data_dtype().str
    return {"kind": kind, "slope": slope or 1.0, "intercept": intercept or 0.0}


def image_like(array: np.ndarray, fields: Mapping[str, Any]) -> nib.Nifti1Image:
    """Make an image whose voxels lie where another one's do, by every field of its header.

    Args:
        array: (x, y, z), or (x, y, z, t) of a series, of the type that is to be stored.
        fields: Of the other image, as `geometry_fields` gives them; of a series with those of
            `time_fields`.
    """
    kind: type[nib.Nifti1Image] = nib.Nifti2Image if fields["version"] == 2 else nib.Nifti1Image
    header: Any = kind.header_class()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    for name in (*GEOMETRY, *(TIMES if array.ndim == 4 else ())):
        header[name] = fields[name]
    return kind(array, header.get_best_affine(), header)


def orientation_problem(header: Any, affine: np.ndarray) -> tuple[str, str] | None:
    """Find what is wrong with a header's orientation.

    Args:
        header: A NIfTI header.
        affine: 4x4, the one in use, as `best_affine` gives it.

    Returns:
        Code and problem with its fix, or None.
    """
    if header["sform_code"] == 0 and header["qform_code"] == 0:
        return "no-orientation", (
            "its sform and qform code are 0, so that left and right are a guess; find out the "
            "orientation and set the sform"
        )
    axes = _axes(affine)
    cosine = np.abs(axes.T @ axes - np.eye(3)).max()
    if cosine > SHEAR:
        angle = np.degrees(np.arccos(min(cosine, 1)))
        return "sheared", f"its axes meet at {angle:.1f} degrees, not 90; resample it"
    if header["sform_code"] > 0 and header["qform_code"] > 0:
        return _disagreement(header)
    return None


def _disagreement(header: Any) -> tuple[str, str] | None:
    fix = "find out which is right and copy it over the other"
    sform = header.get_sform()
    try:
        qform = header.get_qform()
    except ValueError:  # a quaternion longer than 1
        qform = np.zeros((4, 4))
    if not np.isfinite(qform).all() or not np.linalg.norm(qform[:3, :3], axis=0).all():
        return "sform-qform", "its qform is damaged; copy the sform over it, if that is right"
    edges = [np.linalg.norm(form[:3, :3], axis=0) for form in (sform, qform)]
    if np.abs(edges[0] / edges[1] - 1).max() > SIZE:
        sizes = [" x ".join(f"{edge:.4g}" for edge in form) for form in edges]
        unit = UNIT_NAMES[unit_of_length(header)]
        problem = f"its sform has voxels of {sizes[0]} {unit}, its qform {sizes[1]}; {fix}"
        return "sform-qform", problem
    cosines = (_axes(sform) * _axes(qform)).sum(axis=0)
    angle = float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).max())
    if angle > ANGLE:
        return (
            "sform-qform",
            f"an axis of its sform and qform are {angle:.0f} degrees apart; {fix}",
        )
    return None


def _axes(affine: np.ndarray) -> np.ndarray:
    matrix = affine[:3, :3]
    return matrix / np.linalg.norm(matrix, axis=0)


def personal_data(header: Any, extensions: bytes) -> str | None:
    """Find a field of a header that seems to name a person or a date.

    Times without a date pass, and so does the date on which a program was built.

    Args:
        header: A NIfTI header.
        extensions: The bytes between the header and the voxels.

    Returns:
        Name of the field, or 'extension'; never its content. None if nothing was found.
    """
    for field in (field for field in TEXTS if field in header):  # NIfTI-2 has no db_name
        text = bytes(header[field].tobytes()).rstrip(b"\0 ").decode("latin-1")
        if NAME.fullmatch(text.strip()) or PATTERN.search(BUILD.sub("", text)):
            return field
    if len(extensions) > 4 and extensions[0]:
        order: Literal["big", "little"] = "big" if header.endianness == ">" else "little"
        code = int.from_bytes(extensions[8:12], order)
        if code == DICOM or PATTERN.search(extensions.decode("latin-1")):
            return "extension"
    return None
