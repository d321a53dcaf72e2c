"""The baselines, by the name that the tables give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PENALISED = "Hoerl and Kennard 1970, ridge, https://doi.org/10.1080/00401706.1970.10488634"


@dataclass(frozen=True)
class Baseline:
    """How a baseline is told of.

    Attributes:
        words: What it is, in figures and in the methods.
        how: How it was made, for the methods, where its words do not say that; "" where they do.
        cite: Its paper, if it has one.
        kind: `idle` if it leaves scans as they are; `filter` if it learns nothing from them but
            its strength.
    """

    words: str
    how: str = ""
    cite: str = ""
    kind: Literal["", "idle", "filter"] = ""


OF_SITE = "gives the mean of the target, or the shares of the classes, at the scan's site"
ROWS = {
    "mean": Baseline("mean of the other folds' subjects"),
    "majority": Baseline("commonest class", "gives the shares of the classes as probabilities"),
    "site-mean": Baseline("site only", OF_SITE),
    "site": Baseline("site only", OF_SITE),
    "head-size": Baseline(
        "head size only",
        "is a linear (for classes, logistic) regression on the logarithm of the head's volume, all "
        "above Otsu's threshold in the prepared scan, with holes filled",
        "Otsu 1979, threshold, https://doi.org/10.1109/TSMC.1979.4310076",
    ),
    "brain-size": Baseline("linear model of the brain's volume", cite=PENALISED),
    "mask-volumes": Baseline("linear model of the volumes of the masks' classes", cite=PENALISED),
    "voxels": Baseline("linear model of voxels of 8 or 16 mm", cite=PENALISED),
    "covariates": Baseline("linear model of the covariates alone", cite=PENALISED),
    "background": Baseline("background everywhere"),
    "mean-mask": Baseline(
        "mean training mask", "gives each voxel the class that most masks have there"
    ),
    "label-transfer": Baseline(
        "mask of the most similar training scan",
        "takes the one that correlates most with the scan in voxels of 8 mm",
        "Aljabar et al. 2009, label transfer, https://doi.org/10.1016/j.neuroimage.2009.02.018",
    ),
    "noisy": Baseline("the noisy scan itself", kind="idle"),
    "gaussian": Baseline("Gaussian filter", kind="filter"),
    "median": Baseline("median filter", kind="filter"),
    "interpolation": Baseline("mean of the volumes before and after", kind="filter"),
    "linear": Baseline("weighted mean of three volumes before and three after", kind="filter"),
    "patch2self": Baseline(
        "linear model of all other volumes",
        cite="Fadnavis et al. 2020, Patch2Self, https://doi.org/10.48550/arXiv.2011.01355",
        kind="filter",
    ),
    "non-local-means": Baseline(
        "non-local means",
        cite="Buades et al. 2005, non-local means, https://doi.org/10.1109/CVPR.2005.38",
        kind="filter",
    ),
}


def kind_of(model: str) -> str:
    """Say of what kind a model of the tables is; "" of the network."""
    return ROWS[model].kind if model in ROWS else ""


def in_words(model: str) -> str:
    """Name a model of the tables in words: a baseline, or the network as it is called there."""
    return ROWS[model].words if model in ROWS else model
