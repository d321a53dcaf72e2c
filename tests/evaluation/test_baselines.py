from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from evaluated import make_study
from prepared_shards import write_digests

from headstart.cohort.prepared import read_cohort
from headstart.evaluation import baselines
from headstart.evaluation.baselines import Features
from headstart.imaging.geometry import Grid

TWO = {"a": (1,), "b": (2,)}


def features(n: int, *, sites: tuple[str, ...] = ("A", "B"), seed: int = 0) -> Features:
    rng = np.random.default_rng(seed)
    site = np.array([sites[i % len(sites)] for i in range(n)])
    return Features(np.array([f"s{i}" for i in range(n)]), site, rng.normal(7, 0.1, n))


def test_the_mean_counts_a_subject_once():
    known = Features(np.array(["a", "a", "b"]), np.array(["A"] * 3), np.array([7.0, 7.0, 7.1]))
    predicted = baselines.regression(known, np.array([10.0, 20.0, 45.0]), known)
    assert predicted["mean"].tolist() == [30.0] * 3


def test_one_site_has_no_site_baseline():
    known = features(10, sites=("A",))
    assert "site-mean" not in baselines.regression(known, np.arange(10.0), known)
    target = np.arange(10) % 2
    assert "site" not in baselines.classification(known, target, known, 2)


def test_a_site_that_is_left_out_has_no_site_baseline():
    known, asked = features(10), features(4, sites=("C",))
    assert "site-mean" not in baselines.regression(known, np.arange(10.0), asked)
    assert "site" not in baselines.classification(known, np.arange(10) % 2, asked, 2)


def test_each_site_gets_its_own_mean_and_an_unknown_one_the_overall():
    known = features(4)
    asked = features(3, sites=("A", "B", "new"))
    predicted = baselines.regression(known, np.array([1.0, 3.0, 2.0, 6.0]), asked)
    assert predicted["site-mean"].tolist() == [1.5, 4.5, 3.0]


def test_head_size_finds_what_head_size_tells():
    known = features(200)
    predicted = baselines.regression(known, 3 + 40 * known.head, known)
    np.testing.assert_allclose(predicted["head-size"], 3 + 40 * known.head)
    target = (known.head > 7).astype(int)
    probability = baselines.classification(known, target, known, 2)["head-size"]
    assert (probability.argmax(axis=1) == target).mean() > 0.95


def test_heads_of_one_size_tell_nothing():
    known = Features(np.array(["a", "b"]), np.array(["A", "A"]), np.array([7.0, 7.0]))
    predicted = baselines.regression(known, np.array([1.0, 3.0]), known)
    np.testing.assert_allclose(predicted["head-size"], 2.0)


def test_of_one_class_alone_each_baseline_says_that_one():
    known, asked = features(10, sites=("A",)), features(4, sites=("B",))
    predicted = baselines.classification(known, np.zeros(10, int), asked, 2)
    assert {name: p.tolist() for name, p in predicted.items()} == {
        name: [[1, 0]] * 4 for name in ("majority", "head-size")
    }


def test_probabilities_sum_to_one_and_majority_is_the_frequency():
    known = features(40)
    target = (np.arange(40) % 4 == 0).astype(int)
    for name, probability in baselines.classification(known, target, known, 2).items():
        np.testing.assert_allclose(probability.sum(axis=1), 1, err_msg=name)
    majority = baselines.classification(known, target, known, 2)["majority"]
    assert majority[0].tolist() == [0.75, 0.25]


def test_head_volume_follows_the_head_and_not_its_ventricles(tmp_path: Path):
    study = make_study(tmp_path, task="segmentation", subjects=12, seeds=(0,))
    cohort = read_cohort(
        study.root / "check/passed.csv",
        study.root / "split/splits.csv",
        study.root / "prepare",
        "mask",
    )
    for scan in cohort.scans:
        # the ellipsoid's own volume; its centre is dark, and larger in the old
        image = np.asarray(scan.volume()[0], dtype=float)
        filled = (image > 0.6).sum() * 4**3 / 1000
        volume = baselines.head_volume(scan)
        assert filled < volume
        assert volume == pytest.approx(filled + (scan.mask() == 2).sum() * 4**3 / 1000, rel=0.08)


