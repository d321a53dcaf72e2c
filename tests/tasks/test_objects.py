"""Objects of masks against brute force, MONAI, and what must change nothing."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from monai.metrics import compute_panoptic_quality
from scipy.optimize import linear_sum_assignment

from headstart.tasks.instance_segmentation import InstanceSegmentation
from headstart.tasks.instance_segmentation import SegmentationOfIds
from headstart.tasks.metrics import METRICS
from headstart.tasks.objects import OBJECT_MEASURES
from headstart.tasks.objects import Objects
from headstart.tasks.objects import measure_with_ids
from headstart.tasks.objects import measure_with_objects
from headstart.tasks.objects import object_scores

NAN = float("nan")


def scores(truth, said):
    return named(Objects.of(truth, said))


def named(objects):
    return dict(zip(OBJECT_MEASURES, object_scores(objects).tolist(), strict=True))


def blobs(seed):
    """Two masks of few objects, large enough to overlap in part."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(3, 9, 3))
    truth, said = (rng.random(shape) < rng.uniform(0, 0.25) for _ in range(2))
    shared = rng.random(shape) < rng.uniform(0, 0.3)
    return truth | shared, (said | shared) & (rng.random(shape) < 0.9)


def components(mask):
    """Sets of voxels that touch each other, by flooding."""
    left, found = {tuple(place) for place in np.argwhere(mask).tolist()}, []
    while left:
        edge = [left.pop()]
        found.append(set(edge))
        while edge:
            here = edge.pop()
            near = {tuple(np.add(here, step).tolist()) for step in product((-1, 0, 1), repeat=3)}
            edge += near & left
            found[-1] |= near & left
            left -= near
    return found


def by_hand(one, other):
    """The same scores from the sets of voxels of true and predicted objects."""
    ious = np.array([[len(a & b) / len(a | b) for b in other] for a in one])
    ious = ious.reshape(len(one), len(other))
    near = ious >= 0.1
    pairs = near[linear_sum_assignment(near, maximize=True)].sum()
    well = ious[ious > 0.5]

    def share(part, whole):
        return part / whole if whole else NAN

    both = len(one) + len(other)
    return {
        **{"lesion_f1": share(2 * pairs, both), "pq": share(2 * well.sum(), both)},
        **{"lesion_sensitivity": share(pairs, len(one)), "rq": share(2 * len(well), both)},
        **{"lesion_precision": share(pairs, len(other)), "sq": share(well.sum(), len(well))},
        **{"false_lesions": len(other) - pairs, "lesions": len(other), "true_lesions": len(one)},
    }


@pytest.mark.parametrize("block", range(3))
def test_objects_are_those_that_sets_of_voxels_say(block):
    for seed in range(100 * block, 100 * (block + 1)):
        truth, said = blobs(seed)
        known = by_hand(components(truth), components(said))
        assert scores(truth, said) == pytest.approx(known, nan_ok=True), seed


