"""A study of small noisy heads, in their own space, as the stages before train leave it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from rows import label_rows

from headstart.cohort.prepare import prepare
from headstart.cohort.splits import SplitRow
from headstart.cohort.splits import write_splits
from headstart.common.records import write_rows
from headstart.data.label_table import REFERENCE
from headstart.data.label_table import LabelRow
from headstart.imaging.config import Preparation
from headstart.imaging.nifti import read_volume
from headstart.imaging.scan_rows import CheckRow

OWN = Preparation(voxel_size="own", window="own")
SHAPE = (38, 42, 40)
# Their x and y run the other way, and voxels are no cubes.
AFFINE = np.array([[-3.0, 0, 0, 50], [0, -3.0, 0, 55], [0, 0, 2.75, -55], [0, 0, 0, 1]])
NOISE = 20.0


def clean_head(number: int) -> np.ndarray:
    """Return a ball of 200 and 400 in air, (x, y, z); no two are alike."""
    places = np.indices(SHAPE).transpose(1, 2, 3, 0) - np.array(SHAPE) / 2
    distance = np.linalg.norm(places, axis=3)
    inner = np.linalg.norm(places - [number % 3 - 1, 1, number % 2], axis=3) < 11
    return np.where(distance < 15, 200.0, 0.0) + np.where(inner, 200.0, 0.0)


class NoisyStudy:
    """Six subjects, the last held out for the test; scans of whole numbers, some without air."""

    def __init__(self, folder: Path, *, reference: bool, masked: Collection[int] = ()) -> None:
        self.data, self.prepared = folder / "data", folder / "prepare"
        self._masked = masked
        self.passed, self.splits = folder / "passed.csv", folder / "splits.csv"
        self.data.mkdir(parents=True)
        self.prepared.mkdir()
        channels = ["T1", *([REFERENCE] if reference else [])]
        rows = [self._scan(number, channels) for number in range(6)]
        labels = label_rows(pd.DataFrame(rows), *channels)
        write_rows(self.passed, LabelRow, labels)
        split = [
            SplitRow(row.subject, n == 5, None if n == 5 else n % 3, n == 4)
            for n, row in enumerate(labels)
        ]
        write_splits(self.splits, split)
        prepare(
            scans=[row.files for row in labels],
            checked=[self._checked(row) for row in labels],
            data=self.data,
            output=self.prepared / "shard-0.json",
            settings=OWN,
            channels=channels,
            classes={},
        )

    @property
    def inputs(self) -> dict[str, Path]:
        """The files that train and predict read."""
        return {"passed": self.passed, "splits": self.splits, "prepared": self.prepared}

    def _checked(self, row: LabelRow) -> CheckRow:
        path = row.channels["T1"]
        return CheckRow(row.subject, row.session, path, hash=read_volume(self.data / path).digest)

    def _scan(self, number: int, channels: list[str]) -> dict[str, str]:
        random, clean = np.random.default_rng(number), clean_head(number)
        real, imaginary = random.normal(0, NOISE, (2, *SHAPE))
        noisy = np.rint(np.hypot(clean + real, imaginary)).astype(np.int16)
        if number in self._masked:
            noisy[clean == 0] = 0
        images = {"T1": noisy, REFERENCE: clean.astype(np.float32)}
        for name in channels:
            nib.save(nib.Nifti1Image(images[name], AFFINE), self.data / f"{name}-{number}.nii")
        return {"subject": f"s{number}"} | {name: f"{name}-{number}.nii" for name in channels}
