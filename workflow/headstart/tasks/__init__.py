"""What is asked of a network: a class for each task, and the metrics of its answers."""

from __future__ import annotations

from headstart.tasks.base import Task
from headstart.tasks.classification import Classification
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation

KINDS: tuple[type[Task], ...] = (Regression, Classification, Segmentation)
TASKS = {kind.name: kind for kind in KINDS}
