"""Covariates as numbers: fitted to the training scans, and to nobody else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from headstart.cohort.covariates import Covariates
from headstart.common.errors import UserError


def scans(*rows: tuple[str, ...]) -> list[Any]:
    return [SimpleNamespace(subject=f"s{n}", session="1", covariates=r) for n, r in enumerate(rows)]


def encoded(fitted: Covariates, *row: str) -> list[float]:
    return fitted.encode(scans(row)[0]).tolist()


def test_a_number_is_standardised_and_a_class_has_a_column_less_its_share():
    fitted = Covariates.fit(
        ["age", "sex"], scans(("20", "M"), ("30", "F"), ("40", "F"), ("50", "F"))
    )
    assert fitted.names == ["age", "sex"]
    assert fitted.width == 3
    # mean 35, standard deviation sqrt(125); a quarter are M
    root = 125**0.5
    assert encoded(fitted, "20", "M") == pytest.approx([-15 / root, -0.75, 0.75])
    assert encoded(fitted, "60.0", "F") == pytest.approx([25 / root, 0.25, -0.25])


@given(
    st.lists(
        st.tuples(st.integers(-999, 999).map(str), st.sampled_from("abc")), min_size=2, max_size=30
    )
)
def test_the_mean_of_the_training_scans_is_nothing_and_a_number_s_spread_is_one(rows):
    training = scans(*rows)
    fitted = Covariates.fit(["age", "kind"], training)
    columns = np.stack([fitted.encode(scan) for scan in training])
    np.testing.assert_allclose(columns.mean(axis=0), 0, atol=1e-9)
    several = len({age for age, _ in rows}) > 1
    assert columns[:, 0].std() == pytest.approx(1 if several else 0)
    # a card holds all of it
    card = TypeAdapter(Covariates).validate_json(fitted.model_dump_json())
    assert card == fitted
    assert all((card.encode(scan) == fitted.encode(scan)).all() for scan in training)


def test_a_value_that_no_training_scan_has_is_their_mean_and_is_told():
    fitted = Covariates.fit(["site"], scans(("A",), ("A",), ("B",)))
    assert encoded(fitted, "C") == [0, 0]
    assert fitted.unlike(("A",)) == []
    assert fitted.unlike(("C",)) == [
        "its site 'C' is that of no training scan (A, B), and taken for the mean of those"
    ]


def test_a_number_beyond_those_of_training_is_told():
    fitted = Covariates.fit(["age"], scans(("20",), ("60",)))
    assert fitted.unlike(("20",)) == fitted.unlike(("60.0",)) == []
    assert fitted.unlike(("61",)) == ["its age is 61, that of training scans from 20 to 60"]
    assert fitted.unlike(("19",)) == ["its age is 19, that of training scans from 20 to 60"]


def test_what_all_training_scans_have_in_common_tells_nothing_of_others():
    fitted = Covariates.fit(["age", "sex"], scans(("40", "M"), ("40.0", "M")))
    assert encoded(fitted, "90", "F") == encoded(fitted, "40", "M") == [0, 0]
    assert fitted.constant == {"age": "40", "sex": "M"}
    # the mean of three times 0.1 is another number
    assert encoded(Covariates.fit(["age"], scans(*[("0.1",)] * 3)), "0.2") == [0]
    assert Covariates.fit(["age"], scans(("40",), ("41",))).constant == {}


def test_a_site_is_a_name_also_where_it_is_a_number():
    assert Covariates.fit(["site"], scans(("1",), ("2",), ("3",))).width == 3
    assert Covariates.fit(["score"], scans(("1",), ("2",), ("3",))).width == 1


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (("", "M"), "age is missing, which the network needs beside the scan"),
        (("40", ""), "sex is missing"),
        (("old", "M"), "age is 'old', which is no number"),
        (("nan", "M"), "age is 'nan', which is no number"),
    ],
)
def test_what_can_not_be_used_is_named(row, fault):
    fitted = Covariates.fit(["age", "sex"], scans(("20", "M"), ("30", "F")))
    assert fitted.fault(("25", "F")) == ""
    assert fitted.fault(row).startswith(fault)
    with pytest.raises(UserError, match=f"subject 's0', session '1': {fault}"):
        encoded(fitted, *row)


def test_text_among_numbers_is_refused():
    with pytest.raises(UserError, match="subject s2 has age = 'old', which is no number, while"):
        Covariates.fit(["age"], scans(("20",), ("30",), ("old",)))
