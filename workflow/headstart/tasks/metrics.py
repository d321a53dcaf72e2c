"""What predictions are worth: every metric, by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.tasks import class_metrics as classes
from headstart.tasks import mask_metrics as masks
from headstart.tasks import number_metrics as numbers
from headstart.tasks.spot_kinds import KINDS
from headstart.tasks.weighted import Array
from headstart.tasks.weighted import mean_of_scans


@dataclass(frozen=True)
class Metric:
    """One number that says how good predictions are.

    Attributes:
        words: Its name in figures and in the methods.
        compute: Maps (truth, prediction, weights (rows, n)) to values (rows,), NaN where it is not
            defined. Of numbers, truth and prediction are (n,), in the target's unit; of classes,
            their indices (n,) and probabilities (n, classes); of masks, the truth is not looked
            at, and the prediction is what was measured of each scan and class, (n, classes).
        interval: How its interval is made, `headstart.evaluation.intervals.METHODS`.
        by_fold: Whether it is taken in each fold and then averaged: it ranks scans, and those of
            two networks have no common rank.
        higher_is_better: Its direction; of no meaning where the best value lies in between.
        in_between: Whether it does: neither more nor less of it is better then.
        in_unit: Whether it is in the target's unit.
        idle_is_best: Whether who leaves a scan as it is can't be beaten by it, so that it misleads
            unless another metric stands beside it.
        told: Returns which scans it is told from, (n,), by their truth and prediction; None for
            those that `Task.is_defined` names.
    """

    words: str
    compute: Callable[[NDArray[Any], NDArray[Any], Array], Array]
    interval: str
    by_fold: bool = False
    higher_is_better: bool = True
    in_between: bool = False
    in_unit: bool = False
    idle_is_best: bool = False
    told: Callable[[NDArray[Any], NDArray[Any]], NDArray[np.bool_]] | None = None


def _error(
    words: str,
    compute: Callable[..., Array],
    interval: str,
    *,
    in_unit: bool = False,
) -> Metric:
    """A metric that is the better the lower it is."""
    return Metric(words, compute, interval, higher_is_better=False, in_unit=in_unit)


def _between(
    words: str,
    compute: Callable[..., Array],
    interval: str,
    *,
    by_fold: bool = False,
    in_unit: bool = False,
) -> Metric:
    """A metric whose best value lies in between."""
    return Metric(words, compute, interval, by_fold, in_between=True, in_unit=in_unit)


def _kept(words: str) -> Metric:
    """A share that is kept of what was there."""
    return Metric(words, mean_of_scans, "mean", idle_is_best=True)


def _decision(
    words: str, told: Callable[[NDArray[Any], NDArray[Any]], NDArray[np.bool_]]
) -> Metric:
    """A share of right decisions at a threshold, of some scans."""
    return Metric(words, classes.share_right(told), "share", told=told)


METRICS = {
    "mae": _error("mean absolute error", numbers.mae, "log", in_unit=True),
    "rmse": _error("root mean squared error", numbers.rmse, "log", in_unit=True),
    "r": Metric("Pearson's r", numbers.pearson, "fisher", by_fold=True),
    "r2": Metric("R²", numbers.r2, "unexplained"),
    "bias": _between("bias (mean of predicted minus true)", numbers.bias, "mean", in_unit=True),
    "slope": _between("calibration slope", numbers.slope, "mean", by_fold=True),
    "gap_r": _between(
        "r of the gap (predicted minus true) with the truth", numbers.gap_r, "fisher", by_fold=True
    ),
    "corrected_gap": _error(
        "mean size of the gap, corrected for the truth", numbers.mae, "log", in_unit=True
    ),
    "corrected_gap_r": _between(
        "r of the corrected gap with the truth", numbers.gap_r, "fisher", by_fold=True
    ),
    "log_loss": _error("log loss (nats)", classes.log_loss, "log"),
    "balanced_accuracy": Metric("balanced accuracy", classes.balanced_accuracy, "recalls"),
    "auroc": Metric("area under the ROC curve", classes.auroc, "area", by_fold=True),
    "accuracy": Metric("accuracy", classes.accuracy, "share"),
    "auprc": Metric("area under the precision-recall curve", classes.auprc, "logit", by_fold=True),
    "macro_f1": Metric("F1, mean over classes", classes.macro_f1, "f1"),
    "brier": _error("Brier score", classes.brier, "log"),
    "ece": _error("expected calibration error", classes.ece, "none"),
    "threshold": _between(
        "threshold, the probability from which on a scan is positive", classes.threshold, "chosen"
    ),
    "sensitivity": _decision("sensitivity", lambda truth, _: truth == 1),
    "specificity": _decision("specificity", lambda truth, _: truth == 0),
    "ppv": _decision("positive predictive value", lambda _, said: classes.is_called(said)),
    "npv": _decision("negative predictive value", lambda _, said: ~classes.is_called(said)),
    "dice": Metric("Dice", masks.mean_over_classes, "dice"),
    "iou": Metric("IoU", masks.mean_over_classes, "dice"),
    "nsd": Metric("NSD", masks.mean_over_classes, "dice"),
    "hd95": _error("HD95 (mm)", masks.mean_over_classes, "distance"),
    "assd": _error("ASSD (mm)", masks.mean_over_classes, "distance"),
    "volume_error": _error("absolute volume error (ml)", masks.mean_over_classes, "distance"),
    "volume_bias": _between(
        "volume bias (ml), predicted minus true", masks.mean_over_classes, "mean"
    ),
    "volume_low": _between(
        "lower limit of agreement of the volume (ml)", masks.limit_of_agreement(-1), "limit"
    ),
    "volume_high": _between(
        "upper limit of agreement of the volume (ml)", masks.limit_of_agreement(1), "limit"
    ),
    "lesion_f1": Metric("lesion-wise F1", masks.mean_over_classes, "dice"),
    "lesion_sensitivity": Metric("lesion-wise sensitivity", masks.mean_over_classes, "dice"),
    "lesion_precision": Metric("lesion-wise precision", masks.mean_over_classes, "dice"),
    "false_lesions": _error("false objects per scan", masks.mean_over_classes, "distance"),
    "pq": Metric("panoptic quality", masks.mean_over_classes, "dice"),
    "sq": Metric("segmentation quality (of PQ)", masks.mean_over_classes, "dice"),
    "rq": Metric("recognition quality (of PQ)", masks.mean_over_classes, "dice"),
    "hidden_error": _error("error of hidden voxels", mean_of_scans, "log"),
    "left_out_error": _error(
        "error against the volumes left out (% of the head's signal)", mean_of_scans, "log"
    ),
    "tsnr_gain": _between(
        "temporal SNR over that of the series (smoothing raises it, too)",
        mean_of_scans,
        "mean",
    ),
    "psnr": Metric("PSNR in the head (dB)", mean_of_scans, "mean"),
    "ssim": Metric("SSIM in the head", mean_of_scans, "correlation"),
    "snr": Metric("SNR in the head (dB)", mean_of_scans, "mean"),
    "nrmse": _error("NRMSE in the head", mean_of_scans, "log"),
    "sure": _error(
        "squared error relative to the noise's variance, estimated without a reference (SURE)",
        mean_of_scans,
        "mean",
    ),
    "spots": _kept("contrast kept of planted spots"),
    "edges": Metric(
        "correlation of what was removed with edges",
        mean_of_scans,
        "correlation",
        higher_is_better=False,
        idle_is_best=True,
    ),
    "removed": _between(
        "spread of what was removed, relative to the noise's", mean_of_scans, "mean"
    ),
    **{kind.metric: _kept(f"contrast kept of spots, {kind.words}") for kind in KINDS},
}


# Of two classes at a threshold, `sensitivity_CLASS` for the class that is called positive.
DECISIONS = ("sensitivity", "specificity", "ppv", "npv")


def of_class(metric: str) -> tuple[str, str]:
    """Divide the name of a metric into that of `METRICS`, and the class that it is of, if any."""
    known = max((name for name in METRICS if f"{metric}_".startswith(f"{name}_")), key=len)
    return known, metric[len(known) + 1 :]
