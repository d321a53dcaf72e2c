"""Ids as files and tables write them: one person is found, and never another."""

from __future__ import annotations

import pytest
from hypothesis import assume
from hypothesis import given
from hypothesis import strategies as st

from headstart.data.identities import AmbiguousIdsError
from headstart.data.identities import alike


def partners(scans: list[str], rows: list[str]) -> list[str]:
    """Return the row of each scan, '' for none."""
    ours, theirs, _ = alike([(one,) for one in scans], [(one,) for one in rows])
    of = dict(zip(theirs, rows, strict=True))
    return [of.get(one, "") for one in ours]


@pytest.mark.parametrize(
    ("scans", "rows"),
    [
        (["sub-01", "sub-02", "sub-10"], ["sub1", "sub2", "sub10"]),
        (["sub-01", "sub-02"], ["1", "2"]),
        (["sub01", "Sub19", "sub20"], ["sub01", "sub19", "sub20"]),
        (["IXI012", "IXI013"], ["12", "13"]),
        (["S1", "S12"], ["sub-001", "sub-012"]),
        (["OAS1_0001", "OAS1_0002", "OAS1_0003"], ["1", "2", "3"]),
        (["P001_A", "P002_B"], ["p1-a", "P2 b"]),
        (["1", "2"], ["1.0", "2.0"]),
        (["my_study_07", "my_study_11"], ["7", "11"]),
        (["C01", "P01", "C02"], ["c1", "p1", "c2"]),
        (
            ["42650644-781f-4c58-9664-5fa9e8a8529f", "fee29476-3116-0027-bbfd-1d338d0038ec"],
            ["42650644781f4c5896645fa9e8a8529f", "{FEE29476-3116-0027-BBFD-1D338D0038EC}"],
        ),
    ],
)
def test_one_person_written_in_two_ways(scans: list[str], rows: list[str]) -> None:
    assert partners(scans, rows) == rows
    assert partners(rows[::-1], scans[::-1]) == scans[::-1]


def test_other_uuids_are_other_people() -> None:
    scans = ["42650644-781f-4c58-9664-5fa9e8a8529f", "42650644-781f-4c58-9664-5fa9e8a85290"]
    rows = ["42650644781f4c5896645fa9e8a85290", "042650644781f4c5896645fa9e8a8529"]
    assert partners(scans, rows) == ["", rows[0]]


def test_one_odd_id_decides_nothing() -> None:
    scans = ["Pilot_1", *(f"sub-{n:02d}" for n in range(1, 12))]
    rows = [*map(str, range(1, 12)), "Mean"]
    assert partners(scans, rows) == ["", *rows[:-1]]


def test_numbers_of_two_cohorts_are_two_people() -> None:
    assert partners(["IXI001", "IXI002"], ["OAS001", "OAS002"]) == ["", ""]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("P", "C"),
        ("S", "C"),
        ("pat", "con"),
        ("P", "HC"),
        ("sub-", "control"),
        ("case", "ctrl"),
        ("sub-P", "sub-C"),
        ("sub-", "IXI"),
    ],
)
def test_prefixes_that_name_cohorts_are_kept(ours: str, theirs: str) -> None:
    scans, rows = ([f"{own}{n:02d}" for n in range(1, 9)] for own in (ours, theirs))
    assert partners(scans, rows) == partners(rows, scans) == [""] * 8


def test_a_generic_word_before_the_same_cohort_is_dropped() -> None:
    assert partners(["sub-IXI012", "sub-IXI013"], ["IXI12", "IXI13"]) == ["IXI12", "IXI13"]
    assert partners(["case01", "case02"], ["pat1", "pat2"]) == ["pat1", "pat2"]


def test_patients_and_controls_with_one_number_stay_two_people() -> None:
    assert partners(["C01", "P01"], ["1", "2"]) == ["", ""]


def test_an_id_that_stands_there_needs_no_similar_one() -> None:
    assert partners(["1", "01", "2"], ["01", "1", "002"]) == ["1", "01", "002"]
    assert partners(["1", "01"], ["01"]) == ["", "01"]


def test_two_rows_that_are_alike_are_named() -> None:
    with pytest.raises(AmbiguousIdsError) as caught:
        partners(["sub-1"], ["sub-01", "SUB1"])
    assert (caught.value.one, caught.value.two, caught.value.rows) == (("sub-01",), ("SUB1",), True)
    with pytest.raises(AmbiguousIdsError) as caught:
        partners(["sub-1", "sub-01"], ["1"])
    assert not caught.value.rows


def test_a_visit_is_a_second_part() -> None:
    scans = [("sub-01", "ses-1"), ("sub-01", "ses-2"), ("sub-02", "ses-1")]
    rows = [("1", "2"), ("2", "1"), ("1", "1"), ("2", "2")]
    ours, theirs, _ = alike(scans, rows)
    assert [rows[theirs.index(one)] for one in ours] == [("1", "1"), ("1", "2"), ("2", "1")]


WRITINGS = st.tuples(
    st.sampled_from(["", "sub-", "SUB", "IXI", "S", "P_"]), st.integers(0, 3), st.booleans()
)


@given(
    numbers=st.lists(st.integers(0, 400), min_size=1, max_size=30, unique=True),
    some=st.data(),
    ours=WRITINGS,
    theirs=WRITINGS,
)
def test_the_person_is_found_however_each_side_writes(
    numbers: list[int],
    some: st.DataObject,
    ours: tuple[str, int, bool],
    theirs: tuple[str, int, bool],
) -> None:
    def write(number: int, how: tuple[str, int, bool]) -> str:
        text = how[0] + str(number).zfill(how[1])
        return text.lower() if how[2] else text

    assume("IXI" not in (ours[0], theirs[0]) or {ours[0], theirs[0]} <= {"IXI", ""})
    here = some.draw(st.lists(st.sampled_from(numbers), min_size=1, unique=True))
    there = some.draw(st.permutations(numbers))
    found = partners([write(n, ours) for n in here], [write(n, theirs) for n in there])
    assert found == [write(n, theirs) for n in here]


@given(
    scans=st.lists(st.text("aA01-_ ", max_size=4), max_size=8),
    rows=st.lists(st.text("aA01-_ ", max_size=4), max_size=8),
)
def test_no_row_is_shared_and_no_exact_one_passed_over(scans: list[str], rows: list[str]) -> None:
    try:
        found = partners(scans, rows)
    except AmbiguousIdsError:
        return
    for scan, row in zip(scans, found, strict=True):
        assert row == scan or scan not in rows or not scan
    for row in set(found) - {""}:
        assert len({scan for scan, own in zip(scans, found, strict=True) if own == row}) == 1
