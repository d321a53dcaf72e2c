"""A study of tiny volumes, as the stages before train leave it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
from prepared_shards import write_shard
from rows import label_rows
from safetensors.torch import save_file

from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import volumes_of
from headstart.cohort.splits import SplitRow
from headstart.cohort.splits import write_splits
from headstart.common import files
from headstart.common.keys import Key
from headstart.common.records import write_rows
from headstart.data.label_table import LabelRow
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import Grid
from headstart.training.card import ModelCard
from headstart.training.config import Train
from headstart.training.settings import Run
from headstart.training.train import train

WINDOW = (8, 8, 8)
PREPARE = Preparation(voxel_size=(2, 2, 2), window=WINDOW, normalise="none")
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
# The scans as they came: turned (LPS), and with a slice more than the window at one end.
SOURCE_SHAPE = (9, 8, 8)
SOURCE_AFFINE = np.array([[-2.0, 0, 0, 14], [0, -2.0, 0, 14], [0, 0, 2.0, 0], [0, 0, 0, 1]])
SOURCE = Grid(SOURCE_SHAPE, SOURCE_AFFINE)

# Dropout, batch norm and a wait that the environment may ask for: all that a resume can get wrong.
NETWORK = """
import os, time
from torch import nn

class Net(nn.Module):
    def __init__(self, in_channels, out_channels, width=4):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv3d(in_channels, width, 3, padding=1), nn.BatchNorm3d(width), nn.ReLU(),
            nn.AdaptiveAvgPool3d(2), nn.Flatten(), nn.Dropout(0.3),
        )
        self.head = nn.Linear(8 * width, out_channels)

    def forward(self, volumes):
        time.sleep(float(os.environ.get("SLOW", "0")))
        return self.head(self.features(volumes))

class Dense(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layers = nn.Sequential(
            nn.InstanceNorm3d(in_channels),
            nn.Conv3d(in_channels, 8, 1), nn.LeakyReLU(), nn.Conv3d(8, out_channels, 1),
        )

    def forward(self, volumes):
        return self.layers(volumes)
"""


def edit_card(model: Path, **changes: Any) -> None:
    """Change a model card as whoever trained another network would have written it."""
    ModelCard.read(model).model_copy(update=changes).write(model)


def write_weights(model: Path, weights: dict[str, Any]) -> None:
    """Replace a network's weights, and say so in its card."""
    path = model / "model.safetensors"
    save_file(weights, path)
    edit_card(model, weights_sha256=files.sha256(path))


class SmallStudy:
    """20 subjects, subject 0 with two sessions; age and sex show in the voxels."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.passed = folder / "check" / "passed.csv"
        self.splits = folder / "split" / "splits.csv"
        self.prepared = folder / "prepare"
        self.data = folder / "data"
        for path in (self.passed.parent, self.splits.parent, self.prepared, self.data):
            path.mkdir(parents=True)
        (folder / "net.py").write_text(NETWORK)
        self.table = self._table()
        self.write_table()
        self._write_splits()
        self._write_volumes()

    def run(self, task: str = "regression", **train: Any) -> Run:
        """Return the settings of a run."""
        network = "net.py:Dense" if task == "segmentation" else "net.py:Net"
        defaults = {"network": network, "threads": 1, "learning_rate": 0.01}
        defaults |= {} if "iterations" in train else {"epochs": 3}
        return Run(
            experiment="small",
            task=task,
            target={"regression": "age", "classification": "sex", "segmentation": "mask"}[task],
            classes={"left": (1,), "right": (2,)} if task == "segmentation" else {},
            channels=("T1",),
            window=WINDOW,
            train=Train(**(defaults | train)),
            fold=0,
            seed=0,
        )

    def train(self, run: Run, output: Path, store: Path, **more: Any) -> None:
        """Train a run in a store, and publish it."""
        train(
            run=run,
            code="code",
            **self.inputs,
            store=store,
            output=output,
            networks=self.folder,
            device="cpu",
            **more,
        )

    @property
    def inputs(self) -> dict[str, Path]:
        """The files that train and predict read."""
        return {"passed": self.passed, "splits": self.splits, "prepared": self.prepared}

    def change_table(self, column: str, values: dict[int, str]) -> None:
        """Change cells of passed.csv, row: value."""
        for row, value in values.items():
            self.table.loc[row, column] = value
        self.write_table()

    def spoil(self, key: Key) -> None:
        """Make a prepared volume one of no numbers."""
        for card in self.prepared.glob("shard-?.json"):
            volumes = np.load(volumes_of(card))
            for scan in ShardCard.read(card).scans:
                if scan.key == key:
                    volumes[scan.index] = np.nan
            np.save(volumes_of(card), volumes)

    def write_table(self) -> None:
        """Write passed.csv."""
        write_rows(self.passed, LabelRow, label_rows(self.table, "T1"))

    def _table(self) -> pd.DataFrame:
        rows = []
        for number in [0, *range(20)]:
            subject = f"s{number:02d}"
            session = "2" if len(rows) == 1 else "1"
            rows.append(
                {
                    "subject": subject,
                    "session": session,
                    "source": "small",
                    "site": "A",
                    "T1": f"{subject}-{session}.nii.gz",
                    "mask": f"{subject}-{session}-mask.nii.gz",
                    "brain_mask": "",
                    "age": str(20 + 3 * number),
                    "sex": "FM"[number % 2],
                }
            )
        return pd.DataFrame(rows)

    def _write_splits(self) -> None:
        rows = []
        for number in range(20):
            test = number >= 17
            fold = None if test else number % 3
            rows.append(SplitRow(f"s{number:02d}", test, fold, not test and number % 5 == 1))
        write_splits(self.splits, rows)

    def _write_volumes(self) -> None:
        random = np.random.default_rng(0)
        for shard in (0, 1):
            rows = self.table[self.table.index % 2 == shard]
            volumes = random.normal(size=(len(rows), 1, *WINDOW)).astype(np.float16)
            masks = np.zeros((len(rows), *WINDOW), np.uint8)
            for index, row in enumerate(rows.to_dict("records")):
                masks[index, 1:4, 2:6, 2:6] = 1
                masks[index, 4:8, 2:6, 2:6] = 2
                volumes[index, 0] += masks[index] * 4 + float(row["age"]) / 50 + (row["sex"] == "M")
                self._write_raw_mask(masks[index], row["mask"])
            keys = list(zip(rows["subject"], rows["session"], strict=True))
            self._write_shard(shard, keys, volumes, masks)
        # a shard may be empty
        self._write_shard(2, [], volumes[:0], masks[:0])

    def _write_shard(
        self, shard: int, keys: list[Key], volumes: np.ndarray, masks: np.ndarray
    ) -> None:
        write_shard(
            self.prepared / f"shard-{shard}.json",
            keys,
            volumes,
            masks,
            prepare=PREPARE,
            affine=AFFINE,
            source=SOURCE,
        )

    def _write_raw_mask(self, mask: np.ndarray, name: str) -> None:
        # the source's x and y run the other way; its last x slice lies outside the window
        raw = np.zeros(SOURCE_SHAPE, np.uint8)
        raw[:8] = mask[::-1, ::-1]
        raw[8, 2:6, 2:6] = 1
        nib.save(nib.Nifti1Image(raw, SOURCE_AFFINE), self.data / name)
