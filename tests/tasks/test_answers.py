"""What a task makes of networks' outputs: predictions, answers and the cells of a table."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch
from small_study import SmallStudy

from headstart.cohort.answer_file import AnswerFile
from headstart.cohort.prepared import read_cohort
from headstart.common import files
from headstart.common.errors import UserError
from headstart.imaging.geometry import Grid
from headstart.imaging.slabs import Slabs
from headstart.tasks.classification import Classification
from headstart.tasks.classification import FocalClassification
from headstart.tasks.classification import OrdinalClassification
from headstart.tasks.classification import inverse_frequency
from headstart.tasks.instance_segmentation import InstanceSegmentation
from headstart.tasks.instance_segmentation import SegmentationOfIds
from headstart.tasks.regression import BinnedRegression
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation

GRADES = Classification(("mild", "none", "severe"))
NAN = math.nan


def scans(*targets):
    return [SimpleNamespace(target=target) for target in targets]


def softmax(logits):
    odds = np.exp(np.asarray(logits, float))
    return odds / odds.sum(axis=1, keepdims=True)


# --- classes ---


@pytest.mark.parametrize("weights", [(), (0.5, 2.0, 1.0)])
def test_probabilities_of_three_classes(weights):
    logits = [[0.0, 1.0, -1.0], [2.0, 0.5, 0.0]]
    task = Classification(GRADES.classes, weights)
    expected = softmax(logits) / (weights or 1)
    expected /= expected.sum(axis=1, keepdims=True)
    predicted = task.predict(torch.tensor(logits))
    assert predicted.dtype == np.float64
    np.testing.assert_allclose(predicted, expected, rtol=1e-6)


@pytest.mark.parametrize("weights", [(), (0.5, 2.0, 1.0)])
def test_probabilities_under_the_focal_loss_by_its_slope(weights):
    """In proportion to -1 / (w l'(p)) of l(p) = -(1 - p)^2 log p, whose slope is measured here."""

    def loss(p):
        return -((1 - p) ** 2) * np.log(p)

    logits = [[0.0, 1.0, -1.0], [2.0, 0.5, 0.0]]
    p, step = softmax(logits), 1e-6
    slope = (loss(p + step) - loss(p - step)) / (2 * step)
    expected = -1 / (slope * (np.array(weights) if weights else 1))
    expected /= expected.sum(axis=1, keepdims=True)
    task = FocalClassification(GRADES.classes, weights)
    np.testing.assert_allclose(task.predict(torch.tensor(logits)), expected, rtol=1e-5)


def test_a_focal_network_that_is_sure_of_a_rare_class():
    """The probability of the other one is too small for single precision, and no zero yet."""
    rare = FocalClassification(("a", "b")).predict(torch.tensor([[40.0, 0.0]]))[0]
    # 1 - p is exp(-40): 3 exp(-80) of the loss's slope, against 1 / p
    assert 0 <= rare[1] < 1e-30
    assert rare[0] == 1


def test_the_cells_of_a_class_are_its_probability_and_the_likeliest():
    assert GRADES.columns == ["p_mild", "p_none", "p_severe", "prediction"]
    assert GRADES.answer(np.array([0.2, 0.3, 0.5]), None) == {
        **{"p_mild": 0.2, "p_none": 0.3, "p_severe": 0.5, "prediction": "severe"}
    }
    with pytest.raises(ValueError, match="shorter"):
        GRADES.answer(np.array([0.4, 0.6]), None)


def test_networks_are_as_far_apart_as_they_are_on_the_class_of_their_mean():
    one, two, three = ([[0.6, 0.3, 0.1]], [[0.1, 0.5, 0.4]], [[0.1, 0.7, 0.2]])
    predictions = [np.array(each) for each in (one, two, three)]
    assert GRADES.in_one_number(predictions, None).tolist() == [0.3, 0.5, 0.7]
    assert GRADES.spread(predictions, None) == pytest.approx(0.2)
    assert GRADES.spread(predictions[:1], None) is None
    np.testing.assert_allclose(GRADES.average(predictions), [[0.8 / 3, 0.5, 0.7 / 3]])


@pytest.mark.parametrize(
    ("probabilities", "possible"),
    [
        ((0.2, 0.3, 0.5), True),
        ((0.0, 0.0, 1.0), True),
        ((0.2003, 0.3003, 0.5003), True),  # as far as they were rounded
        ((0.2, 0.3, 0.502), False),
        ((0.2, 0.3, 0.4), False),
        ((-0.2, 0.7, 0.5), False),
        ((0.5, 0.5, 0.5), False),
        ((1.2, -0.1, -0.1), False),
        ((NAN, 0.5, 0.5), False),
    ],
)
def test_probabilities_that_can_be_right(probabilities, possible):
    rows = np.array([probabilities, (0.25, 0.25, 0.5)])
    found = GRADES.are_possible(rows, empty=np.isnan(rows))
    assert found.tolist() == [possible, True]


def test_classes_are_numbered_for_the_loss_and_the_metrics():
    some = scans("severe", "mild", "none")
    assert [GRADES.target(scan).item() for scan in some] == [2, 0, 1]
    assert GRADES.truth(some).tolist() == [2, 0, 1]
    blank = GRADES.blank_target((4, 4, 4))
    assert (blank.shape, blank.dtype) == ((), np.int64)
    assert GRADES.output_shape((4, 4, 4)) == (3,)
    assert Classification.from_config((), ()).out_channels == 2


def test_what_is_no_number_is_measured_as_none():
    good = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8]])
    assert GRADES.score(np.array([0, 1, 2]), good)["accuracy"] == 1
    good[1] = [NAN, 0.5, 0.5]
    metrics = GRADES.score(np.array([0, 1, 2]), good)
    assert list(metrics) == list(GRADES.metrics)
    assert all(map(math.isnan, metrics.values()))


