"""A study of tiny volumes, as the stages before train leave it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from headstart.parts import files

WINDOW = (8, 8, 8)
PREPARE = {"voxel_size": [2, 2, 2], "window": list(WINDOW), "normalise": "none"}
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
# The scans as they came: turned (LPS), and with a slice more than the window at one end.
SOURCE_SHAPE = (9, 8, 8)
SOURCE_AFFINE = np.array([[-2.0, 0, 0, 14], [0, -2.0, 0, 14], [0, 0, 2.0, 0], [0, 0, 0, 1]])

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
        self.table = self._write_table()
        self._write_splits()
        self._write_volumes()

    def settings(self, task: str = "regression", **train: Any) -> dict[str, Any]:
        """Return the slice of a run."""
        network = "net.py:Dense" if task == "segmentation" else "net.py:Net"
        defaults = {"network": network, "epochs": 3, "threads": 1, "learning_rate": 0.01}
        return {
            "experiment": "small",
            "task": task,
            "target": {"regression": "age", "classification": "sex", "segmentation": "mask"}[task],
            "classes": {"1": "left", "2": "right"} if task == "segmentation" else {},
            "channels": ["T1"],
            "window": list(WINDOW),
            "train": defaults | train,
            "fold": 0,
            "seed": 0,
        }

    @property
    def inputs(self) -> dict[str, Path]:
        """The files that train and predict read."""
        return {"passed": self.passed, "splits": self.splits, "prepared": self.prepared}

    def change_table(self, column: str, values: dict[int, str]) -> None:
        """Change cells of passed.csv, row: value."""
        for row, value in values.items():
            self.table.loc[row, column] = value
        self.table.to_csv(self.passed, index=False)

    def _write_table(self) -> pd.DataFrame:
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
        table = pd.DataFrame(rows)
        table.to_csv(self.passed, index=False)
        return table

    def _write_splits(self) -> None:
        rows = []
        for number in range(20):
            test = number >= 17
            fold = "" if test else str(number % 3)
            inner = int(not test and number % 5 == 1)
            rows.append(
                {"subject": f"s{number:02d}", "test": int(test), "fold": fold} | {"inner": inner}
            )
        pd.DataFrame(rows).to_csv(self.splits, index=False)

    def _write_volumes(self) -> None:
        random = np.random.default_rng(0)
        for shard in (0, 1):
            rows = self.table[self.table.index % 2 == shard]
            volumes = random.normal(size=(len(rows), 1, *WINDOW)).astype(np.float16)
            masks = np.zeros((len(rows), *WINDOW), np.uint8)
            scans = []
            for index, row in enumerate(rows.to_dict("records")):
                masks[index, 1:4, 2:6, 2:6] = 1
                masks[index, 4:8, 2:6, 2:6] = 2
                volumes[index, 0] += masks[index] * 4 + float(row["age"]) / 50 + (row["sex"] == "M")
                scans.append(
                    {
                        "subject": row["subject"],
                        "session": row["session"],
                        "index": index,
                        "affine": AFFINE.tolist(),
                        "source_shape": list(SOURCE_SHAPE),
                        "source_affine": SOURCE_AFFINE.tolist(),
                    }
                )
                self._write_raw_mask(masks[index], row["mask"])
            self._write_shard(shard, volumes, masks, scans)
        # a shard may be empty
        self._write_shard(2, volumes[:0], masks[:0], [])

    def _write_shard(self, shard: int, volumes: np.ndarray, masks: np.ndarray, scans: list) -> None:
        path = self.prepared / f"shard-{shard}.npy"
        mask_path = path.with_name(f"shard-{shard}-mask.npy")
        np.save(path, volumes)
        np.save(mask_path, masks)
        card = {"shape": list(volumes.shape), "channels": ["T1"], "prepare": PREPARE}
        card["scans"] = scans
        card |= {"sha256": files.sha256(path), "mask_sha256": files.sha256(mask_path)}
        path.with_suffix(".json").write_text(json.dumps(card))

    def _write_raw_mask(self, mask: np.ndarray, name: str) -> None:
        # the source's x and y run the other way; its last x slice lies outside the window
        raw = np.zeros(SOURCE_SHAPE, np.uint8)
        raw[:8] = mask[::-1, ::-1]
        raw[8, 2:6, 2:6] = 1
        nib.save(nib.Nifti1Image(raw, SOURCE_AFFINE), self.data / name)
