"""What is said of tables whose ids fit no scan."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from headstart.data.config import Source
from headstart.data.layouts.source import read_source
from headstart.planning.label_columns import Table
from headstart.planning.unjoined_tables import unlike_ids

COUNT = 12
IDS = [str(n) for n in range(1, COUNT + 1)]
AGES = [f"{30 + n}.5" for n in range(COUNT)]
LETTERS = [f"{n}{'ABCDEFGHIJKL'[n % 12]}" for n in range(101, 113)]
NUMBERS = [letters[:-1] for letters in LETTERS]


def test_a_letter_after_the_scans_numbers_is_told_with_the_pattern(tmp_path: Path) -> None:
    table = pd.DataFrame({"pid": NUMBERS, "Age": AGES})
    (line,) = unlike_ids(LETTERS, [Table("t.csv", table)])
    section = "subject: {pattern: '(.*\\d)[A-Za-z]$'}"
    assert f"`{section}`" in line
    assert "if 101F is 101" in line
    for one in LETTERS:
        path = tmp_path / f"{one}/T1.nii"
        path.parent.mkdir(parents=True)
        path.touch()
    table.to_csv(tmp_path / "t.csv", index=False)
    advised = yaml.safe_load(re.findall(r"`(table: .*?)`", line)[0])
    source = Source.model_validate(
        {
            "source": "own",
            "path": ".",
            "channels": {"T1": "{subject}/T1.nii"},
            "labels": {"age": "Age"},
            **yaml.safe_load(section),
            **advised,
        }
    )
    scans = read_source(source, tmp_path)
    assert [scan.labels["age"] for scan in scans if not scan.reason] == AGES


def test_a_letter_after_the_tables_numbers_is_told() -> None:
    (line,) = unlike_ids(NUMBERS, [Table("t.csv", pd.DataFrame({"pid": LETTERS, "Age": AGES}))])
    assert "if 101 is 101F, remove the letters after the numbers in 'pid'" in line
    assert "by hand" not in line


def test_letters_that_tell_scans_apart_are_not_to_be_removed() -> None:
    scans = [f"{n}{letter}" for n in NUMBERS for letter in "ab"]
    (line,) = unlike_ids(scans, [Table("t.csv", pd.DataFrame({"pid": NUMBERS, "Age": AGES}))])
    assert "pattern" not in line


@pytest.mark.parametrize("columns", [("age", "sex"), ("edad", "sexo"), ("años", "sexo")])
def test_a_table_without_ids_is_told(columns: tuple[str, str]) -> None:
    cells = dict(zip(columns, (IDS, ["f", "m"] * 6), strict=True))
    (line,) = unlike_ids(["s1", "s2", "s3", "s4"], [Table("t.csv", pd.DataFrame(cells))])
    assert line == (
        f"t.csv: none of its columns ({', '.join(columns)}) can have the ids of the scans, which "
        "are e.g. s1, s2, s3; add a column `ID` that has them"
    )
