"""What the command explain needs of a study's settings."""

from __future__ import annotations

from headstart.cohort.settings import Question
from headstart.explanation.config import Explain


class ExplainSettings(Question):
    """Which answers are explained: of the held-out scans of all folds, by the seeds' networks.

    Attributes:
        explain: How many, and how.
        primary: Name of the metric that tells the best and the worst of them.
    """

    explain: Explain
    primary: str
