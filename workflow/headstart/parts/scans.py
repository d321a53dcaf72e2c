"""One NIfTI file read completely: to the last byte, every voxel once."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass
from functools import cached_property
from gzip import BadGzipFile
from pathlib import Path
from typing import Any
from typing import Literal
from typing import cast

import nibabel as nib
import numpy as np
from isal import igzip
from isal import isal_zlib
from nibabel import imageglobals
from nibabel.spatialimages import HeaderDataError

CHUNK = 1 << 20
BYTE_ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")
# What a flipped byte inside a gzip stream leads to.
DAMAGED = (BadGzipFile, cast(type[Exception], isal_zlib.error))
GZIP_MAGIC = b"\x1f\x8b"
# Two grids are one when their affines differ by no more than this, in mm.
AFFINE_TOLERANCE = 1e-3
# Labels stored as scaled floats come back as 2.99999: this far from an integer is one still.
INTEGER_TOLERANCE = 1e-3
# Quantiles are taken of about so many voxels, evenly spread: exact ones cost more than the reading.
QUANTILE_VOXELS = 1_000_000

COPY_AGAIN = "fetch or copy it again"


class BadScanError(Exception):
    """A file that can't be used.

    Args:
        path: The file.
        reason: One of the codes in `parts/reasons.py`.
        problem: What is wrong, and how to mend it.
    """

    def __init__(self, path: Path | str, reason: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.reason = reason
        self.problem = problem

    @property
    def detail(self) -> str:
        """One sentence: which file, what is wrong, how to mend it."""
        return str(self)


@dataclass(frozen=True)
class Volume:
    """A volume as its file holds it.

    Attributes:
        stored: The numbers in the file, shape (x, y, z) in the file's own voxel order.
        slope: Intensity = stored * slope + intercept.
        intercept: See `slope`.
        affine: 4x4, from voxel indices to mm.
        header: The file's header.
        extensions: Bytes between header and voxels.
        surplus: Bytes in the file beyond those that the header declares.
        digest: sha256 of the voxels' bytes, the shape and the type.
    """

    stored: np.ndarray
    slope: float
    intercept: float
    affine: np.ndarray
    header: Any
    extensions: bytes
    surplus: int
    digest: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis."""
        return self.stored.shape

    @property
    def voxel_size(self) -> tuple[float, ...]:
        """Edges of a voxel along each axis, mm."""
        return tuple(float(edge) for edge in np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def orientation(self) -> str:
        """Where each axis points to, e.g. PSR: posterior, superior, right."""
        return "".join(code or "?" for code in nib.orientations.aff2axcodes(self.affine))

    @cached_property
    def extremes(self) -> tuple[float, float]:
        """Lowest and highest intensity; not finite where any voxel is not."""
        # a negative slope turns them round
        low, high = sorted(self._scale(np.array([self.stored.min(), self.stored.max()])))
        return float(low), float(high)

    @property
    def finite(self) -> bool:
        """Whether every intensity is a finite number."""
        return all(math.isfinite(value) for value in self.extremes)

    @property
    def constant(self) -> bool:
        """Whether all voxels have one intensity."""
        low, high = self.extremes
        return low == high

    @cached_property
    def quantiles(self) -> tuple[float, ...]:
        """Return the 1st, 50th and 99th percentile of intensity."""
        voxels = self.stored.ravel(order="K")
        sample = voxels[:: max(1, voxels.size // QUANTILE_VOXELS)]
        # scaling keeps the order, or with a negative slope turns it round
        return tuple(sorted(float(q) for q in self._scale(np.percentile(sample, (1, 50, 99)))))

    def integers(self) -> set[int] | None:
        """Return the set of values, or None where one is farther than 0.001 from an integer."""
        values = self._scale(np.unique(self.stored))
        nearest = np.rint(values)
        if np.abs(values - nearest).max() > INTEGER_TOLERANCE:
            return None
        return {int(value) for value in nearest}

    def same_grid(self, other: Volume) -> bool:
        """Whether the voxels of both lie at the same places, to 0.001 mm."""
        return self.shape == other.shape and bool(
            np.abs(self.affine - other.affine).max() <= AFFINE_TOLERANCE
        )

    def _scale(self, values: np.ndarray) -> np.ndarray:
        return values.astype(np.float64) * self.slope + self.intercept


def read_volume(path: Path) -> Volume:
    """Read a NIfTI file to its last byte and check it against itself.

    A gzip stream is read to its end, so that its checksum is verified: most readers of NIfTI
    never look at it and take a damaged file for a good one.

    Args:
        path: A single-file NIfTI-1 or NIfTI-2, `.nii` or `.nii.gz`.

    Returns:
        The volume, three-dimensional (trailing axes of length 1 are dropped).

    Raises:
        BadScanError: If the file is missing, is no NIfTI, is cut off or damaged, is not
            three-dimensional, or holds fewer voxels than it declares.
    """
    try:
        return _read(path)
    except (FileNotFoundError, NotADirectoryError):
        raise BadScanError(
            path, "missing", f"is not there; {COPY_AGAIN} or correct its path"
        ) from None
    except EOFError:
        raise BadScanError(
            path, "truncated", f"its compressed data end too early; {COPY_AGAIN}"
        ) from None
    except DAMAGED as error:
        raise BadScanError(
            path, "crc", f"its compressed data are damaged ({error}); {COPY_AGAIN}"
        ) from None
    except OSError as error:
        raise BadScanError(
            path, "unreadable", f"can't be read ({error.strerror}); {COPY_AGAIN}"
        ) from None


def _read(path: Path) -> Volume:
    with path.open("rb") as raw:
        file = _decompressed(path, raw)
        try:
            return _volume(path, file)
        except BadScanError:
            # damage can garble the header: reading on finds it, and then it is the reason
            _drain(file)
            raise


def _decompressed(path: Path, raw: io.BufferedIOBase) -> io.BufferedIOBase:
    """Return the file of a NIfTI's bytes, whether its name ends in .nii or .nii.gz."""
    if not path.name.endswith((".nii", ".nii.gz")):
        raise BadScanError(path, "unreadable", "is no .nii or .nii.gz; convert it to NIfTI")
    compressed = path.name.endswith(".gz")
    magic = raw.read(len(GZIP_MAGIC))
    raw.seek(0)
    if not magic:
        raise BadScanError(path, "unreadable", f"is empty; {COPY_AGAIN}")
    if compressed and magic != GZIP_MAGIC:
        content = "a web page" if b"<" in magic else "not compressed"
        raise BadScanError(
            path, "unreadable", f"is no .nii.gz but {content}; fetch it again or rename it"
        )
    if not compressed and magic == GZIP_MAGIC:
        raise BadScanError(path, "unreadable", f"is compressed; rename it to {path.name}.gz")
    return igzip.IGzipFile(fileobj=raw) if compressed else raw


def _volume(path: Path, file: io.BufferedIOBase) -> Volume:
    header = _header(path, file)
    shape = _shape(path, header)
    slope, intercept, affine = _geometry(path, header)
    kind = header.get_data_dtype()
    offset = int(header.get_data_offset()) or header.single_vox_offset
    declared = math.prod(shape) * kind.itemsize

    extensions = _take(file, offset - header.sizeof_hdr)
    voxels = _take(file, declared)
    surplus = _drain(file)
    if len(voxels) < declared:
        raise BadScanError(
            path,
            "dimensions" if path.name.endswith(".gz") else "truncated",
            f"declares {_times(shape)} voxels, {declared} bytes, but holds {len(voxels)}; "
            f"{COPY_AGAIN}",
        )
    digest = hashlib.sha256(voxels)
    digest.update(f"{_times(shape)} {kind.str}".encode())
    return Volume(
        stored=np.frombuffer(voxels, kind).reshape(shape, order="F"),
        slope=slope,
        intercept=intercept,
        affine=affine,
        header=header,
        extensions=bytes(extensions),
        surplus=surplus,
        digest=digest.hexdigest(),
    )


def _take(file: io.BufferedIOBase, size: int) -> bytearray:
    """Read `size` bytes, or what there is: a damaged header may ask for more than any memory."""
    taken = bytearray()
    while len(taken) < size and (chunk := file.read(min(CHUNK, size - len(taken)))):
        taken += chunk
    return taken


def _drain(file: io.BufferedIOBase) -> int:
    """Read to the end, where a gzip stream's checksum stands; return the number of bytes."""
    size = 0
    while chunk := file.read(CHUNK):
        size += len(chunk)
    return size


def _header(path: Path, file: io.BufferedIOBase) -> Any:
    """Read a NIfTI-1 or NIfTI-2 header, and no byte more."""
    start = _take(file, 4)
    lengths = {int.from_bytes(start, order) for order in BYTE_ORDERS}
    kinds: list[Any] = [
        kind for kind in (nib.Nifti1Header, nib.Nifti2Header) if kind.sizeof_hdr in lengths
    ]
    if not kinds:
        raise BadScanError(path, "unreadable", f"is no NIfTI file; {COPY_AGAIN} or convert it")
    start += _take(file, kinds[0].sizeof_hdr - len(start))
    if len(start) < kinds[0].sizeof_hdr:
        raise BadScanError(path, "truncated", f"ends within its header; {COPY_AGAIN}")
    try:
        with imageglobals.LoggingOutputSuppressor():
            header = kinds[0].from_fileobj(io.BytesIO(start))
    except HeaderDataError as error:
        raise BadScanError(
            path, "unreadable", f"its header is damaged ({error}); {COPY_AGAIN}"
        ) from None
    if not bytes(header["magic"]).startswith((b"n+1", b"n+2")):
        raise BadScanError(
            path,
            "unreadable",
            "is Analyze or half of a .hdr/.img pair; convert it to one NIfTI file",
        )
    return header


def _shape(path: Path, header: Any) -> tuple[int, ...]:
    # in Python's integers, which don't overflow
    shape = tuple(int(length) for length in header.get_data_shape())
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3 or min(shape) == 1:
        raise BadScanError(
            path,
            "not-3d",
            f"is {_times(shape)} voxels, not one 3-D volume; extract the one to use",
        )
    if min(shape) < 1:
        raise BadScanError(path, "dimensions", f"declares {_times(shape)} voxels; {COPY_AGAIN}")
    return shape


def _geometry(path: Path, header: Any) -> tuple[float, float, np.ndarray]:
    """Return slope, intercept and affine."""
    try:
        slope, intercept = header.get_slope_inter()
        affine = header.get_best_affine()
        kind = header.get_data_dtype()
    except HeaderDataError as error:
        raise BadScanError(
            path, "unreadable", f"its header is damaged ({error}); {COPY_AGAIN}"
        ) from None
    if kind.kind not in "iuf":
        raise BadScanError(
            path, "unreadable", "holds colours or complex numbers; convert it to grey values"
        )
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise BadScanError(path, "unreadable", "its affine gives no voxel size; set sform or qform")
    return 1.0 if slope is None else slope, 0.0 if intercept is None else intercept, affine


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(str(length) for length in shape)
