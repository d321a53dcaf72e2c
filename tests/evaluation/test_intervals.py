from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured import as_measured
from scipy import stats
from simulated import AGE
from simulated import MASK
from simulated import SEX
from simulated import single

from headstart.evaluation.estimates import Estimate
from headstart.evaluation.estimates import HeldOut
from headstart.evaluation.estimates import estimate
from headstart.evaluation.estimates import inflation
from headstart.evaluation.intervals import METHODS
from headstart.evaluation.intervals import Interval
from headstart.evaluation.intervals import difference
from headstart.evaluation.intervals import few
from headstart.evaluation.intervals import interval
from headstart.evaluation.jackknife_t import jackknife_t
from headstart.evaluation.proportions import mid_p
from headstart.evaluation.proportions import wilson
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import verdict
from headstart.tasks.classification import Classification
from headstart.tasks.metrics import METRICS

Z = stats.norm.ppf(0.975)


def of_mean(values: np.ndarray) -> np.ndarray:
    """The mean without each value."""
    return (values.sum() - values) / (len(values) - 1)


def two(probability: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - probability, probability])


def answers(right: list[bool] | np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Probabilities of answers that are right or not."""
    return two(np.where(np.asarray(right) == (truth == 1), 0.8, 0.2))


def ends(made: Interval) -> tuple[float, float]:
    return made.low, made.high


# --- t ---


def test_the_jackknife_of_a_mean_is_the_t_interval():
    values = np.tile([1.0, 3.0], 9)  # light tails: all 17 degrees of freedom are left
    expected = stats.t.interval(0.95, 17, values.mean(), stats.sem(values))
    assert jackknife_t(values.mean(), of_mean(values)) == pytest.approx(expected)


def test_heavy_tails_leave_few_degrees_of_freedom():
    values = np.random.default_rng(0).standard_t(3, 40)
    n, kurtosis = 40, stats.kurtosis(values, fisher=False)
    freedom = 2 * n / (kurtosis - (n - 3) / (n - 1))
    assert freedom < n - 1
    expected = stats.t.interval(0.95, freedom, values.mean(), stats.sem(values))
    assert jackknife_t(values.mean(), of_mean(values)) == pytest.approx(expected)


def test_of_skewed_data_the_statistic_is_bent_as_hall_has_it():
    values = np.random.default_rng(1).exponential(size=30)
    n, error, skewness = 30, stats.sem(values), stats.skew(values)
    kurtosis = stats.kurtosis(values, fisher=False)
    freedom = min(n - 1, 2 * n / (kurtosis - (n - 3) / (n - 1)))
    low, high = jackknife_t(values.mean(), of_mean(values), skewed=True)
    lean = skewness / math.sqrt(n)
    for end, tail in ((low, 0.975), (high, 0.025)):
        t = (values.mean() - end) / error
        bent = t + lean * t**2 / 3 + lean**2 * t**3 / 27 + lean / 6
        assert bent == pytest.approx(stats.t.ppf(tail, freedom))


def test_folds_widen_an_interval_by_the_root_of_the_factor():
    values = np.random.default_rng(2).normal(size=30)
    (low, high), (wide_low, wide_high) = (
        jackknife_t(values.mean(), of_mean(values), by) for by in (1, 2.25)
    )
    assert wide_high - wide_low == pytest.approx(1.5 * (high - low))


def test_the_scales_of_regression():
    rng = np.random.default_rng(3)
    truth = rng.normal(50, 10, 25)
    prediction = truth + rng.normal(1, 5, 25)
    got = estimate(AGE, single(25), truth, prediction, {})
    scales = {
        "mae": (np.log, math.exp, True),
        "rmse": (np.log, math.exp, True),
        "r": (np.arctanh, math.tanh, False),
        "r2": (lambda r2: np.log(1 - r2), lambda x: 1 - math.exp(x), False),
    }
    for name, (there, back, skewed) in scales.items():
        left = [AGE.score(np.delete(truth, i), np.delete(prediction, i))[name] for i in range(25)]
        value = AGE.score(truth, prediction)[name]
        expected = jackknife_t(there(value), there(np.array(left)), skewed=skewed)
        assert ends(interval(got[name])) == pytest.approx(sorted(map(back, expected)))


def test_nobody_errs():
    truth = np.arange(20.0)
    got = estimate(AGE, single(20), truth, truth, {})
    for name in ("mae", "rmse", "r2"):
        assert interval(got[name]).method.startswith("none: nobody errs")
    assert np.isnan(interval(got["mae"]).low)


@pytest.mark.parametrize("n", [11, 12, 15, 20, 24])
@pytest.mark.parametrize("sessions", [1, 2])
def test_nobody_errs_but_for_rounding(n, sessions):
    truth = np.repeat(np.arange(n) % 2, sessions)
    apart = two(np.where(truth == 1, 0.7, 0.2) + np.linspace(0, 0.05, n * sessions))
    area = estimate(SEX, single(n, sessions), truth, apart, {})["auprc"]
    ages = np.random.default_rng(n).normal(50, 10, n * sessions)
    r = estimate(AGE, single(n, sessions), ages, 3 + 0.7 * ages, {})["r"]
    for one in (area, r):
        assert one.value == pytest.approx(1)
        assert interval(one).method.startswith("none: nobody errs")


def test_of_more_than_a_thousand_subjects_several_are_left_out_together():
    rng = np.random.default_rng(4)
    truth = rng.normal(size=3000)
    prediction = truth + rng.normal(size=3000)
    got = estimate(AGE, single(3000), truth, prediction, {})["mae"]
    assert got.sample.weights.shape == (1001, 3000)
    errors = np.abs(prediction - truth)
    low, high = ends(interval(got))
    assert high - low == pytest.approx(2 * Z * stats.sem(errors), rel=0.1)


# --- proportions ---


@pytest.mark.parametrize(("right", "n"), [(0, 12), (5, 20), (12, 12), (19, 20)])
def test_an_accuracy_has_wilson_s_interval(right, n):
    truth = np.arange(n) % 2
    got = estimate(SEX, single(n), truth, answers(np.arange(n) < right, truth), {})["accuracy"]
    known = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert ends(interval(got)) == pytest.approx((known.low, known.high), abs=1e-12)
    assert wilson(right / n, n) == pytest.approx((known.low, known.high), abs=1e-12)


@pytest.mark.parametrize(("right", "n"), [(0, 12), (1, 2), (5, 20), (12, 12), (19, 20)])
def test_mid_p_halves_the_probability_of_what_was_seen(right, n):
    low, high = mid_p(right / n, n)
    if right:
        assert stats.binom.sf(right, n, low) + stats.binom.pmf(right, n, low) / 2 == (
            pytest.approx(0.025)
        )
    if right < n:
        assert stats.binom.cdf(right, n, high) - stats.binom.pmf(right, n, high) / 2 == (
            pytest.approx(0.025)
        )
    assert (low == 0, high == 1) == (right == 0, right == n)


def test_a_balanced_accuracy_combines_the_classes():
    truth = np.repeat([0, 1], [20, 8])
    right = np.r_[np.arange(20) < 15, np.arange(8) < 7]
    got = interval(estimate(SEX, single(28), truth, answers(right, truth), {})["balanced_accuracy"])
    (one_low, one_high), (other_low, other_high) = mid_p(15 / 20, 20), mid_p(7 / 8, 8)
    value = (15 / 20 + 7 / 8) / 2
    assert got.low == pytest.approx(value - np.hypot(0.75 - one_low, 0.875 - other_low) / 2)
    assert got.high == pytest.approx(value + np.hypot(one_high - 0.75, other_high - 0.875) / 2)


def test_twelve_of_twelve_are_no_certainty():
    truth = np.arange(12) % 2
    said = two(np.where(truth == 1, 0.9, 0.1))
    for name, made in estimate(SEX, single(12), truth, said, {}).items():
        if METRICS[name].higher_is_better:
            got = interval(made)
            assert made.value == 1
            if name in SEX.metrics:
                assert got.high == 1
                assert 0.4 < got.low <= 0.78, name
            else:
                assert got.method.startswith(("none: nobody errs", "none: fewer than 10"))


def test_sessions_that_say_the_same_tell_no_more_than_one():
    rng = np.random.default_rng(5)
    truth = np.arange(24) % 2
    said = two(1 / (1 + np.exp(-(truth - 0.5 + rng.normal(size=24)))))
    once = estimate(SEX, single(24), truth, said, {})
    thrice = estimate(SEX, single(24, 3), np.repeat(truth, 3), np.repeat(said, 3, axis=0), {})
    for name, made in once.items():
        expected = pytest.approx(ends(interval(made)), nan_ok=True)
        assert ends(interval(thrice[name])) == expected, name


def test_a_subject_counts_once_however_many_sessions_it_has():
    rng = np.random.default_rng(15)
    truth = np.arange(24) % 2
    said = two(1 / (1 + np.exp(-(truth - 0.5 + rng.normal(size=24)))))
    times = np.arange(24) % 5 + 1
    many = HeldOut(np.repeat(np.arange(24), times).astype(str), np.zeros(times.sum(), int))
    once = estimate(SEX, single(24), truth, said, {})
    often = estimate(SEX, many, np.repeat(truth, times), np.repeat(said, times, axis=0), {})
    for name, made in once.items():
        assert often[name].value == pytest.approx(made.value), name
        expected = pytest.approx(ends(interval(made)), nan_ok=True)
        assert ends(interval(often[name])) == expected, name


def test_folds_leave_a_share_with_fewer_subjects():
    truth = np.arange(30) % 2
    folds = HeldOut(np.arange(30).astype(str), np.arange(30) % 5, 2.25)
    made = estimate(SEX, folds, truth, answers(np.arange(30) < 21, truth), {})["accuracy"]
    assert ends(interval(made)) == pytest.approx(wilson(21 / 30, 30 / 2.25))


def test_sessions_amount_to_subjects_by_the_variance_with_caution():
    """Korn and Graubard 1998: the square of normal over t quantile is the caution."""
    right = np.array([[1, 1, 1]] * 8 + [[1, 1, 0]] * 6 + [[0, 1, 0]] * 4 + [[0, 0, 0]] * 2)
    truth = np.repeat(np.arange(20) % 2, 3)
    made = estimate(SEX, single(20, 3), truth, answers(right.ravel() == 1, truth), {})["accuracy"]
    share, of_subject = right.mean(), right.mean(axis=1)
    caution = (Z / stats.t.ppf(0.975, 19)) ** 2
    gain = caution * share * (1 - share) / of_subject.var(ddof=1)
    assert 1 < gain < 3
    assert ends(interval(made)) == pytest.approx(wilson(share, 20 * gain))


def test_sessions_that_differ_tell_more_and_at_best_as_other_subjects():
    rng = np.random.default_rng(6)
    truth = np.repeat(np.arange(60) % 2, 3)
    said = two(1 / (1 + np.exp(-(truth - 0.5 + rng.normal(size=180)))))
    apart = interval(estimate(SEX, single(60, 3), truth, said, {})["accuracy"])
    share = SEX.score(truth, said)["accuracy"]
    (low, high), (least, most) = wilson(share, 60), wilson(share, 180)
    assert low < apart.low <= least + 1e-9
    assert most - 1e-9 <= apart.high < high


# --- areas ---


def hanley_mcneil(area: float, positive: int, negative: int) -> float:
    """Variance by its own formula, both numbers of subjects their mean (Newcombe's method 5)."""
    more = (positive + negative) / 2 - 1
    one, other = area / (2 - area), 2 * area**2 / (1 + area)
    total = area * (1 - area) + more * (one - area**2) + more * (other - area**2)
    return total / (positive * negative)


def test_the_ends_of_an_area_lie_two_of_their_own_errors_away():
    rng = np.random.default_rng(7)
    truth = np.repeat([0, 1], [22, 11])
    said = two(1 / (1 + np.exp(-(1.5 * truth + rng.normal(size=33)))))
    made = estimate(SEX, single(33), truth, said, {})["auroc"]
    for end in ends(interval(made)):
        error = math.sqrt(hanley_mcneil(end, 11, 22))
        assert abs(made.value - end) == pytest.approx(Z * error)


def test_the_area_over_folds_is_a_mean_of_so_many():
    rng = np.random.default_rng(8)
    truth, folds = np.arange(60) % 2, np.arange(60) // 20
    said = two(1 / (1 + np.exp(-(1.5 * truth + folds + rng.normal(size=60)))))
    sample = HeldOut(np.arange(60).astype(str), folds, 2.0)
    made = estimate(SEX, sample, truth, said, {})["auroc"]
    each = [SEX.score(truth[folds == f], said[folds == f])["auroc"] for f in range(3)]
    assert made.value == pytest.approx(np.mean(each))
    for end in ends(interval(made)):
        error = math.sqrt(2 * hanley_mcneil(end, 10, 10) / 3)
        assert abs(made.value - end) == pytest.approx(Z * error)


def test_the_areas_of_three_classes_err_together_at_worst():
    rng = np.random.default_rng(9)
    truth = np.arange(30) % 3
    said = rng.dirichlet(np.ones(3), 30)
    said[np.arange(30), truth] += 0.5
    said /= said.sum(axis=1, keepdims=True)
    made = estimate(Classification(("a", "b", "c")), single(30), truth, said, {})["auroc"]
    for end in ends(interval(made)):
        error = math.sqrt(hanley_mcneil(end, 10, 20))
        assert abs(made.value - end) == pytest.approx(Z * error)


# --- Dice ---


def dice_of(values: np.ndarray) -> Estimate:
    nothing = np.empty((len(values), 0))
    return estimate(MASK, single(len(values)), nothing, as_measured(values[:, None]), {})["dice"]


def test_a_mean_dice_is_on_the_logit_scale_and_a_few_failures_leave_none():
    good = np.random.default_rng(10).normal(0.85, 0.04, 150)
    low, high = ends(interval(dice_of(good)))
    expected = jackknife_t(
        float(np.log(good.mean() / (1 - good.mean()))),
        np.log(of_mean(good) / (1 - of_mean(good))),
    )
    assert (low, high) == pytest.approx(tuple(1 / (1 + math.exp(-x)) for x in expected))
    failed = np.r_[0.1, 0.15, good[2:]]
    assert interval(dice_of(failed)).method.startswith("none: 2 far from the rest")
    failed[:10] = 0.1
    assert interval(dice_of(failed)).low < good.mean()
    assert not np.isnan(interval(dice_of(failed)).low)


def test_failures_leave_no_difference_of_dice_unless_a_model_always_fails():
    good = np.random.default_rng(11).normal(0.85, 0.04, 30)
    failed = np.r_[0.1, good[1:]]
    none, other = dice_of(np.zeros(30)), dice_of(good - 0.1 + 0.01 * np.sin(np.arange(30)))
    assert difference(dice_of(failed), other).method.startswith("none: 1 far from")
    assert difference(other, dice_of(failed)).method.startswith("none: 1 far from")
    got = difference(dice_of(good), none)
    assert ends(got) == pytest.approx(jackknife_t(good.mean(), of_mean(good)))


# --- differences ---


def test_a_difference_of_mean_errors_is_a_paired_t():
    rng = np.random.default_rng(12)
    truth = rng.normal(size=40)
    one, other = (estimate(AGE, single(40), truth, truth + rng.normal(size=40), {}) for _ in "ab")
    errors = np.abs(one["mae"].prediction - truth) - np.abs(other["mae"].prediction - truth)
    got = ends(difference(one["mae"], other["mae"]))
    assert got == pytest.approx(jackknife_t(errors.mean(), of_mean(errors)))


def test_a_difference_of_accuracies_is_newcombe_s_tenth():
    """His own example: both right 36, one alone 12, the other alone 2, both wrong 0."""
    truth = np.zeros(50, int)
    truth[::2] = 1
    ours = np.arange(50) < 48
    theirs = np.r_[np.ones(36, bool), np.zeros(12, bool), np.ones(2, bool)]
    one, other = (
        estimate(SEX, single(50), truth, answers(right, truth), {})["accuracy"]
        for right in (ours, theirs)
    )
    assert ends(difference(one, other)) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_half_a_subject_is_taken_off_a_positive_correlation():
    """Newcombe 1998: (ad - bc - n/2) in place of ad - bc."""
    counts = a, b, c, d = 20, 6, 4, 10
    truth = np.arange(40) % 2
    one, other = (
        estimate(SEX, single(40), truth, answers(np.repeat(right, counts), truth), {})["accuracy"]
        for right in ([True, True, False, False], [True, False, True, False])
    )
    phi = (a * d - b * c - 20) / math.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    (l1, u1), (l2, u2) = wilson(26 / 40, 40), wilson(24 / 40, 40)
    arms = ((0.65 - l1, u2 - 0.6), (u1 - 0.65, 0.6 - l2))
    down, up = (math.sqrt(x**2 + y**2 - 2 * phi * x * y) for x, y in arms)
    assert ends(difference(one, other)) == pytest.approx((0.05 - down, 0.05 + up))


def test_a_difference_of_correlations_combines_their_own_intervals():
    rng = np.random.default_rng(13)
    truth = rng.normal(size=40)
    said = [truth + rng.normal(size=40), truth + rng.normal(size=40)]
    one, other = (estimate(AGE, single(40), truth, p, {})["r"] for p in said)
    left = np.array(
        [[np.corrcoef(np.delete(truth, i), np.delete(p, i))[0, 1] for i in range(40)] for p in said]
    )
    rho = np.corrcoef(left)[0, 1]
    (l1, u1), (l2, u2) = ends(interval(one)), ends(interval(other))
    x, y = one.value - l1, u2 - other.value
    low = one.value - other.value - math.sqrt(x**2 + y**2 - 2 * rho * x * y)
    assert difference(one, other).low == pytest.approx(low)
    x, y = u1 - one.value, other.value - l2
    high = one.value - other.value + math.sqrt(x**2 + y**2 - 2 * rho * x * y)
    assert difference(one, other).high == pytest.approx(high)


def test_the_difference_from_a_constant_is_the_interval_shifted():
    rng = np.random.default_rng(14)
    truth = np.arange(30) % 2
    said = two(1 / (1 + np.exp(-(truth + rng.normal(size=30)))))
    one = estimate(SEX, single(30), truth, said, {})["auroc"]
    half = estimate(SEX, single(30), truth, np.full((30, 2), 0.5), {"auroc": 0.5})["auroc"]
    assert interval(half).method == "none: the model says the same of everyone"
    got = difference(one, half)
    assert ends(got) == pytest.approx(tuple(end - 0.5 for end in ends(interval(one))))


@pytest.mark.parametrize(
    ("low", "high", "higher", "said"),
    [
        (-2.0, -1.0, False, "beats"),
        (1.0, 2.0, False, "is worse than"),
        (1.0, 2.0, True, "beats"),
        (-2.0, -1.0, True, "is worse than"),
        (-1.0, 2.0, True, "does not beat"),
        (-1.0, 0.0, False, "does not beat"),
        (None, None, True, "can't be told from"),
    ],
)
def test_the_verdict_rests_on_the_interval(low, high, higher, said):
    row = DifferenceRow("mae", "test", "mean", 1.0, low, high, "", 20)
    assert verdict(row, higher_is_better=higher) == said


# --- samples ---


def test_inflation_is_that_of_nadeau_and_bengio():
    assert inflation([20] * 5, [80] * 5) == pytest.approx((1 / 5 + 1 / 4) / (1 / 5))
    assert inflation([20, 20], [80, 80]) == pytest.approx((1 / 2 + 1 / 4) / (1 / 2))
    assert inflation([20], [80]) == inflation([], []) == 1


def test_ranks_are_taken_in_each_fold_and_errors_over_all():
    truth, fold = np.arange(20.0), np.arange(20) // 10
    said = truth % 10 - 10.0 * fold
    sample = HeldOut(np.arange(20).astype(str), fold)
    got = estimate(AGE, sample, truth, said, {})
    assert got["r"].value == pytest.approx(1)
    assert got["mae"].value == pytest.approx(np.abs(truth - said).mean())


@pytest.mark.parametrize("absent", [0, 20])
def test_few_subjects_of_a_class_do_not_tell_an_f1_though_nobody_is_of_another(absent):
    truth = np.repeat([0, 1, 2], [40, 5, absent])
    said = np.eye(3)[np.roll(truth, 1)] * 0.8 + 0.2 / 3
    task = Classification(("a", "b", "c"))
    got = estimate(task, single(len(truth)), truth, said, {})["macro_f1"]
    assert interval(got).method == "none: fewer than 10 subjects of a class"


def test_few_subjects_are_said_to_be_few():
    assert "no interval" in few(1)
    assert "No interval from 2 subjects" in few(2)
    assert "from 9 subjects" in few(9)
    assert few(10) == ""
    truth = np.arange(9.0)
    nine = estimate(AGE, single(9), truth, truth[::-1] + truth**2, {})["mae"]
    assert interval(nine).method == "none: fewer than 10 subjects"
    truth = np.arange(10.0)
    ten = estimate(AGE, single(10), truth, truth[::-1] + truth**2, {})["mae"]
    assert not np.isnan(interval(ten).low)


def test_each_metric_has_a_method():
    assert {metric.interval for metric in METRICS.values()} <= METHODS.keys()


@given(st.data())
def test_an_interval_holds_the_metric_and_is_never_of_width_0(data):
    """Ties, constant truth, one class alone, one subject, perfect predictions, sessions, folds."""
    n = data.draw(st.integers(1, 30))
    people = st.integers(0, data.draw(st.sampled_from([0, 11, 30])))
    some = st.lists(people, min_size=n, max_size=n)
    subjects = np.array([str(one) for one in data.draw(st.one_of(some, st.just(range(n))))])
    folds = data.draw(st.sampled_from([np.zeros(n, int), np.arange(n) % 2]))
    sample = HeldOut(subjects, folds, data.draw(st.sampled_from([1.0, 2.25])))
    number = st.integers(0, data.draw(st.sampled_from([0, 1, 3])))
    many = st.lists(number, min_size=n, max_size=n)
    draws = [np.array(data.draw(many)) for _ in range(3)]
    truth = draws[0]
    tasks = {
        "numbers": (AGE, truth.astype(float), [d.astype(float) for d in draws[1:]]),
        "classes": (SEX, truth % 2, [two(d / 4 + 0.1) for d in draws[1:]]),
        "masks": (
            MASK,
            np.empty((n, 0)),
            [as_measured(np.where(d == 2, np.nan, d / 3)[:, None]) for d in draws],
        ),
    }
    task, truth, said = tasks[data.draw(st.sampled_from(sorted(tasks)))]
    one, other = (estimate(task, sample, truth, p, {}) for p in said[-2:])
    for name, made in one.items():
        for value, got in (
            (made.value, interval(made)),
            (made.value - other[name].value, difference(made, other[name])),
        ):
            if got.method.startswith("none: "):
                assert math.isnan(got.low)
                assert math.isnan(got.high)
            else:
                assert got.low <= value + 1e-9
                assert value - 1e-9 <= got.high
                assert got.low < got.high
                assert sample.people() >= 10
        if made.metric.interval in ("share", "recalls", "area", "dice"):
            assert not interval(made).low < 0
            assert not interval(made).high > 1


def distance_of(values: np.ndarray, diagonal: float) -> Estimate:
    """HD95 of a class, beside which nothing else is measured."""
    nothing = np.empty((len(values), 0))
    measured = as_measured(np.full((len(values), 1), 0.5))
    measured[:, MASK.measures.index("hd95")] = values
    largest = {"hd95": diagonal}
    return estimate(MASK, single(len(values)), nothing, measured, {}, largest=largest)["hd95"]


def test_an_interval_ends_where_the_metric_does():
    """Heavy tails in few subjects reach beyond the diagonal of any image."""
    far = np.r_[[20.0, 30, 40, 60, 90, 130] * 2]
    free, bounded = (interval(distance_of(far, most)) for most in (math.inf, 95.0))
    assert free.high > 95
    assert ends(bounded) == (free.low, 95.0)
    apart = difference(distance_of(far, 95.0), distance_of(far * np.linspace(0, 0.2, 12), 95.0))
    assert apart.high <= 95


def test_probabilities_can_be_no_worse_than_certain_of_the_wrong_class():
    """One of eleven for whom the network is nearly certain, and wrong."""
    truth = np.arange(11) % 2
    said = two(np.r_[np.where(truth[:-1], 0.97, 0.03), 1 - 1e-7])
    made = estimate(SEX, single(11), truth, said, {}, largest=SEX.largest([]))
    assert interval(made["log_loss"]).high == pytest.approx(15 * math.log(10))
    assert interval(made["brier"]).high <= 1


def test_an_interval_that_reaches_ever_so_far_is_none():
    wild = np.r_[np.full(6, 1.0), [3.0, 10, 30, 100, 150, 250]]
    far = interval(distance_of(wild, 284.0))
    assert far.method.startswith("none: too few tell it")


def test_a_difference_of_shares_is_no_more_than_1():
    found = np.r_[[1.0, 1, 1, 0.6] * 3]
    assert jackknife_t(found.mean(), of_mean(found))[1] > 1
    assert difference(dice_of(found), dice_of(np.zeros(12))).high == 1
