"""The image that is answered for a scan, on the grid of the scan's own file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import TypeVar

import nibabel as nib
import numpy as np
from nibabel.openers import ImageOpener
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.cohort.settings import SURFACE_TOLERANCE
from headstart.common import files
from headstart.common.errors import NoAnswerError
from headstart.imaging.geometry import to_source_grid
from headstart.imaging.headers import image_like
from headstart.imaging.mask_classes import Classes
from headstart.imaging.mask_values import file_values
from headstart.imaging.mask_values import millilitres
from headstart.imaging.masks import decide_by_slabs
from headstart.imaging.slabs import Slabs

Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True)
class AnswerFile:
    """Where an image goes that a task answers with; nothing is written for other answers.

    Attributes:
        scan: The scan that is answered for.
        folder: Folder of the table of answers.
        name: Path of the file, from there.
        classes: The values of a mask's classes in the study's files.
        noise: Standard deviation of the scan's noise, if the study gives it.
        kind: How intensities are stored: `float32`, or as the scan's own file has them, `input`.
        tolerance: How far a mask's surface may be from the true one and agree with it, mm.
    """

    scan: Scan
    folder: Path
    name: str
    classes: Classes
    noise: float | None = None
    kind: str = "float32"
    tolerance: float = SURFACE_TOLERANCE

    @property
    def sha256(self) -> str:
        """Digest of the file that was written."""
        return files.sha256(self.folder / self.name)

    def decided(self, probabilities: Slabs) -> NDArray[np.uint8]:
        """Decide for a class in each voxel of the scan's own file; background beyond what is known.

        Args:
            probabilities: Of the background and each class.
        """
        return decide_by_slabs(probabilities, self.scan.grid, self.scan.source)

    def to_own_grid(self, image: NDArray[Kind]) -> NDArray[Kind]:
        """Bring an image (x, y, z) to the voxels of the scan's own file; 0 beyond it."""
        scan = self.scan
        return to_source_grid(image, scan.affine, scan.source_affine, scan.source_shape)

    def write(self, image: NDArray[np.generic]) -> None:
        """Write an image on the scan's own grid, with the geometry of its header."""
        with files.temporary(self.folder / self.name) as draft:
            nib.save(image_like(image, self.scan.source_header), draft)

    def write_beside(self, suffix: str, array: NDArray[np.generic]) -> None:
        """Write an array beside an image that was written.

        Args:
            suffix: What stands in place of the image's `.nii.gz`.
            array: The array.
        """
        path = self.folder / f"{self.name.removesuffix('.nii.gz')}{suffix}"
        with files.temporary(path) as draft, draft.open("wb") as stream:
            np.save(stream, array)

    def write_mask(self, mask: NDArray[np.uint8]) -> None:
        """Write a mask on the scan's own grid, with the values of the study's own masks."""
        self.write(file_values(mask, self.classes))

    def write_intensities(self, image: NDArray[np.float32]) -> None:
        """Write raw intensities (x, y, z) of the prepared grid on the scan's own one.

        Raises:
            NoAnswerError: If the type of the scan's own file does not hold them.
        """
        own, header = self.to_own_grid(image), self.scan.source_header
        if self.kind == "float32":
            self.write(own)
            return
        slope, intercept = header["slope"], header["intercept"]
        saved = image_like(self._stored((own - intercept) / slope, header["kind"]), header)
        saved.header.set_slope_inter(slope, intercept)
        with files.temporary(self.folder / self.name) as draft:
            nib.save(saved, draft)

    def write_series(self, volumes: Iterable[NDArray[np.float32]], times: range, note: str) -> None:
        """Write volumes of a series, one after the other, with the places and times of its file.

        Args:
            volumes: Raw intensities (x, y, z) of the prepared grid.
            times: Which volumes of the series they are; its time begins with the first of them.
            note: What the header's description says.

        Raises:
            NoAnswerError: If the type of the scan's own file does not hold them.
        """
        fields = self.scan.source_header
        as_is = self.kind == "float32"
        kind = np.dtype("float32" if as_is else fields["kind"]).newbyteorder("=")
        slope, intercept = (1.0, 0.0) if as_is else (fields["slope"], fields["intercept"])
        shape = (*self.scan.source_shape, len(times))
        header = image_like(np.broadcast_to(np.zeros((), kind), shape), fields).header
        header.set_slope_inter(slope, intercept)
        header["toffset"] += times.start * header["pixdim"][4]
        header["descrip"] = note
        header.set_data_offset(header.single_vox_offset)
        with (
            files.temporary(self.folder / self.name) as draft,
            ImageOpener(str(draft), "wb") as file,
        ):
            header.write_to(file)
            for volume in volumes:
                numbers = (self.to_own_grid(volume) - np.float32(intercept)) / np.float32(slope)
                stored = numbers if as_is else self._stored(numbers, fields["kind"])
                file.write(stored.astype(kind).tobytes(order="F"))

    def _stored(self, numbers: NDArray[np.float32], kind: str) -> NDArray[Any]:
        """Round numbers to the type of the scan's own file, if that is one of whole numbers."""
        stored = np.dtype(kind)
        if stored.kind == "f":
            return numbers.astype(stored)
        low, high, limits = np.rint(numbers.min()), np.rint(numbers.max()), np.iinfo(stored)
        if low < limits.min or high > limits.max:
            raise NoAnswerError(
                f"subject '{self.scan.subject}', session '{self.scan.session}': its stored "
                f"intensities would be {low:.0f} to {high:.0f}, and {stored.name}, the type of "
                "its file, does not hold them; write predict.dtype: float32"
            )
        return np.rint(numbers).astype(stored)

    def sizes(self, mask: NDArray[np.uint8]) -> list[float]:
        """Volume of each class of a mask on the scan's own grid, ml; more than 6 digits are noise.

        Args:
            mask: Numbers of classes.
        """
        found = millilitres(mask, tuple(self.classes), self.scan.source.voxel_ml)
        return [float(f"{size:.6g}") for size in found.values()]
