"""What the command evaluate needs of a study's settings."""

from __future__ import annotations

from headstart.cohort.settings import Question


class EvaluateSettings(Question):
    """What is evaluated: all folds and seeds, and the test subjects if the test is open."""

    test: bool
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
