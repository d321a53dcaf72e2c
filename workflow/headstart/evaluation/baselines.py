"""Predictions without a network: the mean, the majority, the site, the head's size, others' masks.

What linear models make of voxels and of volumes is in `coarse_voxels` and `penalised`.

Each baseline is fitted on the subjects of the other folds, the held-out fold and the test subjects
excluded. It may use those that choose the network's epoch, as the network does. A subject's
sessions share its weight.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.prepared import Scan
from headstart.cohort.true_mask import true_mask
from headstart.common.errors import UserError
from headstart.common.progress import progress
from headstart.evaluation.session_weights import session_weights
from headstart.imaging.geometry import crop_or_pad
from headstart.imaging.mask_classes import Classes
from headstart.imaging.masks import resample_mask
from headstart.imaging.otsu import otsu
from headstart.tasks.mask_metrics import measure
from headstart.tasks.weighted import Floats

Array = NDArray[np.float64]
Measure = Callable[..., Floats]  # as `headstart.tasks.mask_metrics.measure`
# As `headstart.cohort.true_mask.true_mask`.
OwnTruth = Callable[[Scan, Path, Classes], NDArray[np.integer[Any]]]

CONSTANT = ("mean", "majority")  # baselines that say the same of every scan of a fold


@dataclass(frozen=True)
class Features:
    """What the baselines know of n scans.

    Attributes:
        subject: Subjects, (n,).
        site: Sites, (n,).
        head: ln of the head's volume in ml, (n,).
    """

    subject: NDArray[np.str_]
    site: NDArray[np.str_]
    head: Array

    def __getitem__(self, rows: NDArray[np.bool_]) -> Features:
        return Features(self.subject[rows], self.site[rows], self.head[rows])

    def weights(self) -> Array:
        """Weights (n,): 1 for each subject, shared by its sessions."""
        return session_weights(self.subject)


def known_by_construction(classes: int) -> dict[str, float]:
    """Metrics of a constant baseline that follow from its being constant.

    Over several folds the constant differs a little, and falls where the held-out truth rises.
    The correlation, area and recalls that pooling the folds would give are artefacts of that
    (they look worse than chance), so that these values stand in their place.
    """
    undefined = dict.fromkeys(("r", "slope"), float("nan"))
    ranks = {"auroc": 0.5, "balanced_accuracy": 1 / max(classes, 1)}
    return undefined | ranks | {"gap_r": -1.0}


def head_volume(scan: Scan) -> float:
    """Volume of the head in a prepared scan: a proxy, for want of a segmentation.

    The foreground is what lies above Otsu's threshold in the first channel
    (doi:10.1109/TSMC.1979.4310076); in each axial slice its holes, such as ventricles and
    skull, are filled. What the window cuts off is not counted. Where all voxels are the same,
    none is known to be air.

    Returns:
        Millilitres.

    Raises:
        UserError: If a voxel is not finite.
    """
    from scipy import ndimage

    image = np.asarray(scan.volume()[0], dtype=np.float32)
    if not np.isfinite(image).all():
        raise UserError(
            f"{scan.volumes.path}: the prepared volume of subject {scan.subject}, session "
            f"{scan.session} is not finite; delete {scan.volumes.path.name} there and type the "
            "same command: prepare makes the shard again"
        )
    outside = image <= otsu(image)
    in_plane = np.zeros((3, 3, 3), dtype=bool)
    in_plane[:, :, 1] = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    regions, _ = ndimage.label(outside, structure=in_plane)
    rim = np.concatenate([regions[[0, -1]].ravel(), regions[:, [0, -1]].ravel()])
    is_air = np.zeros(regions.max() + 1, dtype=bool)
    is_air[rim] = True
    is_air[0] = False
    return float(np.count_nonzero(~is_air[regions])) * scan.grid.voxel_ml


def regression(known: Features, target: Array, asked: Features) -> dict[str, Array]:
    """Predict a number without looking at the brain.

    Args:
        known: Scans to fit on.
        target: Their values, (n,).
        asked: Scans to predict, m of them.

    Returns:
        Baseline name: predictions (m,). `mean`; `site-mean`, where the site was seen and is
        not the only one; `head-size`, linear in the log of the head's volume.
    """
    weights = known.weights()
    mean = float(np.average(target, weights=weights))
    predictions = {"mean": np.full(len(asked.site), mean)}
    if _tells_site(known, asked):
        of_site = {
            site: float(np.average(target[known.site == site], weights=weights[known.site == site]))
            for site in np.unique(known.site)
        }
        predictions["site-mean"] = np.array([of_site.get(site, mean) for site in asked.site])
    # heads of one size have no slope: least squares of least norm is then the mean
    root = np.sqrt(weights)
    centre = float(np.average(known.head, weights=weights))
    design = np.column_stack([np.ones_like(known.head), known.head - centre])
    (level, slope), *_ = np.linalg.lstsq(design * root[:, None], target * root, rcond=None)
    predictions["head-size"] = level + slope * (asked.head - centre)
    return predictions


def classification(
    known: Features, target: NDArray[np.int64], asked: Features, classes: int
) -> dict[str, Array]:
    """Predict class probabilities without looking at the brain.

    Args:
        known: Scans to fit on.
        target: Their class indices, (n,).
        asked: Scans to predict, m of them.
        classes: Number of classes.

    Returns:
        Baseline name: probabilities (m, classes). `majority`, the frequencies of the classes;
        `site`, those at the scan's site, as above (with one count shared out as overall, so that
        none is 0);
        `head-size`, logistic regression on the log of the head's volume, or `majority` where the
        known scans are of one class.
    """
    from sklearn.linear_model import LogisticRegression

    weights = known.weights()
    member = np.eye(classes)[target] * weights[:, None]
    prior = member.sum(axis=0) / weights.sum()
    predictions = {"majority": np.tile(prior, (len(asked.site), 1))}
    if _tells_site(known, asked):
        of_site = {}
        for site in np.unique(known.site):
            counts = member[known.site == site].sum(axis=0) + prior
            of_site[site] = counts / counts.sum()
        predictions["site"] = np.array([of_site.get(site, prior) for site in asked.site])
    if len(np.unique(target)) == 1:  # a site that is left out may hold all of the other classes
        return predictions | {"head-size": predictions["majority"]}
    centre = float(known.head.mean())
    scale = float(known.head.std()) or 1.0
    model = LogisticRegression()
    model.fit((known.head[:, None] - centre) / scale, target, sample_weight=weights)
    probability = np.zeros((len(asked.head), classes))
    probability[:, model.classes_] = model.predict_proba((asked.head[:, None] - centre) / scale)
    return predictions | {"head-size": probability}


def segmentation(
    known: Sequence[Scan],
    asked: Sequence[Scan],
    similar: Sequence[int],
    classes: Classes,
    data: Path,
    tolerance: float,
    measure: Measure = measure,
    own_truth: OwnTruth = true_mask,
) -> dict[str, Array]:
    """Segment by the masks of other scans alone, and measure on each scan's own grid, as networks.

    Args:
        known: Scans with a mask to learn from.
        asked: Scans to predict, m of them.
        similar: Number of the known scan that each one is most similar to, (m,).
        classes: The values of the classes in the study's files.
        data: Data root, where the raw masks are.
        tolerance: How far surfaces may be apart for NSD, mm.
        measure: What measures a scan, as `headstart.tasks.mask_metrics.measure`.
        own_truth: What reads its raw mask for that.

    Returns:
        Baseline name: what is measured, (m, measures * classes), as that has it. `background`,
        which marks nothing and so has a Dice of 0 wherever there is something to find; `mean-mask`,
        in each voxel the class that most of the known scans have there; `label-transfer`, the mask
        of the most similar known scan (Aljabar and others 2009,
        doi:10.1016/j.neuroimage.2009.02.018), centre upon centre.

    Raises:
        UserError: As `headstart.cohort.true_mask.true_mask`.
    """
    mean = _mean_mask(known, len(classes))
    measured: dict[str, list[NDArray[np.floating]]] = {
        "background": [],
        "mean-mask": [],
        "label-transfer": [],
    }
    work = zip(asked, similar, strict=True)
    for scan, nearest in progress(work, total=len(asked), label="baselines' masks measured"):
        truth, size = own_truth(scan, data, classes), scan.source.voxel_size
        masks = (np.zeros_like(mean), mean, known[nearest].mask())
        for of_baseline, mask in zip(measured.values(), masks, strict=True):
            own = resample_mask(crop_or_pad(mask, scan.shape, 0), scan.grid, scan.source)
            found = measure(truth, own, len(classes), size, tolerance)
            of_baseline.append(found.ravel())
    return {name: np.array(of_baseline) for name, of_baseline in measured.items()}


def _mean_mask(scans: Sequence[Scan], classes: int) -> NDArray[np.uint8]:
    """Let the scans' masks vote in each voxel; those of several sizes centre upon centre."""
    shape = np.max([scan.shape for scan in scans], axis=0)
    votes: NDArray[np.uint32] = np.zeros((classes + 1, *shape), np.uint32)
    for scan in scans:
        mask = crop_or_pad(scan.mask(), shape, 0)
        for value in range(classes + 1):
            votes[value] += mask == value
    return votes.argmax(axis=0).astype(np.uint8)


def _tells_site(known: Features, asked: Features) -> bool:
    """Whether the site says anything: not where there is one, or where one is left out."""
    return len(np.unique(known.site)) > 1 and bool(np.isin(asked.site, known.site).any())
