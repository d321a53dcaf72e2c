from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from small_study import SmallStudy

from headstart.cohort.prepared import read_cohort
from headstart.common.errors import UserError
from headstart.tasks import task_with
from headstart.tasks.classification import Classification
from headstart.tasks.classification import FocalClassification
from headstart.tasks.classification import inverse_frequency
from headstart.tasks.regression import BinnedRegression
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation
from headstart.training.losses import cross_entropy
from headstart.training.losses import make_loss


@pytest.fixture
def study(tmp_path):
    return SmallStudy(tmp_path / "study")


def read(study, target):
    return read_cohort(**study.inputs, target=target)


def test_classes_are_sorted_values(study):
    study.change_table("sex", {0: "", 1: ""})
    assert Classification.from_cohort(read(study, "sex"), ()).classes == ("F", "M")


@pytest.mark.parametrize(
    ("column", "value", "task", "message"),
    [
        ("age", "old", Regression, "subject s02 has age = 'old', which is no number"),
        ("age", "inf", Regression, "no number"),
        ("source", "small", Classification, "every scan has source = 'small'"),
    ],
)
def test_a_target_that_the_task_can_not_have_is_named(study, column, value, task, message):
    study.change_table(column, {3: value})
    with pytest.raises(UserError, match=message):
        task.from_cohort(read(study, column), ())


def test_regression_goes_in_standardised_and_comes_out_in_years(study):
    training = read(study, "age").training(0)
    task = Regression().fit(training, class_weights=False)
    truths = torch.tensor(np.stack([task.target(scan) for scan in training]))
    assert truths.mean().item() == pytest.approx(0, abs=1e-6)
    assert truths.std(correction=0).item() == pytest.approx(1)
    ages = [float(scan.target) for scan in training]
    np.testing.assert_allclose(task.predict(truths[:, None]), ages, rtol=1e-6)
    assert task.out_channels == 1


def test_classes_are_known_by_their_place(study):
    cohort = read(study, "sex")
    task = Classification.from_cohort(cohort, ()).fit(cohort.training(0), class_weights=False)
    assert [task.target(s).item() for s in cohort.scans[:4]] == [0, 0, 1, 0]
    np.testing.assert_allclose(task.predict(torch.zeros(1, 2)), [[0.5, 0.5]])
    assert task.out_channels == 2


def test_masks_have_a_background(study):
    scans = read(study, "mask").training(0)
    task = Segmentation(("left", "right")).fit(scans, class_weights=False)
    truth = task.target(scans[0])
    assert truth.shape == (1, 8, 8, 8)
    assert task.out_channels == 3
    output = torch.nn.functional.one_hot(torch.tensor(truth).long(), 3).movedim(-1, 1).float()
    np.testing.assert_array_equal(task.decide(task.predict(output)), truth)


def test_equal_targets_teach_nothing(study):
    study.change_table("age", dict.fromkeys(range(21), "50"))
    scans = read(study, "age").training(0)
    with pytest.raises(UserError, match="the target is 50 in all"):
        Regression().fit(scans, class_weights=False)
    # said of a table as well, before anything is prepared
    everybody = read(study, "age")
    study.change_table("age", {n: ("50", "50.0")[n % 2] for n in range(len(everybody.scans))})
    with pytest.raises(UserError, match="every scan has age = 50; a regression needs different"):
        Regression.from_cohort(read(study, "age"), ())


def test_classes_that_nobody_is_there_to_teach_are_told(study):
    cohort = read(study, "sex")
    task = Classification.from_cohort(cohort, ())
    men = [scan for scan in cohort.training(0) if scan.target == "M"]
    assert task.unseen(cohort.training(0)) == ()
    assert task.unseen(men) == ("F",)
    scans = read(study, "mask").training(0)
    found = np.unique([scan.mask() for scan in scans])
    names = ("a", "b", "c", "d")
    missing = tuple(name for value, name in enumerate(names, start=1) if value not in found)
    assert 0 < len(missing) < len(names)
    assert Segmentation(names).unseen(scans) == missing
    assert Regression().unseen(scans) == ()


