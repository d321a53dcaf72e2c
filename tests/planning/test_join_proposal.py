"""By which column a table is joined to the scans, and when none is taken."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from headstart.planning.join_proposal import best_join
from headstart.planning.label_columns import Table
from headstart.planning.unjoined_tables import unlike_ids

COUNT = 12
SCANS = [{"subject": f"{n:03d}"} for n in range(1, COUNT + 1)]
IDS = [str(n) for n in range(1, COUNT + 1)]
PERMUTED = ["4", "7", "1", "12", "9", "2", "6", "3", "11", "5", "8", "10"]
AGES = [f"{30 + n}.5" for n in range(COUNT)]
NAMES = (
    "Fall-ID",
    "ID",
    "Subject",
    "study_number",
    "Case No",
    "MRT-Nr.",
    "Patientennummer",
    "n° dossier",
)
MEASURES = (
    "Krankheitsdauer (Jahre)",
    "duration",
    "Reihenfolge",
    "scan_order",
    "EDSS",
    "n_visits",
    "x",
)


def joined(columns: dict[str, Sequence[str]]) -> tuple[str | None, str]:
    """Return the column that a table with an age is joined by, and what is said."""
    section, told = best_join(SCANS, ["{subject}"], [Table("t.csv", pd.DataFrame(columns))])
    return section.get("table", {}).get("column"), " ".join(told)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("write", ["{}", "{}.0", "{},0"])
@pytest.mark.parametrize("name", NAMES)
def test_a_measure_is_not_taken_for_the_ids(name: str, write: str, measure: str) -> None:
    values = [write.format(n) for n in PERMUTED]
    assert joined({"Age": AGES, measure: values, name: IDS})[0] == name


def test_a_few_numbers_that_fit_are_not_taken_for_the_ids() -> None:
    scores = [
        *("0.5", "1.0", "k.A.", "2.0", "2.5", "3.0", "3.5", "4.0", "7.0", "9.0", "5.0", "6.0")
    ]
    for write in (".", ","):
        cells = [score.replace(".", write) for score in scores]
        assert joined({"EDSS": cells, "Fall-ID": IDS, "Age": AGES})[0] == "Fall-ID"
        assert joined({"EDSS": cells, "x": IDS, "Age": AGES})[0] == "x"


def test_of_two_columns_of_numbers_that_with_a_row_for_all_scans() -> None:
    partly = [*PERMUTED[:9], "77", "78", "79"]
    assert joined({"a": partly, "b": IDS, "Age": AGES})[0] == "b"
    assert (
        joined({"Fall-ID": [*IDS[:9], "77", "78", "79"], "Scan-ID": ["20", *IDS[1:]], "Age": AGES})[
            0
        ]
        == "Scan-ID"
    )


@pytest.mark.parametrize("names", [("a", "b"), ("Nr.", "x"), ("Lfd. Nr.", "Platz")])
def test_in_doubt_none_is_taken(names: tuple[str, str]) -> None:
    found, told = joined({names[0]: IDS, names[1]: PERMUTED, "Age": AGES})
    assert found is None
    for name in names:
        assert f"`table: {{path: t.csv, column: '{name}', key: '{{subject}}'}}`" in told
    assert joined({names[0]: IDS, names[1]: IDS, "Age": AGES})[0] in names


@pytest.mark.parametrize("name", ["Krankheitsdauer", "scan order"])
def test_a_measure_alone_is_not_taken_either(name: str) -> None:
    ids = [f"X{n}y" for n in range(COUNT)]
    found, told = joined({"ID": ids, name: PERMUTED, "Age": AGES})
    assert found is None
    assert f"column: '{name}'" in told


@pytest.mark.parametrize("name", ["Nr.", "Lfd. Nr.", "Unnamed: 0", "x"])
def test_a_number_alone_is_taken(name: str) -> None:
    assert joined({name: IDS, "Krankheitsdauer": PERMUTED, "Age": AGES})[0] == name


@pytest.mark.parametrize("name", ["bed", "row", "Nr.", "#", "x"])
def test_a_number_alone_is_told(name: str) -> None:
    found, told = joined({name: IDS, "Age": AGES})
    assert found == name
    assert f"t.csv: joined by the numbers in '{name}'" in told
    assert "'001' is '1'; check it" in told


@pytest.mark.parametrize("name", ["ID", "Fall-ID", "Subject"])
def test_ids_by_name_are_not_to_be_checked(name: str) -> None:
    assert joined({name: IDS, "Age": AGES}) == (name, "")


@pytest.mark.parametrize("name", ["n", "x", "index"])
def test_numbers_alone_that_fit_not_all_scans_are_not_taken(name: str) -> None:
    from_0 = [str(n) for n in range(COUNT)]
    found, told = joined({name: from_0, "Age": AGES})
    assert found is None
    assert f"'{name}' has the numbers of 11 of 12 scans" in told
    assert f"`table: {{path: t.csv, column: '{name}', key: '{{subject}}'}}`" in told


@pytest.mark.parametrize("name", ["ID", "Subject", "Fall-ID"])
def test_ids_that_count_from_0_are_not_those_of_scans_that_count_from_1(name: str) -> None:
    from_0 = [str(n) for n in range(COUNT)]
    found, told = joined({name: from_0, "Age": AGES})
    assert found is None
    assert f"'{name}' counts from 0, and has 11 of 12 scans" in told
    assert f"`table: {{path: t.csv, column: '{name}', key: '{{subject}}'}}`" in told
    scans = [{"subject": f"{n:03d}"} for n in range(COUNT + 1)]
    table = Table("t.csv", pd.DataFrame({name: from_0, "Age": AGES}))
    assert best_join(scans, ["{subject}"], [table])[0]["table"]["column"] == name


@pytest.mark.parametrize("other", ["patient", "hospital number", "ID", "Kennung", "código"])
@pytest.mark.parametrize("name", ["bed", "row", "Nr.", "#"])
def test_numbers_alone_are_not_taken_beside_ids_that_fit_nothing(name: str, other: str) -> None:
    found, told = joined({name: IDS, other: [f"H{n}04" for n in PERMUTED], "Age": AGES})
    assert found is None
    assert f"'{other}' looks like ids and fits no scan" in told
    assert f"column: '{name}'" in told


@pytest.mark.parametrize("write", ["{}", "{:03d}", "s{}"])
@pytest.mark.parametrize(
    "name",
    [
        *("twin_id", "mother_id", "Father ID", "family_id", "FamilyID", "matched_control_id"),
        *("rater id", "partner", "Zwilling-ID", "Mutter_ID", "id_madre", "ID du jumeau", "padre"),
        *("sibling", "Kontroll-ID", "id témoin", "codice gemello", "reader", "parent id"),
    ],
)
def test_ids_of_somebody_else_are_not_taken(name: str, write: str) -> None:
    theirs = [write.format(int(n)) for n in PERMUTED]
    found, told = joined({name: theirs, "Age": AGES})
    assert found is None
    assert f"column: '{name}'" in told
    assert joined({name: theirs, "Subject": IDS, "Age": AGES})[0] == "Subject"


@pytest.mark.parametrize(
    "names", [("subject", "patient"), ("ID", "scan_id"), ("case", "control"), ("id", "mri_id")]
)
def test_of_two_columns_of_ids_that_differ_none_is_taken(names: tuple[str, str]) -> None:
    for first, second in (names, names[::-1]):
        found, told = joined({first: PERMUTED, second: IDS, "Age": AGES})
        assert found is None
        for name in names:
            assert f"`table: {{path: t.csv, column: '{name}', key: '{{subject}}'}}`" in told
    assert joined({names[0]: IDS, names[1]: IDS, "Age": AGES})[0] in names


def test_ids_of_scans_and_of_people_are_no_doubt() -> None:
    scans = [{"subject": s["subject"], "session": v} for s in SCANS for v in ("1", "2")]
    people = [scan["subject"] for scan in scans]
    images = [f"{scan['subject']}_{scan['session']}" for scan in scans]
    table = pd.DataFrame({"Subject ID": people, "MRI ID": images, "Age": [*AGES, *AGES]})
    keys = ["{subject}", "{subject}_{session}"]
    assert best_join(scans, keys, [Table("t.csv", table)])[0]["table"]["column"] == "MRI ID"


@pytest.mark.parametrize("name", ["# V = man", "l'id", "a, b", "No", "x: y", "{x}", "n # 1", "ID"])
def test_what_is_advised_is_yaml(name: str) -> None:
    ids = [f"X{n}y" for n in range(COUNT)]
    table = Table("my, t.csv", pd.DataFrame({name: ids, "Age": AGES}))
    for said in (
        *unlike_ids(["1", "2"], [table]),
        joined({f"{name} score": IDS, "Age": AGES})[1],
        joined({f"{name} twin": IDS, "Age": AGES})[1],
    ):
        lines = re.findall(r"`(table: .*)`", said)
        assert len(lines) == 1
        advised = yaml.safe_load(lines[0])["table"]
        assert advised["column"].startswith(name)
        assert (advised["path"].endswith("t.csv"), advised["key"]) == (True, "{subject}")


LATER = [f"{31 + n}.5" for n in range(COUNT)]


def visited(
    sessions: Sequence[str], *tables: dict[str, Sequence[str]]
) -> tuple[dict[str, Any], str]:
    """Return how tables are joined to scans of several sessions, and what is said."""
    scans = [{"subject": s["subject"], "session": v} for s in SCANS for v in sessions]
    given = [Table(f"t{n}.csv", pd.DataFrame(cells)) for n, cells in enumerate(tables)]
    section, told = best_join(scans, ["{subject}", "{session}"], given)
    return section, " ".join(told)


@pytest.mark.parametrize(
    ("sessions", "columns"),
    [
        (("baseline", "followup"), ("Age_baseline", "Age_followup")),
        (("baseline", "follow-up"), ("AgeBaseline", "AgeFollowup")),
        (("BL", "FU"), ("MMSE bl", "MMSE fu")),
        (("m00", "m12"), ("age_m00", "age_m12")),
        (("01", "02"), ("Age_1", "Age_2")),
        (("01", "02"), ("Age_V1", "Age_V2")),
        (("ses-1", "ses-2"), ("Age1", "Age2")),
        (("T0", "T1"), ("AgeT0", "AgeT1")),
        (("V1", "V2"), ("AgeV1", "AgeV2")),
        (("1", "2"), ("agev1", "agev2")),
        (("2", "3"), ("p21003_i2", "p21003_i3")),
        (("baseline", "followup"), ("Sex", "Age at baseline")),
    ],
)
def test_columns_of_single_visits_are_no_labels_of_all(
    sessions: tuple[str, str], columns: tuple[str, str]
) -> None:
    cells = {"ID": IDS, columns[0]: ["30", "40"] * 6 if columns[0] == "Sex" else AGES}
    cells |= {columns[1]: LATER, "Group": ["a", "b"] * 6}
    section, told = visited(sessions, cells)
    lasting = {"sex": "Sex"} if columns[0] == "Sex" else {}
    assert section["labels"] == {"group": "Group", **lasting}
    assert columns[1] in told
    assert "a row per visit" in told
    section, told = visited(sessions, {k: v for k, v in cells.items() if k not in ("Group", "Sex")})
    assert section == {}
    assert "a row per visit" in told


def test_a_row_per_visit_goes_before_a_column_per_visit() -> None:
    visits = ("baseline", "followup")
    wide = {"ID": IDS, "Age_baseline": AGES, "Age_followup": LATER, "Sex": ["f", "m"] * 6}
    ages = [age for pair in zip(AGES, LATER, strict=True) for age in pair]
    ids = [one for one in IDS for _ in visits]
    long = {"ID": ids, "visit": [*visits] * COUNT, "Age": ages, "Sex": ["f", "f", "m", "m"] * 6}
    section, _ = visited(visits, wide, long)
    assert section["table"]["column"] == ["ID", "visit"]
    assert section["labels"] == {"age": "Age", "sex": "Sex"}


def test_numbers_of_questions_are_no_visits() -> None:
    items = {f"item_{n}": [str(n + k) for k in range(COUNT)] for n in range(1, 5)}
    assert visited(("1", "2"), {"ID": IDS, **items})[0]["labels"] == {name: name for name in items}


def test_ids_with_decimals_as_the_scans_have_them() -> None:
    scans = [{"subject": f"{n}.0"} for n in PERMUTED]
    table = pd.DataFrame({"x": [f"{n}.0" for n in IDS], "Age": AGES})
    assert best_join(scans, ["{subject}"], [Table("t.csv", table)])[0]["table"]["column"] == "x"


def test_of_labels_that_differ_as_often_the_order_says_nothing() -> None:
    other = [IDS[1], IDS[0], *IDS[2:]]
    measures = {f"score {word}": AGES for word in "abcdefghijkl"}
    columns = {"ID": other, "Fall-ID": IDS, **measures}
    said = [joined(columns), joined(dict(reversed(columns.items())))]
    assert said[0] == said[1]
    assert "for 2 of 12 scans" in said[0][1]


orders = st.permutations(range(COUNT))


@settings(max_examples=40)
@given(
    name=st.sampled_from((*NAMES, "Nr.", "x")),
    text=st.booleans(),
    measures=st.lists(st.sampled_from(MEASURES[:-1]), max_size=3, unique=True),
    order=orders,
    data=st.data(),
)
def test_the_column_depends_on_no_order(
    name: str, text: bool, measures: list[str], order: list[int], data: st.DataObject
) -> None:
    columns: dict[str, list[str]] = {
        name: [scan["subject"] if text else str(int(scan["subject"])) for scan in SCANS],
        "Age": AGES,
    }
    assert joined(columns)[0] == name
    for measure in measures:
        write = data.draw(st.sampled_from(["{}", "{}.0", "{},0"]))
        columns[measure] = [write.format(n + 1) for n in data.draw(orders)]
    shuffled = {
        key: [columns[key][row] for row in order]
        for key in data.draw(st.permutations(list(columns)))
    }
    assert joined(shuffled)[0] == name


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from((*NAMES, *MEASURES, "Nr.")), min_size=2, max_size=4, unique=True),
    orders,
    st.data(),
)
def test_a_choice_or_a_doubt_depends_on_no_order(
    names: list[str], order: list[int], data: st.DataObject
) -> None:
    columns = {name: [str(n + 1) for n in data.draw(orders)] for name in names} | {"Age": AGES}
    keys = data.draw(st.permutations(list(columns)))
    shuffled = {key: [columns[key][row] for row in order] for key in keys}
    assert joined(shuffled) == joined(columns)


def test_a_wide_table_takes_time_that_grows_with_its_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ids = [str(10_000_000 + 7 * row) for row in range(60)]
    scans = [{"subject": one, "session": "1"} for one in ids]

    def seconds(columns: int) -> float:
        values = {f"v{n}": rng.integers(0, 9_000, len(ids)) for n in range(columns)}
        pd.DataFrame({"eid": ids, **values}).to_csv(tmp_path / "t.csv", index=False)
        start = time.process_time()
        table = Table.read(tmp_path, "t.csv")
        assert best_join(scans, ["{subject}"], [table])[0]["table"]["column"] == "eid"
        return time.process_time() - start

    seconds(5)  # imports
    assert seconds(240) < 8 * seconds(60)
