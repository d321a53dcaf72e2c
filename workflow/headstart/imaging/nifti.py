"""One NIfTI file read completely: to the last byte, every voxel once."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable
from functools import partial
from gzip import BadGzipFile
from pathlib import Path
from typing import Any
from typing import Literal
from typing import TypeVar
from typing import cast

import nibabel as nib
import numpy as np
from isal import igzip
from isal import isal_zlib
from nibabel import imageglobals
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from headstart.common.machine_errors import is_of_machine
from headstart.common.text import times
from headstart.imaging.headers import best_affine
from headstart.imaging.volume import Volume

CHUNK = 1 << 20
BYTE_ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")
# What a flipped byte inside a gzip stream leads to.
DAMAGED = (BadGzipFile, cast(type[Exception], isal_zlib.error))
GZIP_MAGIC = b"\x1f\x8b"
# No scan of a head is larger; a damaged header or a gzip bomb may declare more than any memory.
LARGEST = 2 << 30  # bytes
# A voxel's edge outside of this, mm, is no size, and arithmetic with it overflows.
SMALLEST, FARTHEST = 1e-6, 1e9
# A DICOM header or a comment between header and voxels is looked at so far.
LARGEST_EXTENSION = 1 << 20
COPY_AGAIN = "fetch or copy it again"
Read = TypeVar("Read")


class BadScanError(Exception):
    """A file that can't be used.

    Args:
        path: The file.
        reason: One of the codes in `imaging/rejection_codes.py`.
        problem: What is wrong, and how to fix it.
    """

    def __init__(self, path: Path | str, reason: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.reason = reason
        self.problem = problem

    @property
    def detail(self) -> str:
        """One sentence: which file, what is wrong, how to fix it."""
        return str(self)


def read_volume(path: Path, *, series: bool = False) -> Volume:
    """Read a NIfTI file to its last byte and check it against itself.

    A gzip stream is read to its end, so that its checksum is verified: most readers of NIfTI
    never look at it and take a damaged file for a good one.

    Args:
        path: A single-file NIfTI-1 or NIfTI-2, `.nii` or `.nii.gz`.
        series: Whether it is a series of volumes, four-dimensional.

    Returns:
        The volume, three-dimensional (trailing axes of length 1 are dropped), or the series.

    Raises:
        BadScanError: If the file is missing, is no NIfTI, is cut off or damaged, is of other
            dimensions, or holds fewer voxels than it declares.
        OSError: If the disk fails, or it may not be read: that says nothing about the file.
    """
    return _told(path, partial(_read, series=series))


def read_geometry(path: Path, *, series: bool = False) -> tuple[Any, tuple[int, ...], np.ndarray]:
    """Read only a NIfTI file's header, and check it as `read_volume` does.

    Args:
        path: As for `read_volume`.
        series: Likewise.

    Returns:
        The header, the shape of the volume or series, and its affine.

    Raises:
        BadScanError: As `read_volume` does for what the header alone shows.
    """
    return _told(path, partial(_read_geometry, series=series))


def _told(path: Path, read: Callable[[Path], Read]) -> Read:
    """Read a file; whatever goes wrong becomes a BadScanError."""
    if path.exists() and not path.is_file():  # to open a pipe would wait for ever
        raise BadScanError(path, "unreadable", "is no file but a folder or a pipe; remove it")
    try:
        return read(path)
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
        if is_of_machine(error):
            error.filename = error.filename or str(path)  # named by Python when opened, not later
            raise
        raise BadScanError(
            path, "unreadable", f"can't be read ({error.strerror or error}); {COPY_AGAIN}"
        ) from None
    except BadScanError:
        raise
    except Exception as error:  # a file can be broken in ways that nobody thought of
        if is_of_machine(error):
            raise
        raise BadScanError(
            path,
            "unreadable",
            f"can't be interpreted ({type(error).__name__}: {error}); {COPY_AGAIN}",
        ) from error


def _read_geometry(path: Path, *, series: bool) -> tuple[Any, tuple[int, ...], np.ndarray]:
    with path.open("rb") as raw:
        header = _header(path, _decompressed(path, raw))
    return header, _shape(path, header, series=series), _geometry(path, header)[2]


def _read(path: Path, *, series: bool) -> Volume:
    with path.open("rb") as raw:
        file = _decompressed(path, raw)
        try:
            return _volume(path, file, series=series)
        except BadScanError:
            # damage can garble the header: reading on finds it, and then it is the reason
            _drain(file)
            raise


def _decompressed(path: Path, raw: io.BufferedIOBase) -> io.BufferedIOBase:
    """Return the file of a NIfTI's bytes, whether its name ends in .nii or .nii.gz."""
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        raise BadScanError(path, "unreadable", "is no .nii or .nii.gz; convert it to NIfTI")
    compressed = name.endswith(".gz")
    magic = raw.read(len(GZIP_MAGIC))
    raw.seek(0)
    if not magic:
        raise BadScanError(path, "unreadable", f"is empty; {COPY_AGAIN}")
    if compressed and magic != GZIP_MAGIC:
        fault = (
            "is a web page, not a scan; fetch it again"
            if b"<" in magic
            else f"is not compressed, though its name ends in .gz; rename it to {path.stem}, or "
            "fetch it again"
        )
        raise BadScanError(path, "unreadable", fault)
    if not compressed and magic == GZIP_MAGIC:
        raise BadScanError(path, "unreadable", f"is compressed; rename it to {path.name}.gz")
    return igzip.IGzipFile(fileobj=raw) if compressed else raw


