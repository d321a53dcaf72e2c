"""What the command evaluate needs of a study's settings."""

from __future__ import annotations

from headstart.cohort.settings import Question


class EvaluateSettings(Question):
    """What is evaluated: the predictions of all folds and seeds.

    Attributes:
        test: Whether the test is open, and its subjects are evaluated too.
        folds: Of which folds; never read, as the predictions come as files, but other folds are
            another evaluation.
        seeds: Of which seeds, likewise.
    """

    test: bool
    folds: tuple[int, ...]
    seeds: tuple[int, ...]