def test_weights_give_every_class_the_same_say():
    targets = ["a"] * 6 + ["b"] * 3 + ["c"]
    weights = inverse_frequency(targets, ("a", "b", "c"))
    assert weights == pytest.approx((10 / 18, 10 / 9, 10 / 3))
    task = Classification(("a", "b", "c"))
    assert task.fit(scans(*targets), class_weights=True).weights == weights
    assert task.fit(scans(*targets), class_weights=False).weights == ()
    with pytest.raises(UserError, match=r"train\.class_weights: c has no training scan in this"):
        task.fit(scans("a", "b"), class_weights=True)


@pytest.mark.parametrize("value", ["mild", "inf", "nan"])
def test_ordered_classes_are_numbers(value):
    OrdinalClassification.check_classes("grade", ["0", "1", "-2.5"])
    with pytest.raises(ValueError, match="takes the order of the classes from their numbers"):
        OrdinalClassification.check_classes("grade", ["0", "1", value])
    Classification.check_classes("grade", ["0", "1", value])


# --- numbers ---


def test_a_number_s_cell_has_the_target_s_unit():
    task = Regression(40.0, 10.0)
    assert task.columns == task.evaluated_columns == task.held_out_columns == ["prediction"]
    assert task.answer(45.5, None) == {"prediction": 45.5}
    assert task.unit("years") == "years"
    assert task.from_columns(np.array([[45.5], [30.0]])).tolist() == [45.5, 30]
    rows = np.array([[45.5], [NAN], [math.inf]])
    assert task.are_possible(rows, empty=np.isnan(rows)).tolist() == [True, False, False]


def test_numbers_go_in_standardised_and_are_measured_in_their_unit():
    task = Regression().fit(scans("20", "30", "50", "60"), class_weights=False)
    assert task == Regression(40.0, math.sqrt(250))
    some = scans("40", "50")
    targets = np.array([task.target(scan) for scan in some])
    np.testing.assert_allclose(targets, [0, 10 / math.sqrt(250)], rtol=1e-6)
    assert targets.dtype == task.blank_target((4, 4, 4)).dtype == np.float32
    true, answered = task.for_metrics(targets, torch.tensor([[1.0], [-1.0]]))
    np.testing.assert_allclose(true, [40, 50], rtol=1e-6)
    np.testing.assert_allclose(answered, [40 + math.sqrt(250), 40 - math.sqrt(250)], rtol=1e-6)
    assert task.truth(some).tolist() == [40, 50]
    assert task.output_shape((4, 4, 4)) == (1,)


def test_networks_are_as_far_apart_as_their_numbers():
    predictions = [np.array([40.0]), np.array([44.0])]
    assert Regression().in_one_number(predictions, None).tolist() == [40, 44]
    assert Regression().spread(predictions, None) == pytest.approx(math.sqrt(8))
    assert Regression().average(predictions).tolist() == [42]


def test_forty_bins_reach_three_beyond_the_targets():
    task = BinnedRegression().fit(scans("20", "53", "86"), class_weights=False)
    assert task.bins == pytest.approx([14.0 + 2 * place for place in range(40)])
    assert task.target(scans("21")[0]).item() == 3.5
    assert task.blank_target((4, 4, 4)).shape == ()
    output = torch.full((1, 40), -1e4)
    output[0, [0, 39]] = torch.tensor([0.0, math.log(3)])
    # as precise as the logits, although a network computes in single precision
    odds = math.exp(output[0, 39].item())  # 3
    expected = (14 + odds * 92) / (1 + odds)
    np.testing.assert_allclose(task.predict(output), expected, rtol=1e-12)


