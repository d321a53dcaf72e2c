"""What is asked of a network: a class for each task, and the metrics of its answers."""

from __future__ import annotations

from headstart.cohort.settings import Instances
from headstart.tasks.base import Task
from headstart.tasks.classification import Classification
from headstart.tasks.classification import FocalClassification
from headstart.tasks.classification import OrdinalClassification
from headstart.tasks.deep_interpolation import DeepInterpolation
from headstart.tasks.denoising import Denoising
from headstart.tasks.instance_segmentation import InstanceSegmentation
from headstart.tasks.instance_segmentation import SegmentationOfIds
from headstart.tasks.regression import BinnedRegression
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation

TASKS: dict[str, type[Task]] = {
    kind.name: kind for kind in (Regression, Classification, Segmentation, Denoising)
}
# Losses under which a network's output means something else.
WITH_LOSS: dict[str | None, type[Task]] = {
    "focal": FocalClassification,
    "neighbours": DeepInterpolation,
    "ordinal": OrdinalClassification,
    "soft_label": BinnedRegression,
}


# How objects of masks are known: as connected components, or by their ids.
WITH_OBJECTS: dict[Instances, type[Task]] = {True: InstanceSegmentation, "ids": SegmentationOfIds}


def task_with(name: str, loss: str | None = None, *, instances: Instances = False) -> type[Task]:
    """Return a task's class under a loss.

    Args:
        name: One of `TASKS`.
        loss: `train.loss`.
        instances: Whether masks are judged by their objects too, and which these are.
    """
    kind, special = TASKS[name], WITH_OBJECTS.get(instances) or WITH_LOSS.get(loss)
    return special if special is not None and special.name == name else kind
