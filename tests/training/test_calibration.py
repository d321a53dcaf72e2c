from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cards import make_card
from cards import make_run
from scipy import stats

from headstart.cli import main
from headstart.common.errors import UserError
from headstart.tasks.regression import BEYOND
from headstart.tasks.regression import BINS
from headstart.tasks.regression import BinnedRegression
from headstart.training import calibration
from headstart.training.calibration import Calibration
from headstart.training.calibration import Controls
from headstart.training.card import ModelCard

DOCS = ("README.md", "config/first-week.md")
STATE = {"mean": 50.0, "standard_deviation": 15.0}


def card(**changes: object) -> ModelCard:
    return make_card(make_run(), **{"state": STATE, "unit": "years", **changes})


def controls(n: int, *, slope: float = 1.0, low: float = 20, high: float = 80) -> Controls:
    """People of whom a network says 6 years too much, and in whom it sees a share of the rest."""
    rng = np.random.default_rng(n)
    truth = np.linspace(low, high, n)
    predicted = truth.mean() + 6 + (truth - truth.mean()) / slope + rng.normal(0, 4, n)
    return Controls(predicted, truth)


def test_the_offset_and_its_interval_are_the_mean_and_t_interval_of_the_gaps():
    known = controls(12)
    found = calibration.calibrate(known, [card()])
    gaps = known.predicted - known.truth
    expected = stats.t.interval(0.95, 11, gaps.mean(), stats.sem(gaps))
    assert found.offset == pytest.approx(gaps.mean())
    assert found.offset_interval == pytest.approx(expected)
    assert (found.slope, found.slope_interval) == (1, None)
    assert found.slope_told == "it takes 20 controls"
    assert (found.controls, found.range, found.unit) == (12, (20, 80), "years")
    cells = found.cells(40.0)
    half = (expected[1] - expected[0]) / 2
    assert list(cells) == ["calibrated", "calibrated_low", "calibrated_high"]
    assert [*cells.values()] == pytest.approx([40 - gaps.mean() + d for d in (0, -half, half)])


def test_a_slope_is_fitted_and_its_interval_widens_away_from_the_controls():
    known = controls(60, slope=0.5)
    found = calibration.calibrate(known, [card()])
    line = stats.linregress(known.predicted, known.truth)
    half = stats.t.ppf(0.975, 58) * line.stderr
    assert found.slope == pytest.approx(line.slope)
    assert found.slope_interval == pytest.approx((line.slope - half, line.slope + half))
    at = known.predicted.mean() + np.array([0, 10, 40])
    cells = [found.cells(prediction) for prediction in at]
    values = [one["calibrated"] for one in cells]
    assert values == pytest.approx(line.intercept + line.slope * at)
    left = known.truth - line.intercept - line.slope * known.predicted
    deviation = math.sqrt((left**2).sum() / 58)
    squares = ((known.predicted - known.predicted.mean()) ** 2).sum()
    reach = stats.t.ppf(0.975, 58) * deviation * np.sqrt(1 / 60 + (at - at[0]) ** 2 / squares)
    assert [one["calibrated_high"] for one in cells] == pytest.approx(values + reach)
    assert [one["calibrated_low"] for one in cells] == pytest.approx(values - reach)


def test_no_slope_of_few_of_a_narrow_range_of_one_prediction_or_where_it_is_not_told_from_1():
    def told(known: Controls, one: ModelCard) -> str:
        found = calibration.calibrate(known, [one])
        assert (found.slope, found.slope_interval) == (1, None)
        return found.slope_told

    assert told(controls(19, slope=0.5), card()) == "it takes 20 controls"
    # half of two standard deviations to either side: 30 years
    narrow = controls(40, slope=0.5, low=40, high=69)
    assert told(narrow, card()).startswith("it takes controls over a range of 30, half of")
    assert calibration.calibrate(controls(40, slope=0.5, low=40, high=71), [card()]).slope < 1
    flat = Controls(np.full(30, 50.0), np.linspace(20, 80, 30))
    assert told(flat, card()) == "all predictions are the same"
    assert told(controls(40, slope=1.05), card()).endswith("is not told from 1")
    blind = Controls(np.random.default_rng(0).normal(50, 9, 40), np.linspace(20, 80, 40))
    assert "is not told from 0: here predictions hardly follow" in told(blind, card())


def test_half_of_the_targets_of_bins_is_half_of_what_was_learnt_from():
    bins = np.arange(BINS) - BEYOND + 20.0
    assert BinnedRegression(tuple(bins)).half_of_targets == (BINS - 1 - 2 * BEYOND) / 2


@pytest.mark.parametrize("deviation", [0.2, 3.0, 5.0, 100.0])
def test_so_many_controls_bring_an_offset_to_within_one_and_one_fewer_do_not(deviation):
    n = calibration._enough(deviation)
    assert n is not None

    def reach(n: int) -> float:
        return stats.t.ppf(0.975, n - 1) * deviation / math.sqrt(n)

    assert reach(n) <= 1
    assert n == 2 or reach(n - 1) > 1
    assert calibration._enough(1e4) is None


def test_the_interval_holds_the_offset_in_95_of_100_scanners():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        truth = rng.uniform(20, 80, 10)
        known = Controls(truth + 3 + rng.normal(0, 5, 10), truth)
        low, high = calibration.calibrate(known, [card()]).offset_interval
        held += low <= 3 <= high
    assert 0.92 < held / 400 < 0.98