def test_mean_mask_is_the_majority_and_background_overlaps_nothing(tmp_path: Path):
    study = make_study(tmp_path, task="segmentation", subjects=12, seeds=(0,))
    scans = read_cohort(
        study.root / "check/passed.csv",
        study.root / "split/splits.csv",
        study.root / "prepare",
        "mask",
    ).scans
    # the majority of one scan is that scan
    files = {"rim": (1,), "core": (2,)}, study.root / "data"
    dice = baselines.segmentation([scans[0]], [scans[0]], [0], *files, 1.0)
    assert dice["mean-mask"][:, :2].tolist() == [[1.0, 1.0]]
    assert dice["background"][:, :2].tolist() == [[0.0, 0.0]]


def test_a_site_s_mean_counts_a_subject_once():
    known = Features(
        np.array(["a", "a", "b", "c"]), np.array(["A", "A", "A", "B"]), np.full(4, 7.0)
    )
    asked = Features(np.array(["x", "y"]), np.array(["A", "B"]), np.full(2, 7.0))
    predicted = baselines.regression(known, np.array([10.0, 20.0, 45.0, 5.0]), asked)
    assert predicted["site-mean"].tolist() == [30.0, 5.0]
    assert predicted["mean"].tolist() == [pytest.approx(65 / 3)] * 2
    probability = baselines.classification(known, np.array([0, 0, 1, 1]), asked, 2)
    # at A one of each, shared out with a third and two thirds; at B one of the second
    np.testing.assert_allclose(probability["site"], [[4 / 9, 5 / 9], [1 / 6, 5 / 6]])
    np.testing.assert_allclose(probability["majority"], [[1 / 3, 2 / 3]] * 2)


def test_the_head_of_a_scan_of_one_value_is_all_of_it(tmp_path):
    study = make_study(tmp_path, subjects=12, seeds=(0,))
    for path in (study.root / "prepare").glob("shard-?.npy"):
        np.save(path, np.zeros_like(np.load(path)))
        write_digests(path.with_suffix(".json"))
    tables = (study.root / "check/passed.csv", study.root / "split/splits.csv")
    cohort = read_cohort(*tables, study.root / "prepare", "age")
    assert baselines.head_volume(cohort.scans[0]) == pytest.approx(32 * 40 * 32 * 4**3 / 1000)


def test_holes_of_an_axial_slice_are_filled_and_what_opens_to_its_rim_is_air():
    """Open to each of the four rims; a hole, one that meets the air by a corner; no head above."""
    head = np.ones((7, 7, 2), dtype=np.float32)
    for x, y in ((0, 3), (6, 3), (3, 0), (3, 6), (3, 3), (5, 4)):
        head[x, y, 0] = 0
    head[:, :, 1] = 0
    scan: Any = SimpleNamespace(
        volume=lambda: np.stack([head, np.zeros_like(head)]),
        grid=Grid(head.shape, np.diag([-2.0, 3.0, 4.0, 1.0])),
    )
    assert baselines.head_volume(scan) == pytest.approx((49 - 4) * 2 * 3 * 4 / 1000)


def test_the_line_of_head_sizes_is_the_weighted_least_squares():
    head = np.array([7.0, 7.2, 6.8, 7.5])
    known = Features(np.array(["a", "a", "b", "c"]), np.array(["A"] * 4), head)
    asked = Features(np.array(["x", "y"]), np.array(["A"] * 2), np.array([6.5, 7.1]))
    target = np.array([10.0, 20.0, 45.0, 5.0])
    # numpy weighs the residuals, not their squares
    line = np.polyfit(head, target, 1, w=np.sqrt([0.5, 0.5, 1, 1]))
    predicted = baselines.regression(known, target, asked)["head-size"]
    np.testing.assert_allclose(predicted, np.polyval(line, asked.head))


def test_the_curve_of_head_sizes_is_the_penalised_weighted_optimum():
    """Gradient of the weighted log loss plus half the squared slope, per SD of the heads."""
    rng = np.random.default_rng(0)
    known = features(40)
    known = Features(np.repeat(known.subject[:20], 2), known.site, known.head)
    target = (known.head + rng.normal(0, 0.1, 40) > 7).astype(int)
    p = baselines.classification(known, target, known, 3)["head-size"]
    assert (p[:, 2] == 0).all()  # nobody is of the third class
    x = (known.head - known.head.mean()) / known.head.std()
    logit = np.log(p[:, 1] / p[:, 0])
    slope = (logit[1] - logit[0]) / (x[1] - x[0])
    assert (0.5 * (p[:, 1] - target)).sum() == pytest.approx(0, abs=1e-3)
    assert (0.5 * (p[:, 1] - target) * x).sum() + slope == pytest.approx(0, abs=1e-3)


