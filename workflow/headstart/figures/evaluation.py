"""Evaluation on paper: predictions of held-out subjects, and metrics beside the baselines."""

from __future__ import annotations

from headstart.figures.evaluation_result import Result
from headstart.figures.predicted_classes import draw_predicted_classes
from headstart.figures.predicted_masks import draw_predicted_masks
from headstart.figures.predicted_numbers import draw_predicted_numbers
from headstart.figures.style import Document

PAGES = {
    "numbers": draw_predicted_numbers,
    "classes": draw_predicted_classes,
    "masks": draw_predicted_masks,
}


def draw_evaluation(document: Document, result: Result) -> None:
    """Draw what a task's results look like, one or two pages."""
    PAGES[result.task.figure](document, result)
