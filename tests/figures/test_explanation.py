"""The figure of where answers come from: what it draws, and what it says of the check."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from evaluated import make_study
from explained import CHOICES
from explained import PLACE
from explained import write_explained

from headstart.figures import explanation
from headstart.figures.settings import ExperimentPlotSettings
from headstart.figures.style import Stamp

ROOT = {"experiment": "exp", "classes": {}, "study": "small"}
AGE = {"task": "regression", "target": "age", "unit": "years", "primary": "mae"}
SEX = {"task": "classification", "target": "sex", "unit": "", "primary": "log_loss"}


def drawn_text(root: Path, explained: Path, **asked: str) -> str:
    """Draw the figure and read its pages."""
    explanation.plot(
        settings=ExperimentPlotSettings(**ROOT, **asked),
        stamp=Stamp("small", "data", "code", synthetic=False),
        output=root / "explanation.pdf",
        passed=root / "check/passed.csv",
        splits=root / "split/splits.csv",
        prepared=root / "prepare",
        explained=explained,
    )
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext: sudo apt-get install poppler-utils")
    read = ["pdftotext", "-layout", str(root / "explanation.pdf"), "-"]
    return subprocess.run(read, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(("alike", "told"), [(0.1, "changes the map"), (0.7, "not to be trusted")])
def test_a_page_for_each_method_says_what_the_check_found(
    tmp_path: Path, alike: float, told: str
) -> None:
    make_study(tmp_path, subjects=24)
    text = drawn_text(tmp_path, write_explained(tmp_path, alike=alike), **AGE)
    pages = text.split("\f")[:-1]
    assert len(pages) == 2
    for page, method in zip(pages, ("occlusion", "grad-cam++"), strict=True):
        assert f"where answers come from, {method}" in page
        assert all(f"{choice}: sub-" in page for choice in CHOICES)
        assert told in " ".join(page.split())
    assert "raises the prediction (years)" in pages[0]
    assert "relative to the most" in pages[1]


def test_each_class_has_its_page_and_probability(tmp_path: Path) -> None:
    make_study(tmp_path, subjects=40, task="classification")
    table = write_explained(tmp_path, target="sex", methods=("occlusion",), groups=("F", "M"))
    pages = drawn_text(tmp_path, table, **SEX).split("\f")[:-1]
    assert len(pages) == 2
    for page, group in zip(pages, "FM", strict=True):
        assert f"occlusion, sex {group}" in page
        assert f"raises the probability of {group}" in page


def test_the_planes_go_through_the_largest_value() -> None:
    shown = np.zeros((32, 40, 32), np.float32)
    shown[PLACE] = -2.0  # of either sign
    shown[0, 0, 0] = 1.0
    row = explanation.PictureRow("", np.zeros_like(shown), shown, {})
    assert row.peak == PLACE


def test_fine_heads_are_shown_coarse_and_small_windows_are_not() -> None:
    head = np.zeros((192, 224, 192), np.float32)
    assert explanation._coarse(head, (1, 1, 1)).shape == (48, 56, 48)
    window = np.zeros((48, 64, 48), np.float32)
    assert explanation._coarse(window, (1, 1, 1)).shape == (48, 64, 48)
