"""Which values of a column are no values, by how the others are distributed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.missing_codes import MISSING
from headstart.data.missing_codes import are_ranges
from headstart.data.missing_codes import is_no_number
from headstart.data.missing_codes import missing_codes

AGES = [str(20 + 2 * n) for n in range(36)]  # 20 to 90
SCORES = [str(n) for n in range(31)]
SEX = ["1", "2"] * 10


@pytest.mark.parametrize(
    ("cells", "age", "codes"),
    [
        ([*AGES, "999"], True, {"999"}),
        ([*AGES, "-9"], True, {"-9"}),
        ([*AGES, "-999", "0", "1961"], True, {"-999", "0", "1961"}),
        ([*AGES, "-121", "2224"], True, {"-121", "2224"}),
        ([*AGES, "9999.0"], False, {"9999.0"}),
        ([*AGES[:16], "99", "99"], True, {"99"}),
        ([*AGES, "89+", ">90"], True, {"89+", ">90"}),
        ([*AGES, "unknown", "none"], True, {"unknown", "none"}),
        ([*AGES, "unbekannt", "inconnu"], True, {"unbekannt", "inconnu"}),
        ([*SCORES, "-1"], False, {"-1"}),
        ([*SCORES, "99", "-4"], False, {"99", "-4"}),
        ([*SEX, "9"], False, {"9"}),
        ([*SEX, "99", "9"], False, {"9", "99"}),
        (["170", "181", "165.5", "158", "190", "0", "175", "163"], False, {"0"}),
        (["AD", "CN", "unknown"] * 4, False, {"unknown"}),
        (["m", "w"] * 5 + ["-9"], False, {"-9"}),
        (["m", "w", "999", "99", "9"], False, {"9", "99", "999"}),
        (["m", "w", *["-9"] * 8], False, {"-9"}),
        (["m", "w", "-9", "unknown"], False, {"-9", "unknown"}),
        (["1", "2", "2a", "2b", "3a", "-9"], False, {"-9"}),
        (["1", "2", "2a", "2b", "3a", "99"], False, {"99"}),
        (["-2.5", "-1", "0", "0.5", "1", "3", "99"], False, {"99"}),
    ],
)
def test_codes(cells: list[str], age: bool, codes: set[str]) -> None:
    assert set(missing_codes(cells, age=age)) == codes


@pytest.mark.parametrize(
    "word",
    [
        *("weiß nicht", "WEISS NICHT", "keine Angabe", "nicht erhoben", "k.A.", "entfällt"),
        *("don't know", "don\u2019t know", "Not recorded", "Unknown?", "not_known", "N.D."),
        *("ne sait pas", "je ne sais pas", "Non renseigné", "donnée manquante"),
        *("no sabe", "NS/NC", "No sé", "sin datos", "Non so", "non lo so", "non rilevato"),
    ],
)
def test_words_for_not_known_in_any_writing(word: str) -> None:
    if word.lower() not in MISSING:  # those are blank before
        assert set(missing_codes(["ja", "nein", word] * 4, age=False)) == {word}
        assert set(missing_codes([*SCORES, word], age=False)) == {word}
    assert is_no_number(word)


@pytest.mark.parametrize("word", ["nein", "no", "non", "kein", "not ill", "ns", "se", "other"])
def test_words_that_are_classes(word: str) -> None:
    assert not missing_codes(["ja", word] * 4, age=False)
    assert not is_no_number(word)


@pytest.mark.parametrize(
    "cells",
    [
        AGES,
        [*AGES, "95", "99"],
        SCORES,
        [str(n) for n in range(10)],
        ["0", "1", "2"] * 5,
        ["-1", "0", "1"] * 5,
        ["0", "0.5", "1", "2", "3"] * 3,
        ["55", "61", "70.5", "77", "88", "93", "99"],
        [str(600 + 11 * n) for n in range(80)] + ["999"],
        ["none", "mild", "severe"] * 4,
        ["7", "8", "9", "10", "12"] * 3,
        ["0", "mild", "severe"] * 4,
        ["8", "9", "9a", "10a", "10b"] * 3,
        ["-3", "-2", "-1", "0", "1", "2"] * 2,
    ],
)
def test_values_are_no_codes(cells: list[str]) -> None:
    assert missing_codes(cells, age=False) == {}
    if all(cell.isdecimal() for cell in cells):
        assert not missing_codes(cells, age=True) or "999" in cells or "0" in cells


# without 77 and 88, which far from the others are codes themselves
AGES = st.integers(18, 76)


@given(st.lists(AGES, min_size=8, unique=True), st.sampled_from(["999", "-9"]))
def test_a_code_beside_any_ages(ages: list[int], code: str) -> None:
    cells = [str(age) for age in ages]
    assert missing_codes([*cells, code, ""], age=True) == {
        code: f"the others are {min(ages)} to {max(ages)}"
    }
    assert missing_codes(cells, age=True) == {}


def test_a_code_among_words_says_why() -> None:
    assert missing_codes(["AD", "CN", "-9"], age=False) == {"-9": "a number among words"}


def test_ranges() -> None:
    assert are_ranges(["20-25", "26-30", "31 - 35", "", "?"])
    assert not are_ranges(["20", "25", "20-25"])