def test_weights_of_the_loss_are_taken_out_of_the_probabilities():
    task = Classification(("control", "case"), weights=(0.5, 2.0))
    np.testing.assert_allclose(task.predict(torch.zeros(1, 2)), [[0.8, 0.2]])
    third = Classification(("control", "case"), weights=(0.1, 0.3))
    np.testing.assert_allclose(third.predict(torch.zeros(1, 2)), [[0.75, 0.25]], rtol=1e-12)
    fitted = torch.tensor([[0.5, 2.0]]).log()  # says of each what its weight makes it
    np.testing.assert_allclose(task.predict(fitted), [[0.5, 0.5]], rtol=1e-6)
    plain = Classification(("control", "case"), weights=(1.0, 1.0))
    output = torch.randn(5, 2)
    np.testing.assert_allclose(plain.predict(output), output.double().softmax(1), rtol=1e-12)


def test_a_weighted_network_keeps_the_true_frequencies():
    """A constant network, fitted until its weighted loss is least, tells the share of cases."""
    truth = torch.tensor([1, *[0] * 9])
    weights = inverse_frequency([str(t.item()) for t in truth], ["0", "1"])
    logits = torch.zeros(1, 2, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=100)

    def step():
        optimizer.zero_grad()
        loss = cross_entropy(torch.tensor(weights))(logits.expand(10, 2), truth)
        loss.backward()
        return loss

    optimizer.step(step)
    weighted = Classification(("0", "1"), weights=weights)
    np.testing.assert_allclose(logits.detach().softmax(1), [[0.5, 0.5]], atol=1e-4)
    np.testing.assert_allclose(weighted.predict(logits.detach()), [[0.9, 0.1]], atol=1e-4)


def test_what_a_mirror_makes_of_each_value():
    sides = [("left", "right")]
    masks = Segmentation(("left", "middle", "right"))
    assert masks.swap_table(sides).tolist() == [0, 3, 2, 1]
    classes = Classification(("left", "middle", "right"))
    assert classes.swap_table(sides).tolist() == [2, 1, 0]
    assert masks.swap_table([]) is None


@pytest.mark.parametrize(
    ("task", "output", "expected"),
    [
        (Regression(40, 10), [[0.5], [-1]], [45, 30]),
        (Regression(), [[0.5], [-1]], [0.5, -1]),
        (Classification(("F", "M")), [[0.0, 0]], [[0.5, 0.5]]),
        # two voxels: the background, and the class
        (Segmentation(("a",)), [[[2.0, 0], [0, 2.0]]], [[0, 1]]),
    ],
)
def test_answers_are_plain_numbers_of_double_precision(task, output, expected):
    predicted = task.predict(torch.tensor(output, dtype=torch.float32))
    for prediction in (predicted, task.average([predicted]), task.average([predicted] * 3)):
        answer = task.decide(prediction)
        assert isinstance(answer, np.ndarray)
        assert answer.dtype == ("u1" if task.name == "segmentation" else "f8")
        assert answer.tolist() == expected


def test_masks_of_several_networks_follow_the_mean_of_their_probabilities():
    """And not of their logits, nor the votes."""
    task = Segmentation(("a",))
    odds = [[1, 1.5], [1, 1.5], [9, 1]]  # of the background and the class, in one voxel
    outputs = [torch.tensor([one]).log()[..., None] for one in odds]
    masks = [task.decide(task.predict(output)).item() for output in outputs]
    assert masks == [1, 1, 0]
    mean = task.average([task.predict(output) for output in outputs])
    np.testing.assert_allclose(mean[0, :, 0], [1.7 / 3, 1.3 / 3], rtol=1e-6)
    assert task.decide(mean).item() == 0


