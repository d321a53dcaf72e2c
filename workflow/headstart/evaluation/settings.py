"""What the command evaluate needs of a study's settings."""

from __future__ import annotations

import operator

from pydantic import Field

from headstart.cohort.settings import Instances
from headstart.cohort.settings import Judged
from headstart.common.schema import Section
from headstart.evaluation.results import Protocol
from headstart.imaging.config import MaskClasses
from headstart.tasks.neighbours import Neighbours


class EvaluateSettings(Judged):
    """What is evaluated: the predictions of all folds and seeds.

    Attributes:
        test: Whether the test is open, and its subjects are evaluated too.
        folds: Of which folds; never read, as the predictions come as files, but other folds are
            another evaluation.
        seeds: Of which seeds, likewise.
        primary: Name of the metric that the result is told by.
        noise: Standard deviation of the noise of scans that are denoised, where it is given.
        neighbours: Those by which a volume of a series is told; None without series.
        control: Whether it is a control, which chooses nothing: no opening of the test of its own.
    """

    primary: str
    test: bool
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
    noise: float | None = Field(None, exclude_if=operator.not_)
    neighbours: Neighbours | None = Field(None, exclude_if=operator.not_)
    control: bool = Field(False, exclude_if=operator.not_)


class Comparable(Section):
    """Experiments that ask for the same target of the same subjects.

    Attributes:
        protocol: How these subjects were held out.
        folds: In which folds; () of the test.
        task: What the experiments do.
        target: What they ask for.
        unit: Its unit; "" if it has none.
        primary: Name of their primary metric.
        instances: Whether all of them judge masks by the same objects too, and which these are.
        experiments: Their names, in the order of the study file.
    """

    protocol: Protocol
    folds: tuple[int, ...]
    task: str
    target: str
    unit: str
    primary: str
    experiments: tuple[str, ...]
    instances: Instances = Field(False, exclude_if=operator.not_)


class CompareSettings(Section):
    """Which experiments are compared with each other.

    Attributes:
        classes: The masks' classes.
        groups: The experiments, by question.
    """

    classes: MaskClasses
    groups: tuple[Comparable, ...]
