"""What the command plot needs of a study's settings."""

from __future__ import annotations

import operator
from typing import Any
from typing import Literal

from pydantic import Field

from headstart.cohort.settings import Instances
from headstart.cohort.settings import Question
from headstart.common.ordered import Ordered
from headstart.common.schema import Section
from headstart.data.label_table import IMAGES
from headstart.imaging.config import MaskClasses
from headstart.tasks.neighbours import Neighbours

Keep = Literal["best", "last", "ema"]


class PlotSettings(Section):
    """What every figure says of its study."""

    study: str
    synthetic: bool = False


class CohortPlotSettings(PlotSettings):
    """What figures of a cohort say besides.

    Attributes:
        units: The unit of each label that has one.
        classes: The classes of its masks.
    """

    units: Ordered[str, str]
    classes: MaskClasses


class QuestionPlotSettings(PlotSettings, Question):
    """What figures of an experiment or a sweep say besides."""

    unit: str = ""

    @property
    def title(self) -> str:
        """The experiment or sweep in words."""
        of_what = "" if self.target in IMAGES else f" of {self.target}"
        return f"{self.experiment} ({self.task}{of_what})"


class ExperimentPlotSettings(QuestionPlotSettings):
    """What figures of an experiment say besides.

    Attributes:
        augment: What its training scans go through.
        keep: Which weights its trainings kept.
        primary: Name of the metric that its result is told by.
        instances: Whether masks are judged by their objects too, and which these are.
        noise: Standard deviation of the noise of scans that are denoised, where it is given.
        neighbours: Those by which a volume of a series is told; None without series.
    """

    primary: str
    instances: Instances = Field(False, exclude_if=operator.not_)
    noise: float | None = Field(None, exclude_if=operator.not_)
    neighbours: Neighbours | None = Field(None, exclude_if=operator.not_)
    augment: tuple[dict[str, dict[str, Any]], ...] = ()
    keep: Keep = Field("best", exclude_if=lambda keep: keep == "best")


class SweepPlotSettings(QuestionPlotSettings):
    """What figures of a sweep say besides.

    Attributes:
        settings: Keys of the settings that are swept.
        variants: Each experiment's values of these, in words, by the experiment's name.
    """

    settings: tuple[str, ...]
    variants: Ordered[str, tuple[str, ...]]
