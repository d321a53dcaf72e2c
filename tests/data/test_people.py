"""Whose row each row of a table is."""

from __future__ import annotations

import pandas as pd
import pytest

from headstart.data.people import people_of

PEOPLE = [f"Sub_{101 + k}" for k in range(12) for _ in range(2)]
VISITS = [str(1 + n % 2) for n in range(24)]
SCANS = [f"{who}_{visit}" for who, visit in zip(PEOPLE, VISITS, strict=True)]


@pytest.mark.parametrize(
    ("columns", "keys"),
    [
        ({"ID": PEOPLE, "Visit": VISITS}, ("ID", "Visit")),
        ({"Visit": VISITS, "ID": PEOPLE}, ("Visit", "ID")),
        ({"Visit": VISITS, "Who is it": PEOPLE}, ("Visit", "Who is it")),
        ({"Image ID": SCANS, "Subject": PEOPLE, "Code": VISITS}, ("Image ID",)),
        ({"Scan": SCANS}, ("Scan",)),
        ({"MRI ID": [f"OAS3{n // 2:04d}_MR_d{n:04d}" for n in range(24)]}, ("MRI ID",)),
        ({"ID": [f"sub-{n // 2:02d}_ses-{'ab'[n % 2]}" for n in range(24)]}, ("ID",)),
    ],
)
def test_visits_and_scans_are_told_from_people(
    columns: dict[str, list[str]], keys: tuple[str, ...]
) -> None:
    people = people_of(pd.DataFrame(columns), keys)
    assert len(set(people)) == 12
    assert people[0::2] == people[1::2]


@pytest.mark.parametrize(
    "ids",
    [
        PEOPLE[::2],
        [f"002_S_{n:04d}" for n in range(12)],
        [f"IXI{n:03d}-HH-{1211 + n}" for n in range(12)],
        [f"HC_{n:02d}" for n in range(12)],
        [f"sub-{n:02d}" for n in range(12)],
        [""] * 12,
    ],
)
def test_a_row_per_person(ids: list[str]) -> None:
    assert len(set(people_of(pd.DataFrame({"ID": ids}), ("ID",)))) == 12


def test_a_table_without_ids_or_with_those_of_groups() -> None:
    frame = pd.DataFrame({"Code": ["1", "2"] * 12, "Sex": ["F", "M"] * 12})
    assert len(set(people_of(frame))) == 24
    assert len(set(people_of(frame[["Sex"]]))) == 24
