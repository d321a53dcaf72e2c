"""What the methods, the report and the figures say of a cross-validation that was repeated."""

from __future__ import annotations

from pathlib import Path

from reported import draw
from reported import make_finished
from reported import page_of

from headstart.common import study_paths


def test_it_is_said_how_often_subjects_were_dealt_into_folds(tmp_path: Path) -> None:
    study = make_finished(tmp_path, folds=(0, 1, 2, 3), repeats=2, seeds=(0, 1))
    draw(study)
    page = page_of(study)
    text = (study.folder / study_paths.METHODS).read_text()
    assert "were divided into 2 folds, 2 times, each time differently; the table of parts" in text
    assert "on 2 folds, repeated 2 times, each held out in turn (" in text
    assert "a subject counts once" in text
    assert "Who is in each part, in the first repeat" in page
    assert "Scans are drawn as the first repeat holds them out" in page
    assert "those of the first repeat of the split" in page
