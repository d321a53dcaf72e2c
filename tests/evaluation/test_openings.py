"""The ledger of test openings: a row for each look, none lost and none twice."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from headstart.common.errors import UserError
from headstart.evaluation.openings import OpeningRow
from headstart.evaluation.openings import read_openings
from headstart.evaluation.openings import record

ROW = OpeningRow(
    opened="2026-11-29 21:00",
    experiment="age",
    networks=("fold-0/seed-0", "fold-1/seed-0"),
    settings="ab" * 8,
    predictions="00",
    metric="mae",
    value=8.5,
    n=60,
)


def test_the_same_predictions_are_one_look_and_other_ones_another(tmp_path: Path) -> None:
    ledger = tmp_path / "study/test-openings.csv"
    record(ledger, ROW)
    record(ledger, replace(ROW, opened="2026-11-30 09:00", settings="cd" * 8))
    assert read_openings(ledger) == [ROW]
    other = replace(ROW, predictions="01", value=None)
    record(ledger, other)
    assert read_openings(ledger) == [ROW, other]


def test_two_jobs_at_once_lose_no_row(tmp_path: Path) -> None:
    ledger = tmp_path / "test-openings.csv"
    rows = [replace(ROW, predictions=f"{number:02}") for number in range(12)]
    with get_context("fork").Pool(4) as pool:
        pool.starmap(record, [(ledger, row) for row in (*rows, *rows)])
    assert sorted(row.predictions for row in read_openings(ledger)) == [
        f"{n:02}" for n in range(12)
    ]


def test_a_damaged_ledger_is_never_written_over(tmp_path: Path) -> None:
    ledger = tmp_path / "test-openings.csv"
    record(ledger, ROW)
    damaged = ledger.read_bytes()[:-12]
    ledger.write_bytes(damaged)
    with pytest.raises(UserError, match="backup"):
        record(ledger, replace(ROW, predictions="01"))
    assert ledger.read_bytes() == damaged