@pytest.mark.parametrize("kind", [Regression, BinnedRegression])
def test_one_target_for_all_is_none(kind):
    with pytest.raises(UserError, match="the target is 50 in all 2 training scans"):
        kind().fit(scans("50", "50.0"), class_weights=False)
    assert kind().fit(scans("50", "50.5"), class_weights=False)


# --- masks ---

SIDES = Segmentation(("left", "right"))


def logits_of(mask):
    return torch.nn.functional.one_hot(torch.tensor(mask).long(), 3).movedim(-1, 1).float()


def probabilities_of(mask):
    return SIDES.predict(20 * logits_of(mask))


def test_the_cells_of_a_mask():
    kinds = ("dice", "nsd", "hd95", "assd", "volume", "true_volume")
    measured = [f"{kind}_{side}" for kind in kinds for side in ("left", "right")]
    assert SIDES.evaluated_columns == measured
    assert SIDES.columns == ["volume_left", "volume_right", "mask"]
    assert SIDES.held_out_columns == [*measured, "mask", "mask_sha256"]
    assert SIDES.unit("years") == "ml"
    assert SIDES.output_shape((4, 5, 6)) == (3, 4, 5, 6)
    blank = SIDES.blank_target((4, 5, 6))
    assert (blank.shape, blank.dtype) == ((1, 4, 5, 6), np.uint8)


def test_networks_are_as_far_apart_as_their_volumes_in_ml():
    masks = [np.zeros((1, 4, 4, 4)), np.zeros((1, 4, 4, 4))]
    masks[0][0, 0], masks[1][0, :2, :, 1:] = 1, 2  # 16 and 24 voxels
    grid = Grid((4, 4, 4), np.diag([-2.0, 2.0, 5.0, 1.0]))  # of 20 µl each
    scan = SimpleNamespace(grid=grid)
    predictions = [[predicted(mask[0])] for mask in masks]
    found = SIDES.in_one_number(predictions, scan)
    assert found == pytest.approx([0.32, 0.48])
    assert SIDES.spread(predictions, scan) == pytest.approx(0.16 / 2**0.5)


def test_dice_of_each_class_and_scan():
    truth, said = np.zeros((2, 1, 2, 2, 2)), np.zeros((2, 2, 2, 2))
    truth[0, 0, 0], said[0, 0, 0] = 1, 1  # 4 voxels, of which 2 are found
    said[0, 1] = 2
    _, dice = SIDES.for_metrics(truth, logits_of(said))
    assert dice == pytest.approx(np.array([[2 * 2 / (4 + 2), 0], [NAN, NAN]]), nan_ok=True)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A scan with a mask, the mask's file, and where the answer goes."""
    study = SmallStudy(tmp_path_factory.mktemp("masks") / "study")
    scan = read_cohort(**study.inputs, target="mask").scans[0]
    classes = {"left": (1,), "right": (2,)}
    return AnswerFile(scan, study.folder, "answer.nii.gz", classes), study.data


def predicted(mask):
    """What is predicted for one scan, where nothing is uncertain."""
    return Slabs.of(probabilities_of(mask[None])[0].numpy())


def halves():
    """An answer: of the class left 32 true voxels, of right all 64; each of 8 µl."""
    mask = np.zeros((8, 8, 8), np.uint8)
    mask[1:3, 2:6, 2:6], mask[4:8, 2:6, 2:6] = 1, 2
    return mask


def test_the_answer_for_a_new_scan_is_a_file_and_its_volumes(asked):
    file, _ = asked
    cells = SIDES.answer(predicted(halves()), file)
    assert cells == {"volume_left": 0.256, "volume_right": 0.512, "mask": "answer.nii.gz"}
    assert list(cells) == SIDES.columns
    written = np.asarray(nib.load(file.folder / file.name).dataobj)
    assert (written.shape, np.bincount(written.ravel()).tolist()) == ((9, 8, 8), [480, 32, 64])