def _volume(path: Path, file: io.BufferedIOBase, *, series: bool) -> Volume:
    header = _header(path, file)
    shape = _shape(path, header, series=series)
    slope, intercept, affine = _geometry(path, header)
    kind = header.get_data_dtype()
    offset = int(header.get_data_offset()) or header.single_vox_offset
    declared = math.prod(shape) * kind.itemsize

    between = max(0, offset - header.sizeof_hdr)
    extensions = _take(file, min(between, LARGEST_EXTENSION))
    _drain(file, between - len(extensions))
    voxels = _voxels(file, declared if declared <= LARGEST else 0)
    surplus = _drain(file) - (declared - len(voxels))
    if surplus >= 0 and declared > LARGEST:
        at_once = "is read at once; cut it into series of fewer volumes"
        raise BadScanError(
            path,
            "unreadable",
            f"holds {times(shape)} voxels, {declared / 1e9:.3g} GB, more than "
            + (at_once if series else f"any scan of a head; {COPY_AGAIN}"),
        )
    if surplus < 0:
        raise BadScanError(
            path,
            "dimensions" if path.name.lower().endswith(".gz") else "truncated",
            f"declares {times(shape)} voxels, {declared} bytes, but holds {declared + surplus}; "
            f"{COPY_AGAIN}",
        )
    digest = hashlib.sha256(voxels.data)
    digest.update(f"{times(shape)} {kind.str}".encode())
    return Volume(
        stored=voxels.view(kind).reshape(shape, order="F"),
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


def _voxels(file: io.BufferedIOBase, size: int) -> NDArray[np.uint8]:
    """Read `size` bytes, or what there is, to where they stay: what grows is moved, and is twice.

    What a damaged header asks for and the file does not hold takes addresses alone.
    """
    taken, count = np.empty(size, np.uint8), 0
    while count < size and (more := file.readinto(taken[count : count + CHUNK].data)):
        count += more
    return taken[:count]


def _drain(file: io.BufferedIOBase, limit: float = math.inf) -> int:
    """Read on, to the end, where a gzip stream's checksum stands; return the number of bytes."""
    size = 0
    while chunk := file.read(int(min(CHUNK, limit - size))):
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


def _shape(path: Path, header: Any, *, series: bool) -> tuple[int, ...]:
    # in Python's integers, which don't overflow
    shape = tuple(int(length) for length in header.get_data_shape())
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if series and (len(shape) != 4 or min(shape) == 1):
        raise BadScanError(
            path,
            "not-4d",
            f"is {times(shape)} voxels, no 4-D series; leave it out, or denoise 3-D scans in a "
            "study of their own, without prepare.series",
        )
    if not series and (len(shape) != 3 or min(shape) == 1):
        way = "extract the one to use"
        if len(shape) == 4:
            way += ", or denoise whole series (prepare.series: true)"
        raise BadScanError(path, "not-3d", f"is {times(shape)} voxels, not one 3-D volume; {way}")
    if min(shape) < 1:
        raise BadScanError(path, "dimensions", f"declares {times(shape)} voxels; {COPY_AGAIN}")
    return shape


def _geometry(path: Path, header: Any) -> tuple[float, float, np.ndarray]:
    """Return slope, intercept and affine."""
    try:
        slope, intercept = header.get_slope_inter()
        affine = best_affine(header)
        kind = header.get_data_dtype()
        int(header.get_data_offset())  # NaN is none
    except (HeaderDataError, ValueError, OverflowError) as error:
        raise BadScanError(
            path, "unreadable", f"its header is damaged ({error}); {COPY_AGAIN}"
        ) from None
    if kind.kind not in "iuf":
        raise BadScanError(
            path, "unreadable", "holds colours or complex numbers; convert it to grey values"
        )
    with np.errstate(all="ignore"):  # whatever the header holds
        edges = np.linalg.norm(affine[:3, :3], axis=0)
        # axes in one plane span no volume
        spanned = abs(np.linalg.det(affine[:3, :3] / edges)) > 1e-6
    if (
        not spanned
        or not ((edges > SMALLEST) & (edges < FARTHEST)).all()
        or not np.isfinite(affine).all()
    ):
        raise BadScanError(path, "unreadable", "its affine gives no voxel size; set sform or qform")
    return 1.0 if slope is None else slope, 0.0 if intercept is None else intercept, affine
