"""A folder of scans with tables beside them, what init says of it, and the labels then found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml

from headstart import cli
from headstart.common import files
from headstart.study.config import read_config
from headstart.study.labels import label

AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
NUMBERS = range(1, 23)


class Folder:
    """A folder of scans with tables beside them, and what init says of it."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self.capsys = home, capsys
        self.scans, self.study = home / "scans", home / "study.yaml"
        self.said = ""

    def scan(self, *paths: str) -> None:
        for number, path in enumerate(paths):
            (self.scans / path).parent.mkdir(parents=True, exist_ok=True)
            voxels = np.random.default_rng(number).normal(500, 90, (10, 12, 11)).astype(np.int16)
            nib.save(nib.Nifti1Image(voxels, AFFINE), self.scans / path)

    def table(self, name: str, rows: Sequence[Sequence[Any]], encoding: str = "utf-8") -> None:
        (self.scans / name).parent.mkdir(parents=True, exist_ok=True)
        separator = "\t" if name.endswith(".tsv") else ";"
        text = "".join(separator.join(map(str, row)) + "\n" for row in rows)
        (self.scans / name).write_bytes(text.encode(encoding))

    def init(self, *words: str) -> dict[str, Any]:
        code = cli.main(["init", str(self.scans), "--output", str(self.study), *words])
        printed = self.capsys.readouterr()
        self.said = " ".join((printed.out + printed.err).split())
        assert code == 0, printed.err
        study: dict[str, Any] = yaml.safe_load(self.study.read_text())
        return study

    def refused(self, *words: str) -> str:
        assert cli.main(["init", str(self.scans), "--output", str(self.study), *words]) == 2
        return " ".join(self.capsys.readouterr().err.split())

    def labels(self) -> dict[str, dict[str, str]]:
        """Return the labels of each scan, as the stage label finds them with this study."""
        config = read_config(yaml.safe_load(self.study.read_text()))
        label(sources=config.data, shards=2, data=Path(config.root), output=self.home / "label")
        table = files.read_csv(self.home / "label/labels.csv")
        return {f"{r['subject']} {r['session']}": r for r in table.to_dict("records")}