def test_a_held_out_scan_s_answer_is_measured_on_the_scan_s_own_grid(asked):
    """The true left has 48 voxels inside the window, and 16 that it cropped."""
    file, data = asked
    cells = SIDES.answer_held_out(predicted(halves()), file, data)
    surfaces = {name: cells[name] for name in cells if name[:4] in ("nsd_", "hd95", "assd")}
    # of 60 true and 32 predicted voxels of surfaces 28 each agree; 16 are 2 mm away, 16 4 mm
    assert surfaces == {
        **{"nsd_left": pytest.approx(56 / 92), "hd95_left": pytest.approx(4)},
        **{"assd_left": pytest.approx((16 * 2 + 16 * 4 + 4 * 2) / 92)},
        **{"nsd_right": 1.0, "hd95_right": 0.0, "assd_right": 0.0},
    }
    assert {name: cells[name] for name in cells if name not in surfaces} == {
        **{"dice_left": pytest.approx(2 * 32 / (32 + 64)), "dice_right": 1.0},
        **{"volume_left": 0.256, "volume_right": 0.512},
        **{"true_volume_left": 0.512, "true_volume_right": 0.512},
        **{"mask": file.name, "mask_sha256": files.sha256(file.folder / file.name)},
    }
    assert cells.keys() == set(SIDES.held_out_columns)


def test_a_held_out_scan_s_objects_are_the_ids_of_its_own_file(asked):
    """Left and right touch, and left has a second piece, beyond the window."""
    file, data = asked
    of_ids = replace(file, classes={"lesion": "any"})
    said = np.zeros((8, 8, 8), np.uint8)
    said[1:8, 2:6, 2:6] = 1
    cells = SegmentationOfIds(("lesion",)).answer_held_out(predicted(said), of_ids, data)
    assert (cells["true_lesions_lesion"], cells["lesions_lesion"]) == (2, 1)
    assert cells["lesion_f1_lesion"] == pytest.approx(2 / 3)
    assert cells["sq_lesion"] == pytest.approx(64 / 112)
    assert cells["dice_lesion"] == pytest.approx(2 * 112 / (112 + 128))
    cells = InstanceSegmentation(("lesion",)).answer_held_out(predicted(said), of_ids, data)
    assert (cells["true_lesions_lesion"], cells["sq_lesion"]) == (2, 1)  # both, and that piece


def test_where_no_true_mask_is_known_nothing_is_measured(asked):
    file, data = asked
    unknown = replace(file, scan=replace(file.scan, target=""))
    cells = SIDES.answer_held_out(predicted(halves()), unknown, data)
    assert cells.keys() == {"volume_left", "volume_right", "mask", "mask_sha256"}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_probabilities_of_voxels_are_averaged(count):
    logits = torch.linspace(-2, 3, 3 * count).reshape(count, 3)
    outputs = [SIDES.predict(one.reshape(1, 3, 1, 1, 1)) for one in logits]
    mean = SIDES.average(outputs)
    expected = softmax(logits.double()).mean(axis=0)
    np.testing.assert_allclose(mean.flatten(), expected, rtol=1e-6)


def as_measured(dice):
    """Rows of what is measured, of which only the Dice is looked at."""
    return np.column_stack([dice, np.full((len(dice), 10), 0.5)])


def test_dice_is_evaluated_over_all_classes_and_for_each():
    rows = as_measured([[0.5, NAN], [1.0, 0.6]])
    found = SIDES.evaluate(SIDES.truth([None, None]), rows, np.array([[1.0, 1.0], [3.0, 1.0]]))
    kinds = ["dice", "iou", "nsd", "hd95", "assd", "volume_error"]
    volumes = ["volume_bias", "volume_low", "volume_high"]
    of_each = [f"{kind}_{side}" for side in ("left", "right") for kind in (*kinds, *volumes)]
    assert list(found) == [*kinds, *of_each]
    np.testing.assert_allclose(found["dice_left"], [0.75, 0.625])
    np.testing.assert_allclose(found["dice_right"], [0.6, 0.6])
    np.testing.assert_allclose(found["dice"], [0.675, 0.6125])


def test_a_dice_that_can_be_right():
    dice = np.array([[0, 1], [0.5, NAN], [NAN, NAN], [1.1, 0.5], [-0.1, 0.5], [NAN, 0.5]])
    rows = as_measured(dice)
    empty = np.isnan(rows)
    empty[5] = False  # a cell that is no number, rather than empty
    possible = [True, True, True, False, False, False]
    assert SIDES.are_possible(rows, empty=empty).tolist() == possible
    rows[0, 4:6] = [120, -1]  # distances, mm
    assert SIDES.are_possible(rows, empty=empty).tolist() == [False, *possible[1:]]


def test_which_scans_a_dice_is_told_from():
    dice = as_measured(np.array([[0.5, NAN], [NAN, NAN], [NAN, 0.5]]))
    assert SIDES.is_defined("dice", dice).tolist() == [True, False, True]
    assert SIDES.is_defined("dice_left", dice).tolist() == [True, False, False]
    assert Regression().is_defined("mae", dice).tolist() == [True, True, True]
