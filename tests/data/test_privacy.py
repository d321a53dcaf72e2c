"""What is never copied from a table, and what a message may show of it."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.privacy import private_cells
from headstart.data.privacy import redacted
from headstart.data.privacy import shown_id

CLASSES = ["M", "F"] * 6


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("1950-03-12", "a date"),
        ("1950-03-12T10:00:00Z", "a date"),
        ("2020-01-01T10:00", "a date"),
        ("12/03/1950", "a date"),
        ("12.3.50", "a date"),
        ("12 Mar 1950", "a date"),
        ("Mar 12, 1950", "a date"),
        ("12mar1950", "a date"),
        ("12. März 1950", "a date"),
        ("12 mars 1950", "a date"),
        ("3 de enero de 1950", "a date"),
        ("5 gennaio 1950", "a date"),
        ("1950-03", "a date"),
        ("March 1950", "a date"),
        ("john.smith@nhs.uk", "an address"),
        ("943 476 5919", "a long number"),
        ("9434765919", "a long number"),
        ("123-45-6789", "a long number"),
        ("+44 20 7946 0958", "a long number"),
        ("John Smith born 12/03/1950 ring 0207 123", "free text"),
        ("lives with her daughter", "free text"),
        ("x" * 65, "free text"),
        ("John Smith", "a name"),
        ("Smith, John", "a name"),
        ("dob 12/03/1950", "a date"),
        ("DOB:12/03/1950", "a date"),
        ("(12/03/1950)", "a date"),
        ("born 1950-3-12", "a date"),
        ("geb. 12.03.1950", "a date"),
        ("dob 12/3/50", "a date"),
        ("12\u201303\u20131950", "a date"),
        ("12\u22123\u22121950", "a date"),
        ("12·03·1950", "a date"),
        ("12 03 1950", "a date"),
        ("12_03_1950", "a date"),
        ("12 / 03 / 1950", "a date"),
        ("\uff11\uff19\uff15\uff10-\uff10\uff13-\uff11\uff12", "a date"),
        ("1950年3月12日", "a date"),
        ("1950년 3월 12일", "a date"),
        ("昭和25年3月12日", "a date"),
        ("19500312T101010", "a date"),
        ("19500312101010.000000", "a date"),
        ("19500312 1010", "a date"),
        ("1950-W10-2", "a date"),
        ("1950W102", "a date"),
        ("1950-071", "a date"),
        ("1950/3", "a date"),
        ("Mar-50", "a date"),
        ("Mar '50", "a date"),
        ("Mar 50", "a date"),
        ("Sunday 12 March 1950", "a date"),
        ("Fri Mar 12 1950", "a date"),
        ("born March 1950", "a date"),
        ("NHS 4857773456", "a long number"),
        ("NHS no. 485 777 3456", "a long number"),
        ("MRN123456", "a long number"),
        ("MRN: 123456", "a long number"),
        ("tel 02071234567", "a long number"),
        ("020 7123 4567 x12", "a long number"),
        ("+44-207-123-4567", "a long number"),
        ("(020) 7123 4567", "a long number"),
        ("044.123.45.67", "a long number"),
        ("756.1234.5678.97", "a long number"),
        ("12345678Z", "a long number"),
        ("QQ 12 34 56 C", "a long number"),
        ("120350-123A", "a long number"),
        ("RSSMRA50C12H501U", "a long number"),
        ("john(at)ucl.ac.uk", "an address"),
        ("john [at] ucl.ac.uk", "an address"),
        ("john at ucl.ac.uk", "an address"),
        ("see www.x.org/john", "an address"),
        ("/home/john/x", "an address"),
    ],
)
def test_a_cell_that_tells_who_it_is(cell: str, what: str) -> None:
    assert private_cells([*CLASSES, cell]) == {12: what}
    assert what == "free text" or cell not in shown_id(cell)
    assert cell not in redacted(cell, ["M", "F"])


@pytest.mark.parametrize("form", ["{y}{m:02d}{d:02d}", "{d:02d}{m:02d}{y}", "{m:02d}{d:02d}{y}"])
def test_a_column_of_dates_without_signs(form: str) -> None:
    days = [form.format(y=1940 + n, m=1 + n % 12, d=1 + 2 * n % 28) for n in range(10)]
    assert set(private_cells(days).values()) == {"a date"}
    assert len(private_cells(days)) == 10


def test_a_column_of_names() -> None:
    people = ["John Smith", "Mary Jones", "Li Wei", "Ana da Silva"]
    assert set(private_cells(people).values()) == {"a name"}
    single = [letter * 2 + "son" for letter in string.ascii_uppercase]
    assert set(private_cells(single).values()) == {"a name"}


@pytest.mark.parametrize(
    "cells",
    [
        ["Alzheimer Disease", "Mild Impairment", "Healthy Control"] * 4,
        ["mild cognitive impairment due to AD", "healthy"] * 3,
        [f"F{n:03d}" for n in range(40)],
        [str(1_400_000 + 37 * n) for n in range(40)],
        ["0.7431234567", "1.5e-5", "-3", "12", "1950"],
        ["left", "right", "m12", "bl", "day 3", "dec 1", "set 1"] * 2,
        ["12031950", "15220", "7781", "99", "31"],
        ["1-2", "3-4", "5/6"] * 2,
        ["Guy's Hospital", "Hammersmith Hospital"] * 3,
        ["IXI012-HH-1211", "OAS30001_MR_d0011", "002_S_0413", "I313", "sub-01_ses-02"],
        ["1000015_20252_2_0", "NDARINV12345678", "0050002", "CC110033", "HCP_100307"],
        ["ADNI_002_S_0413_MR_20060501105011123_S13893", "OAS1_0001_MR1", "A00008326_1"],
        ["18-25", "26-35", "36-45", "1.5T", "3T", "-2.5", "0.71234567891", "1e-10"],
        ["1950", "1951", "1.1950", "1950.3", "2019", "1.25", "29.5", "100000000.5", "12345678"],
        ["10/12", "3/4", "1/2", "stage 2", "T1w@3T", "APOE e3/e4", "CDR 0.5", "mar", "may"],
        ["seen at baseline", "healthy at 12 months", "Siemens Prisma 3.0T", "v5.3.0"] * 2,
        ["Scanner 12345", "phase 2", "wave 3", "call 1", "ring 2", "set 10", "mag 12"] * 2,
    ],
)
def test_classes_and_numbers_are_nobody(cells: list[str]) -> None:
    assert private_cells(cells) == {}


@pytest.mark.parametrize("visits", [1, 2, 5])
@pytest.mark.parametrize(
    ("column", "what"),
    [
        ([f"{one} {two}" for one in ("Anna", "Bert", "Carl") for two in ("Hu", "Ito")], "a name"),
        ([letter * 2 + "son" for letter in string.ascii_uppercase], "a name"),
        ([f"fell off his bike near house {k}" for k in range(12)], "free text"),
    ],
)
def test_visits_are_not_people(column: list[str], what: str, visits: int) -> None:
    rows = [(f"S{k}", cell) for k, cell in enumerate(column) for _ in range(visits)]
    people, cells = zip(*rows, strict=True)
    found = private_cells(cells, people)
    assert len(found) == len(rows)
    assert set(found.values()) == {what}
    classes = ["mild cognitive impairment due to AD", "very healthy elderly people"]
    assert private_cells([classes[k % 2] for k in range(len(rows))], people) == {}


@given(st.text(min_size=4))
def test_a_message_shows_one_letter_of_text(cell: str) -> None:
    shown = redacted(cell)
    assert shown == f"{cell[0]}… ({len(cell)} characters)" or float(cell) is not None


def test_a_misspelt_value_is_shown() -> None:
    assert redacted("femle", ["male", "female"]) == "femle"
    assert redacted("Smith", ["male", "female"]) == "S… (5 characters)"


def test_ids() -> None:
    assert [shown_id(one) for one in ("sub-01", "Patient 10", "OAS1_0001_MR1")] == [
        "sub-01",
        "Patient 10",
        "OAS1_0001_MR1",
    ]
    assert [shown_id(one) for one in ("John Smith", "1950-03-12", "a@b.de")] == ["J…", "1…", "a…"]