def test_an_unknown_site_has_the_frequencies_of_all():
    known, asked = features(8), features(3, sites=("A", "new", "B"))
    probability = baselines.classification(known, np.array([0, 1, 0, 0, 0, 1, 0, 0]), asked, 2)
    # of A's four one is of the second class, of B's none
    np.testing.assert_allclose(probability["site"][1], [6 / 8, 2 / 8])
    np.testing.assert_allclose(probability["majority"], [[6 / 8, 2 / 8]] * 3)


def of_masks(folder: Path, *masks: list[int]) -> list[Any]:
    """Make scans of masks along one axis, which are their own grids."""
    scans = []
    for number, mask in enumerate(masks):
        grid = Grid((len(mask), 2, 2), np.eye(4))
        values = np.broadcast_to(np.array(mask, np.uint8)[:, None, None], grid.shape)
        nib.save(nib.Nifti1Image(values, grid.affine), folder / f"{number}.nii")
        scan = {"target": f"{number}.nii", "mask_content": "", "mask": lambda v=values: v}
        places = {"shape": grid.shape, "grid": grid, "source": grid, "source_shape": grid.shape}
        scans.append(SimpleNamespace(**scan, **places))
    return scans


def test_masks_of_several_sizes_are_compared_centre_upon_centre(tmp_path: Path):
    scans = of_masks(tmp_path, [1, 1, 0], [0, 0, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0])
    dice = baselines.segmentation(scans, scans[:1], [1], {"a": (1,)}, tmp_path, 1.0)
    assert dice["mean-mask"][:, :1].tolist() == [[1]]


def test_in_each_voxel_the_mean_mask_has_the_class_of_most(tmp_path: Path):
    masks = [[0, 1, 2, 2, 1], [0, 1, 2, 0, 2], [1, 2, 2, 1, 0]]
    scans = of_masks(tmp_path, *masks)
    dice = baselines.segmentation(scans, scans[2:], [0], TWO, tmp_path, 1.0)
    # the majority is 0 1 2 0 0: the first, where none has more votes than another
    assert dice["mean-mask"][:, :2].tolist() == [[0, pytest.approx(2 / 3)]]
    assert dice["background"][:, :2].tolist() == [[0, 0]]


def test_baselines_are_measured_on_the_scan_s_own_grid(tmp_path: Path):
    """What the prepared grid has lost of a scan's own mask is missed by baselines as well."""
    scans = of_masks(tmp_path, [0, 1, 1, 0], [0, 1, 1, 1])
    prepared = np.array([0, 1, 1, 0], np.uint8)[:, None, None].repeat(2, 1).repeat(2, 2)
    scans[1].mask = lambda: prepared
    dice = baselines.segmentation(scans[:1], scans[1:], [0], {"a": (1,)}, tmp_path, 1.0)
    assert dice["label-transfer"][:, :1].tolist() == [[pytest.approx(2 * 2 / (2 + 3))]]


def test_the_mask_of_the_most_similar_scan_is_carried_over_centre_upon_centre(tmp_path: Path):
    scans = of_masks(tmp_path, [0, 1, 2], [0, 0, 1, 0, 2, 0, 0], [1, 1, 2], [1, 2, 0])
    files = TWO, tmp_path
    dice = baselines.segmentation(scans[:3], scans[3:], [1], *files, 1.0)["label-transfer"]
    assert dice[:, :2].tolist() == [[1, 0]]
    dice = baselines.segmentation(scans[:3], scans[2:], [2, 0], *files, 1.0)["label-transfer"]
    assert dice[:, :2].tolist() == [[1, 1], [0, 0]]


def test_what_follows_from_being_constant():
    known = baselines.known_by_construction(4)
    assert np.isnan(known.pop("r"))
    assert np.isnan(known.pop("slope"))
    assert known == {"auroc": 0.5, "balanced_accuracy": 0.25, "gap_r": -1}
    assert baselines.known_by_construction(0)["balanced_accuracy"] == 1
