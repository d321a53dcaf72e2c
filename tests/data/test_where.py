"""The key `where`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.common.errors import UserError
from headstart.data.config import Source
from headstart.data.layouts.source import read_source
from headstart.data.where import OPERATORS
from headstart.data.where import parse_condition


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("age >= 60", True),
        ("age>60.0", False),
        ("age == 60.0", True),
        ("site != HH", True),
        ("site == 'Guys' and age < 70", True),
        ('site == "Hammersmith Hospital" or age <= 60', True),
        ("site == HH or age > 50 and age < 55", False),  # `and` binds closer
        ("age > 50 and age < 55 or sex == f", True),
        ("diagnosis == case", False),  # missing: unknown
        ("diagnosis != case", False),
        ("diagnosis < 1 or sex == f", True),
    ],
)
def test_conditions(text: str, holds: bool) -> None:
    person = {"age": "60", "site": "Guys", "sex": "f", "diagnosis": ""}
    assert parse_condition(text).holds(person) is holds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no condition"),
        ("age", "no condition"),
        ("age >=", "no condition"),
        ("age = 60", "no condition"),
        ("age >= old", "stands a number"),
        ("age > nan", "stands a number"),
        ("age > 43,5", r"after > stands a number; write 43\.5"),
        ("age >= -1,25 and sex == M", r"write -1\.25"),
        ("age >= 60 and", "no condition"),
        ("age >= 60 site == HH", "'site' stands where `and` or `or` should"),
        ("site == Hammersmith Hospital", "needs quotes"),
        ("__import__('os').system('x') == 0", "can't be read"),
        ("(age > 6)", "can't be read"),
    ],
)
def test_what_is_no_condition(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_condition(text)


def test_text_is_not_larger_than_a_number() -> None:
    with pytest.raises(ValueError, match="age = 'old' is no number"):
        parse_condition("age > 60").holds({"age": "old"})


@given(st.text("ag e<>=!'\"and or60.1()", max_size=30))
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        condition = parse_condition(text)
    except ValueError:
        return
    assert condition.names


COMPARISON = st.tuples(
    st.sampled_from("ab"), st.sampled_from(sorted(OPERATORS)), st.integers(-3, 3)
)


@given(st.lists(st.lists(COMPARISON, min_size=1), min_size=1), st.integers(-3, 3), st.integers())
def test_numbers_compare_as_in_python(
    alternatives: list[list[tuple[str, str, int]]], a: int, b: int
) -> None:
    text = " or ".join(" and ".join(f"{n} {s} {v}" for n, s, v in every) for every in alternatives)
    person = {"a": a, "b": b}
    wanted = any(all(OPERATORS[s](person[n], v) for n, s, v in every) for every in alternatives)
    assert parse_condition(text).holds({n: str(v) for n, v in person.items()}) is wanted


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("dx == control", 2),
        ("dx != control", 2),
        ("dx != Control", None),  # it is control: all would be taken
        ("dx != kontrol", None),
        ("dx != excluded", 4),  # nobody is, today
        ("dx == case", None),
        ("dx == case or age > 41", None),
        ("age == 40.0", 1),
        ("age == 50", None),
        ("subject != 04", 3),
        ("subject == 05", None),
    ],
)
def test_a_value_that_no_scan_has(tmp_path: Path, where: str, left: int | None) -> None:
    table = tmp_path / "own/t.csv"
    table.parent.mkdir()
    rows = [f"{n:02d},{39 + n},{'caso' if n % 2 else 'control'}" for n in range(1, 5)]
    table.write_text("\n".join(["ID,age,dx", *rows]) + "\n")
    for n in range(1, 5):
        (table.parent / f"{n:02d}.nii").touch()
    source = Source.model_validate(
        {
            "source": "own",
            "channels": {"T1": "{subject}.nii"},
            "table": {"path": "t.csv", "column": "ID"},
            "labels": {"age": "age", "dx": "dx"},
            "where": where,
        }
    )
    if left is None:
        with pytest.raises(UserError, match="no scan has"):
            read_source(source, tmp_path)
    else:
        assert sum(not one.reason for one in read_source(source, tmp_path)) == left