def touching(seed):
    """Ids of the parts of blobs, far apart as numbers, and voxels predicted to be some of them."""
    rng = np.random.default_rng(seed)
    truth, said = blobs(seed)
    parts = np.add.outer(np.arange(truth.shape[0]) // 2, np.arange(truth.shape[1]) // 3)
    own = rng.choice(65535, parts.max() + 1, replace=False) + 1
    return np.where(truth, own[parts][..., None], 0).astype(np.int32), said


def test_true_objects_with_ids_are_those_that_sets_of_voxels_say():
    fewer = more = 0
    for seed in range(150):
        ids, said = touching(seed)
        one = [{*map(tuple, np.argwhere(ids == own).tolist())} for own in np.unique(ids[ids > 0])]
        known = by_hand(one, components(said))
        assert named(Objects.of_ids(ids, said)) == pytest.approx(known, nan_ok=True), seed
        measured = measure_with_ids(ids, said.astype(np.uint8), 1, (1, 1, 2), 1.0)[:, 0]
        of = dict(zip(SegmentationOfIds.measures, measured.tolist(), strict=True))
        assert {name: of[name] for name in known} == pytest.approx(known, nan_ok=True)
        whole = measure_with_objects(ids > 0, said.astype(np.uint8), 1, (1, 1, 2), 1.0)[:, 0]
        before = len(measured) - len(OBJECT_MEASURES)
        np.testing.assert_array_equal(measured[:before], whole[:before])
        fewer += len(one) < len(components(ids > 0))
        more += len(one) > len(components(ids > 0))
    # ids in several pieces, and ids that touch
    assert min(fewer, more) > 10


def test_ids_that_touch_stay_apart_and_pieces_of_one_are_one():
    ids, said = np.zeros((12, 1, 1), np.int32), np.zeros((12, 1, 1), bool)
    ids[0:3], ids[3:6], ids[8:9], ids[10:12] = 65535, 7, 300, 300
    said[0:3] = said[10:12] = True
    found = named(Objects.of_ids(ids, said))
    assert (found["true_lesions"], found["lesions"], found["false_lesions"]) == (3, 2, 0)
    assert found["lesion_sensitivity"] == pytest.approx(2 / 3)
    assert found["sq"] == pytest.approx((1 + 2 / 3) / 2)
    # one component over two touching objects finds one of them
    assert named(Objects.of_ids(ids, ids > 0))["true_lesions"] == 3
    assert scores(ids > 0, said)["true_lesions"] == 3  # two touch, one is in two pieces
    touching_ones = named(Objects.of_ids(ids, (ids == 7) | (ids == 65535)))
    assert touching_ones["lesion_sensitivity"] == pytest.approx(1 / 3)


def test_panoptic_quality_is_monai_s():
    seen = 0
    for seed in range(60):
        truth, said = blobs(seed)
        found, objects = scores(truth, said), Objects.of(truth, said)
        if not truth.any() or not said.any():  # there MONAI says 0
            continue
        theirs = [
            float(
                compute_panoptic_quality(
                    *(torch.tensor(of, dtype=torch.int) for of in (objects.found, objects.true)),
                    metric_name=name,
                    match_iou_threshold=0.5,
                    smooth_numerator=1e-12,
                )
            )
            for name in ("pq", "sq", "rq")
        ]
        seen += found["pq"] > 0
        ours = [found[name] for name in ("pq", "sq", "rq")]
        assert np.nan_to_num(ours) == pytest.approx(theirs, abs=1e-6)
    assert seen > 10


def test_what_must_change_nothing_does_not():
    for seed in range(40):
        truth, said = blobs(seed)
        known = pytest.approx(object_scores(Objects.of(truth, said)), nan_ok=True)
        axes = np.random.default_rng(seed).permutation(3)
        assert object_scores(Objects.of(truth.transpose(axes), said.transpose(axes))) == known
        # the numbers of objects are others when the axes are mirrored
        assert object_scores(Objects.of(truth[::-1, :, ::-1], said[::-1, :, ::-1])) == known
        around = [(2, 1), (0, 3), (4, 4)]
        assert object_scores(Objects.of(np.pad(truth, around), np.pad(said, around))) == known


def test_true_and_predicted_change_places():
    for seed in range(40):
        truth, said = blobs(seed)
        one, other = scores(truth, said), scores(said, truth)
        same = ("lesion_f1", "pq", "sq", "rq")
        expected = [one[name] for name in same]
        assert [other[name] for name in same] == pytest.approx(expected, nan_ok=True)
        assert one["lesion_sensitivity"] == pytest.approx(other["lesion_precision"], nan_ok=True)


def test_a_far_false_object_lowers_precision_alone():
    for seed in range(40):
        truth, said = (np.pad(mask, [(0, 3), (0, 0), (0, 0)]) for mask in blobs(seed))
        before = scores(truth, said)
        said[-1, 0, 0] = True
        after = scores(truth, said)
        assert after["false_lesions"] == before["false_lesions"] + 1
        for name in ("lesion_sensitivity", "sq", "true_lesions"):
            assert after[name] == pytest.approx(before[name], nan_ok=True)
        for name in ("lesion_precision", "lesion_f1", "pq", "rq"):
            if before[name] > 0:
                assert after[name] < before[name]


def test_voxels_that_share_a_corner_are_one_object():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[3, 3, 3] = True
    assert Objects.of(mask, mask).sizes.tolist() == [2, 1]


def test_a_pair_of_a_tenth_is_found_and_one_of_a_half_is_not_panoptic():
    truth, said = np.zeros((2, 10, 1, 1), bool)
    truth[:], said[:1] = True, True
    found = scores(truth, said)
    assert (found["lesion_f1"], found["pq"]) == (1, 0)
    said[:5] = True
    assert (scores(truth, said)["rq"], scores(truth, said)["false_lesions"]) == (0, 0)
    said[:6] = True
    assert scores(truth, said)["pq"] == pytest.approx(0.6)
    truth = np.pad(truth, [(0, 1), (0, 0), (0, 0)], constant_values=True)
    said = np.zeros_like(truth)
    said[:1] = True
    assert (scores(truth, said)["lesion_f1"], scores(truth, said)["false_lesions"]) == (0, 1)


def test_objects_are_paired_so_that_most_are_found():
    """The first true object has more in common with the predicted one that the second needs."""
    truth, said = np.zeros((2, 20, 1, 1), bool)
    truth[0:4] = truth[6:16] = True  # 4 and 10 voxels
    said[0:1] = said[2:10] = True  # 1 voxel, and 8 over both
    found = scores(truth, said)
    assert (found["lesions"], found["true_lesions"], found["lesion_f1"]) == (2, 2, 1)


def test_where_there_is_nothing_nothing_is_claimed():
    none, some = np.zeros((3, 3, 3), bool), np.zeros((3, 3, 3), bool)
    some[1, 1, 1] = True
    shares = OBJECT_MEASURES[:6]
    empty = scores(none, none)
    assert np.isnan([empty[name] for name in shares]).all()
    assert empty["false_lesions"] == 0
    missed, false = scores(some, none), scores(none, some)
    for name in ("lesion_f1", "pq", "rq"):
        assert missed[name] == false[name] == 0
    assert (missed["lesion_sensitivity"], missed["false_lesions"]) == (0, 0)
    assert (false["lesion_precision"], false["false_lesions"]) == (0, 1)
    undefined = [missed["lesion_precision"], false["lesion_sensitivity"], missed["sq"], false["sq"]]
    assert np.isnan(undefined).all()


def test_objects_of_each_class_are_apart():
    truth, said = np.zeros((2, 8, 3, 3), np.uint8)
    truth[:2], truth[2:4], truth[6:] = 1, 2, 1  # a second object touches the first
    said[:2], said[2:4] = 1, 1
    measured = measure_with_objects(truth, said, 2, (1, 1, 1), 1.0)
    of = dict(zip(InstanceSegmentation.measures, measured.tolist(), strict=True))
    assert of["true_lesions"] == [2, 1]
    assert of["lesions"] == [1, 0]
    assert of["lesion_f1"] == pytest.approx([2 / 3, 0])
    assert of["dice"][0] == pytest.approx(2 * 18 / (36 + 36))


def test_scans_are_told_by_the_objects_of_all_classes_and_of_each():
    task = InstanceSegmentation(("core", "rim"))
    rows = np.full((3, len(task.measures), 2), 0.5)
    by_name = dict(zip(task.measures, np.moveaxis(rows, 1, 0), strict=True))
    by_name["lesion_f1"][:] = [[0.4, NAN], [0.8, NAN], [NAN, NAN]]
    by_name["false_lesions"][:] = [[2, 0], [1, 0], [0, 0]]
    flat = rows.reshape(3, -1)
    found = task.evaluate(task.truth([None] * 3), flat, np.ones((1, 3)))
    assert found["lesion_f1"] == found["lesion_f1_core"] == pytest.approx(0.6)
    assert np.isnan(found["lesion_f1_rim"])
    assert (found["false_lesions_core"], found["false_lesions"]) == (1, 0.5)
    assert task.is_defined("lesion_f1", flat).tolist() == [True, True, False]
    names = (*task.metrics, *task.further_metrics)
    assert {*found} >= {f"{name}{of}" for name in names for of in ("", "_core", "_rim")}
    assert {*names, *task.headline} <= {*METRICS}
    assert task.primaries() == ("dice", "lesion_f1", "pq")
    empty = np.isnan(flat)
    assert task.are_possible(flat, empty=empty).all()
    by_name["pq"][0, 0], by_name["lesions"][2, 1] = 1.1, 1000
    assert task.are_possible(flat, empty=empty).tolist() == [False, True, True]
