"""A contrast that some scans of a folder lack is proposed as optional, with the count."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from trees import people
from trees import scan
from trees import scan_bytes
from trees import table
from trees import write

from headstart import cli
from headstart.common.walk import list_files
from headstart.planning.discovery import discover
from headstart.study.config import read_config

COUNT = 12


def make(folder: Path, layout: str, have: int, edge: float = 8.0) -> None:
    """Write scans of twelve people, of whom so many have FLAIR."""
    for n in range(COUNT):
        home = f"sub-{n:02d}/anat/sub-{n:02d}_" if layout == "bids" else f"P{n:02d}/"
        one, other = ("T1w", "FLAIR") if layout == "bids" else ("t1", "flair")
        scan(folder / f"{home}{one}.nii.gz", n)
        if n < have:
            write(folder / f"{home}{other}.nii.gz", scan_bytes(n + 50, edge=edge))
    if layout == "table":
        rows = people([f"P{n:02d}" for n in range(COUNT)])
        for n, row in enumerate(rows):
            row |= {"t1": f"P{n:02d}/t1.nii.gz", "flair": f"P{n:02d}/flair.nii.gz" * (n < have)}
        table(folder / "scans.csv", rows)


@pytest.mark.parametrize("layout", ["files", "table", "bids"])
@pytest.mark.parametrize("have", [12, 11, 7, 4])
def test_at_least_half_of_the_scans_have_it(tmp_path: Path, layout: str, have: int) -> None:
    make(tmp_path, layout, have)
    found = discover(tmp_path, list_files(tmp_path))
    flair = found.source["channels"].get("FLAIR")
    told = [line for line in found.notes if "lack FLAIR" in line or "lacks FLAIR" in line]
    assert len(found.scans) == COUNT
    if have == 12:
        assert isinstance(flair, str)
    elif have == 4:
        assert flair is None
        assert any("not used" in line and "flair" in line.lower() for line in found.notes)
    else:
        assert flair["optional"]
        lack = COUNT - have
        assert told[0].startswith(f"{lack} of 12 scans lack{'s' * (lack == 1)} FLAIR: `optional")
    assert len(told) == (have in (11, 7))


def test_one_on_another_grid_is_told_with_both_words(tmp_path: Path) -> None:
    make(tmp_path, "files", 8, edge=7.0)
    found = discover(tmp_path, list_files(tmp_path))
    assert list(found.source["channels"]) == ["T1"]
    assert any("align: rigid, optional: true}`" in line for line in found.notes)


def test_the_study_that_is_written_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "scans", "files", 8)
    table(tmp_path / "scans/labels.csv", people([f"P{n:02d}" for n in range(COUNT)]))
    study = tmp_path / "study.yaml"
    words = ["init", str(tmp_path / "scans"), "--output", str(study), "--target", "age"]
    assert cli.main(words) == 0
    assert "(4 of 12 scans lack FLAIR)" in " ".join(capsys.readouterr().out.split())
    assert read_config(yaml.safe_load(study.read_text())).optional == ("FLAIR",)