@pytest.mark.parametrize("weights", [(), (5 / 9, 5.0), (3.0, 0.1)])
@pytest.mark.parametrize("name", ["cross_entropy", "focal", "ordinal"])
@pytest.mark.parametrize("share", [1, 4])
def test_every_loss_of_classes_gives_the_true_frequencies(name, weights, share):
    """A constant network, fitted until its loss is least, tells the share of each class."""
    truth = torch.tensor([1] * share + [0] * (10 - share))
    task = task_with("classification", name)(("0", "1"), weights)
    loss_of = make_loss(name, task, torch.device("cpu"))
    logits = torch.zeros(1, 2, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-9)

    def step():
        optimizer.zero_grad()
        loss = loss_of(logits.expand(10, 2), truth)
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(step)
    expected = [[1 - share / 10, share / 10]]
    np.testing.assert_allclose(task.predict(logits.detach()), expected, atol=1e-3)


def test_probabilities_of_a_focal_network_are_numbers_however_sure_it_is():
    task = FocalClassification(("a", "b", "c"))
    output = torch.tensor([[0.0, 0, 0], [40.0, 0, 0], [5000.0, -5000, 0], [1.0, 0, -1]])
    scores = task.predict(output)
    np.testing.assert_allclose(scores[:3], [[1 / 3] * 3, [1, 0, 0], [1, 0, 0]], atol=1e-12)
    assert scores[3].argmax() == 0
    # surer than what the network says: it has been told less of what it knew well
    assert scores[3][0] > output[3].softmax(0)[0]


def test_ordered_classes_go_by_their_numbers(study):
    study.change_table("sex", {row: ["10", "2", "0.5"][row % 3] for row in range(21)})
    cohort = read(study, "sex")
    assert Classification.from_cohort(cohort, ()).classes == ("0.5", "10", "2")
    assert task_with("classification", "ordinal").from_cohort(cohort, ()).classes == (
        "0.5",
        "2",
        "10",
    )
    study.change_table("sex", {0: "mild"})
    with pytest.raises(UserError, match="order of the classes from their numbers, but sex = 'm… "):
        task_with("classification", "ordinal").from_cohort(read(study, "sex"), ())


def test_a_task_is_another_one_only_under_a_loss_of_its_own():
    assert task_with("classification", None) is Classification
    assert task_with("classification", "focal") is FocalClassification
    assert task_with("regression", "focal") is Regression
    assert task_with("regression", "soft_label") is BinnedRegression
    assert BinnedRegression.from_config((), ()).out_channels == 40


def test_bins_cover_the_training_targets_and_a_little_more(study):
    training = read(study, "age").training(0)
    task = task_with("regression", "soft_label")().fit(training, class_weights=False)
    ages = [float(scan.target) for scan in training]
    width = (max(ages) - min(ages)) / 33
    bins = np.array(task.state()["bins"])
    assert len(bins) == task.out_channels == 40
    np.testing.assert_allclose(np.diff(bins), width)
    assert bins[3] == min(ages)
    assert bins[36] == pytest.approx(max(ages))
    places = np.array([task.target(scan) for scan in training])
    np.testing.assert_allclose(places, (ages - bins[0]) / width, rtol=1e-6)
    # all on one bin, and two bins in shares of 1 to 3
    output = torch.full((2, 40), -1e4)
    output[0, 7] = 0
    output[1, 10], output[1, 20] = 0, math.log(3)
    said = [bins[7], (bins[10] + 3 * bins[20]) / 4]
    np.testing.assert_allclose(task.predict(output), said)
    truth, read_again = task.for_metrics(places[:2], output)
    np.testing.assert_allclose(truth, ages[:2], rtol=1e-6)
    np.testing.assert_allclose(read_again, said)
    assert type(task).from_state(task.state()) == task


@pytest.mark.parametrize("kind", [Regression, BinnedRegression])
def test_equal_targets_can_not_be_divided_either(study, kind):
    study.change_table("age", dict.fromkeys(range(21), "50"))
    with pytest.raises(UserError, match="the target is 50 in all"):
        kind().fit(read(study, "age").training(0), class_weights=False)
