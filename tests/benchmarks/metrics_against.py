"""Metrics beside those of scikit-learn, scipy, MONAI and DeepMind's surface-distance.

PYTHONPATH=workflow:tests python tests/benchmarks/metrics_against.py [CASES]

Random cases, 1500 unless given: 500 of numbers, 500 of classes and 500 of masks with voxels of all
sizes. For each metric the largest difference is printed. surface-distance is compared if it is
installed (`pip install surface-distance`); it takes a surface for the faces between voxels, each
with its area, where MONAI and we count voxels: that is a difference of convention.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy import stats
from sklearn import calibration
from sklearn import metrics as sklearn
from sklearn.preprocessing import label_binarize

from headstart.tasks.classification import Classification
from headstart.tasks.mask_metrics import measure
from headstart.tasks.regression import Regression

Pairs = Iterator[tuple[str, float, float]]
Mask = NDArray[np.uint8]


def numbers(rng: np.random.Generator) -> Pairs:
    """Truth and prediction of 3 to 80 scans, subjects of several sessions weighing less."""
    n = int(rng.integers(3, 80))
    truth = rng.normal(50, 10, n)
    said = rng.uniform(0, 1) * truth + rng.normal(0, rng.uniform(0.1, 20), n)
    weights = rng.choice([1, 1 / 2, 1 / 3], n)
    ours = {k: v[0] for k, v in Regression().evaluate(truth, said, weights[None]).items()}
    line = np.polyfit(said, truth, 1, w=np.sqrt(weights))
    yield "MAE", ours["mae"], sklearn.mean_absolute_error(truth, said, sample_weight=weights)
    squared = sklearn.mean_squared_error(truth, said, sample_weight=weights)
    yield "RMSE", ours["rmse"], squared**0.5
    yield "R2", ours["r2"], sklearn.r2_score(truth, said, sample_weight=weights)
    yield "calibration slope (numpy.polyfit)", ours["slope"], float(line[0])
    yield "bias", ours["bias"], float(np.average(said - truth, weights=weights))
    alike = {k: v[0] for k, v in Regression().evaluate(truth, said, np.ones((1, n))).items()}
    yield "r (scipy)", alike["r"], float(stats.pearsonr(truth, said).statistic)
    gap = stats.pearsonr(truth, said - truth).statistic
    yield "r of the gap (scipy)", alike["gap_r"], float(gap)
    slope = stats.linregress(said, truth).slope
    yield "calibration slope (scipy)", alike["slope"], float(slope)


def classes(rng: np.random.Generator) -> Pairs:
    """Two to five classes, probabilities with ties, every class present."""
    count, n = int(rng.integers(2, 6)), int(rng.integers(12, 80))
    truth = np.concatenate([np.arange(count), rng.integers(0, count, n - count)])
    said = np.round(rng.dirichlet(np.ones(count), n) + 0.6 * np.eye(count)[truth], 1) + 0.01
    said /= said.sum(axis=1, keepdims=True)
    weights = rng.choice([1, 1 / 2, 1 / 3], n)
    task = Classification(tuple("abcde"[:count]))
    ours = {name: v[0] for name, v in task.evaluate(truth, said, weights[None]).items()}
    decided, levels = said.argmax(axis=1), np.arange(count)
    two = count == 2
    score = said[:, 1] if two else said
    w = {"sample_weight": weights}
    yield "log loss", ours["log_loss"], sklearn.log_loss(truth, said, **w)
    yield "accuracy", ours["accuracy"], sklearn.accuracy_score(truth, decided, **w)
    balanced = sklearn.balanced_accuracy_score(truth, decided, **w)
    yield "balanced accuracy", ours["balanced_accuracy"], balanced
    area = sklearn.roc_auc_score(truth, score, multi_class="ovr", **w)
    yield "AUROC", ours["auroc"], area
    member = truth if two else label_binarize(truth, classes=levels)
    yield "AUPRC", ours["auprc"], sklearn.average_precision_score(member, score, **w)
    brier = sklearn.brier_score_loss(truth, score, labels=levels, **w)
    yield "Brier score", ours["brier"], brier
    f1 = sklearn.f1_score(truth, decided, average="macro", zero_division=0, **w)
    yield "macro F1", ours["macro_f1"], f1
    if two:
        alike = task.evaluate(truth, said, np.ones((1, n)))["ece"][0]
        # scikit-learn's bins hold their upper edge, ours their lower one
        moved = np.clip(said[:, 1] + 1e-9, 0, 1)
        true, mean = calibration.calibration_curve(truth, moved, n_bins=10)
        inside = np.bincount(np.searchsorted(np.linspace(0, 1, 11)[1:-1], moved), minlength=10)
        apart = (np.abs(true - mean) * inside[inside > 0]).sum() / n
        yield "ECE (scikit-learn's bins)", alike, float(apart)


def blob(rng: np.random.Generator, shape: tuple[int, ...]) -> Mask:
    """A few lumps, which may touch the edge of the image."""
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), rng.uniform(1, 3))
    return np.asarray(smooth > np.quantile(smooth, rng.uniform(0.6, 0.99)), np.uint8)


def masks(rng: np.random.Generator) -> Pairs:
    """Two masks of an image with voxels of any size."""
    import torch
    from monai import metrics as monai

    shape = tuple(int(n) for n in rng.integers(8, 32, 3))
    size = [float(mm) for mm in rng.choice([0.5, 0.8, 1.0, 1.2, 3.0], 3)]
    truth = blob(rng, shape)
    said = blob(rng, shape) if rng.random() < 0.3 else np.roll(truth, int(rng.integers(0, 4)), 0)
    tolerance = float(rng.choice([0.5, 1.0, 2.0]))
    dice, nsd, hd95, assd, volume, true = measure(truth, said, 1, size, tolerance)[:, 0]
    one, two = (torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (said, truth))
    yield "Dice (MONAI)", dice, float(monai.compute_dice(one, two))
    iou = float(monai.compute_iou(one, two))
    yield "IoU (MONAI)", dice / (2 - dice), iou
    theirs = monai.compute_surface_dice(
        one, two, [tolerance + 1e-6], include_background=True, spacing=size
    )
    yield "NSD (MONAI, voxels)", nsd, float(theirs)
    farthest = monai.compute_hausdorff_distance(
        one, two, include_background=True, percentile=95, spacing=size
    )
    yield "HD95 (MONAI)", hd95, float(farthest)
    mean = monai.compute_average_surface_distance(
        one, two, include_background=True, symmetric=True, spacing=size
    )
    yield "ASSD (MONAI)", assd, float(mean)
    yield "volume, ml", volume - true, float(one.sum() - two.sum()) * np.prod(size) / 1000
    yield from by_faces(truth, said, size, tolerance, (nsd, hd95, assd))


def by_faces(
    truth: Mask, said: Mask, size: list[float], tolerance: float, ours: tuple[float, ...]
) -> Pairs:
    """The same by faces, whose convention is another one."""
    try:
        np.Inf = np.inf  # type: ignore[attr-defined]  # its name before numpy 2
        import surface_distance as faces
    except ImportError:
        return
    nsd, hd95, assd = ours
    found = faces.compute_surface_distances(truth > 0, said > 0, size)
    theirs = faces.compute_surface_dice_at_tolerance(found, tolerance)
    yield "convention: NSD (surface-distance)", nsd, theirs
    yield "convention: HD95 (surface-distance), mm", hd95, faces.compute_robust_hausdorff(found, 95)
    both = faces.compute_average_surface_distance(found)
    yield "convention: ASSD (surface-distance, mean of both), mm", assd, float(np.mean(both))


def seconds() -> Iterator[tuple[str, float]]:
    """How long masks of several sizes take."""
    for side, radius in ((40, 12), (128, 50), (256, 80)):
        grid = np.indices((side,) * 3) - side / 2
        truth, said = (
            ((grid - shift) ** 2).sum(axis=0) < radius**2 for shift in (0.0, radius / 20)
        )
        start = time.perf_counter()
        measure(truth, said, 1, (1.0, 1.0, 1.0), 1.0)
        yield f"{side}^3 voxels, a ball of radius {radius}", time.perf_counter() - start


def main() -> None:
    """Print the largest difference of each metric."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    warnings.simplefilter("ignore")
    apart: dict[str, list[float]] = defaultdict(list)
    for kind in (numbers, classes, masks):
        rng = np.random.default_rng(0)
        for _ in range(cases // 3):
            for name, ours, theirs in kind(rng):
                apart[name].append(abs(ours - theirs))
    for name, values in apart.items():
        # what is undefined for one is for both
        print(f"{name:55} {len(values):5} cases   largest {np.max(values):.1e}", end="")
        print(f"   median {np.median(values):.2g}" if "convention" in name else "")
    for name, took in seconds():
        print(f"{name:55} {took:.3f} s")


if __name__ == "__main__":
    main()
