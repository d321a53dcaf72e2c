"""What the command plot needs of a study's settings."""

from __future__ import annotations

from typing import Any

from headstart.cohort.settings import Question
from headstart.common.schema import Section
from headstart.data.label_table import IMAGES


class PlotSettings(Section):
    """What figures of a cohort say of their study."""

    study: str
    synthetic: bool = False


class ExperimentPlotSettings(PlotSettings, Question):
    """What figures of an experiment say besides."""

    unit: str = ""
    augment: tuple[dict[str, dict[str, Any]], ...] = ()

    @property
    def title(self) -> str:
        """The experiment in words."""
        of_what = "" if self.target in IMAGES else f" of {self.target}"
        return f"{self.experiment} ({self.task}{of_what})"