def test_too_few_or_people_of_one_age_are_refused():
    with pytest.raises(UserError, match="4 controls with a prediction; it takes 5 or more"):
        calibration.calibrate(controls(4), [card()])
    same = Controls(np.arange(6.0), np.full(6, 45.0))
    with pytest.raises(UserError, match="age is 45 in all 6 controls"):
        calibration.calibrate(same, [card()])


@pytest.mark.parametrize("truth", [np.linspace(240, 960, 12), [*range(40, 51), 999]])
def test_months_and_codes_among_ages_are_refused(truth: object):
    wrong = Controls(np.linspace(40, 60, 12), np.array(truth, float))
    with pytest.raises(UserError, match=r"over twice the range .* another unit, and for codes"):
        calibration.calibrate(wrong, [card()])


def write(path: Path, **columns: list[object]) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_a_persons_sessions_are_one_control_and_rejected_scans_none(tmp_path: Path):
    path = write(
        tmp_path / "local.csv",
        subject=["b", "a", "b", "c"],
        age=[30, 40, 32, 50],
        target=["age", "age", "age", ""],
        prediction=[33, 45, 35, ""],
    )
    found = calibration.read_controls(path, "age")
    assert found.predicted.tolist() == [45, 34]
    assert found.truth.tolist() == [40, 31]
    assert found.left_out == 1


def test_a_table_that_a_spreadsheet_saved_again_is_read_all_the_same(tmp_path: Path):
    rows = ["subject;age;target;prediction", "a;40,5;age;45,25", "b;31;age;34", ""]
    (tmp_path / "local.csv").write_bytes("\ufeff".encode() + "\r\n".join(rows).encode())
    found = calibration.read_controls(tmp_path / "local.csv", "age")
    assert found.predicted.tolist() == [45.25, 34]
    assert found.truth.tolist() == [40.5, 31]


def test_tables_that_are_none_of_controls_are_named(tmp_path: Path):
    def said(**columns: list[object]) -> str:
        with pytest.raises(UserError) as error:
            calibration.read_controls(write(tmp_path / "local.csv", **columns), "age")
        return str(error.value)

    assert "has no column 'age' with the true numbers; there are: Age, prediction" in said(
        Age=[1], prediction=[2]
    )
    assert "holds predictions of sex, but these networks predict age" in said(
        age=[1], prediction=[2], target=["sex"]
    )
    assert "has controls of 2 sites (Bonn, Köln), but what is fitted is one scanner's" in said(
        age=[1, 2, 3], prediction=[2, 3, 4], Site=["Köln", "Bonn", ""]
    )
    assert "row 3 has no age" in said(age=[1, "n/a"], prediction=[2, 3])
    assert "row 2 has the prediction 'old', which is no number" in said(
        age=[1, 2], prediction=["old", 3]
    )
    assert "have learnt from 1 scan of these" in said(
        age=[1, 2], prediction=[2, 3], warning=["a network has learnt from this very scan", ""]
    )


def test_a_calibration_is_read_by_its_own_networks_alone(tmp_path: Path):
    own, other = card(weights_sha256="a" * 64), card(weights_sha256="b" * 64)
    found = calibration.calibrate(controls(30, slope=0.5), [other, own])
    found.write(tmp_path / "scanner.json")
    assert Calibration.read(tmp_path / "scanner.json", [own, other]) == found
    with pytest.raises(UserError, match="is for predictions of other networks"):
        Calibration.read(tmp_path / "scanner.json", [own])
    text = (tmp_path / "scanner.json").read_text()
    (tmp_path / "scanner.json").write_text(text.replace('"controls": 30', '"controls": 31'))
    with pytest.raises(UserError, match="was damaged or edited"):
        Calibration.read(tmp_path / "scanner.json", [own, other])


def test_what_was_found_is_said_in_sentences():
    few = calibration.describe(calibration.calibrate(controls(12), [card()]))
    assert few[0] == "12 controls of 20 to 80 years"
    assert few[1].startswith("offset: +")
    assert few[1].endswith("]: predictions are so much too high")
    assert few[2] == "slope: left at 1: it takes 20 controls"
    assert few[3].startswith("an offset to \u00b11 years takes ")
    many = calibration.describe(calibration.calibrate(controls(60, slope=0.5), [card()]))
    assert many[2].startswith("slope: 0.")
    truth = np.linspace(20, 80, 12)
    low = Controls(truth - 10 + truth % 2, truth)
    assert calibration.describe(calibration.calibrate(low, [card()]))[1].endswith("too low")
    near = Controls(truth + 5 * (-1) ** np.arange(12) + 0.1, truth)
    assert calibration.describe(calibration.calibrate(near, [card()]))[1].endswith(
        ": not told from 0"
    )


def test_it_says_that_the_columns_interval_is_not_one_person_s_range():
    known = controls(60, slope=0.5)
    said = calibration.describe(calibration.calibrate(known, [card()]))
    assert said[-1] == (
        "`predict --calibration`: calibrated_low and calibrated_high are the interval (95 %) of "
        "the calibration itself, for the mean of many people of one prediction; one person's "
        "number may lie far outside"
    )


def test_the_columns_are_explained_where_people_read_of_them(capsys):
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    shown = capsys.readouterr().out
    project = Path(__file__).parents[2]
    for text in (shown, *((project / name).read_text() for name in DOCS)):
        words = " ".join(text.replace("`", "").split())
        assert "calibrated_low and calibrated_high" in words
        assert "not one person's range" in words
