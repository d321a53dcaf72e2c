"""Which raw files there are, and since when."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from headstart.data.inventory import FileRow
from headstart.data.inventory import digest_sources
from headstart.data.inventory import files_of
from headstart.imaging.scan_rows import ScanFiles
from headstart.study.config import Config

TRAIN = {"task": "regression", "target": "age", "train": {"network": "sfcn"}}


def config(**source: Any) -> Config:
    data = [{"source": "own", "channels": {"T1": "{subject}.nii"}} | source]
    return Config.model_validate({"study": "s", "data": data, "experiments": {"age": TRAIN}})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("own", "demo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.nii").write_bytes(b"12345")
    return tmp_path


def test_a_file_of_the_same_size_is_another_one_and_the_results_are_none(root: Path) -> None:
    results = root / "own/results"
    before = digest_sources(config().data, root, results)
    results.mkdir()
    (results / "b.nii").touch()
    assert digest_sources(config().data, root, results) == before
    os.utime(root / "own/a.nii", ns=(0, 1))
    after = digest_sources(config().data, root, results)
    assert after != before
    os.mkfifo(root / "own/pipe")
    assert digest_sources(config().data, root, results) != after


def test_what_a_rule_makes_counts_once_it_is_changed(root: Path) -> None:
    demo, results = config(source="demo"), root / "results"
    before = digest_sources(demo.data, root, results)
    (root / "demo/cohort.json").touch()
    assert digest_sources(demo.data, root, results) == before
    made, scan = root / "demo/cohort.json", root / "demo/a.nii"
    scan.write_bytes(b"54321")
    while scan.stat().st_ctime_ns <= made.stat().st_ctime_ns:  # the clock of files is coarse
        os.utime(scan, ns=(0, 1))  # its date is older than the cohort, as after `cp -p`
    assert digest_sources(demo.data, root, results) != before


def test_the_files_of_scans(root: Path) -> None:
    os.utime(root / "own/a.nii", ns=(0, 7))
    scans = [ScanFiles(name, "1", {"T1": f"own/{name}.nii"}, "", "") for name in "ab"]
    assert files_of(scans, root) == [
        FileRow("a", "1", "own/a.nii", 5, 7),
        FileRow("b", "1", "own/b.nii", None, None),
    ]
