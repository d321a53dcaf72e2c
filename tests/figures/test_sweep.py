"""The page of a sweep: its numbers, and what it says of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from drawn import Kept
from drawn import drawn
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from headstart.common.errors import UserError
from headstart.common.records import read_rows
from headstart.common.run_id import RunId
from headstart.evaluation.ranking import RankedRow
from headstart.evaluation.ranking import rank
from headstart.figures.settings import SweepPlotSettings
from headstart.figures.style import STYLE
from headstart.figures.style import Document
from headstart.figures.style import Stamp
from headstart.figures.sweep import draw_sweep
from headstart.figures.sweep import plot
from headstart.training.history import Epoch
from headstart.training.history import History

STAMP = Stamp(study="small", data="0" * 8, code="version-1", synthetic=False)
RATES = {"age-a": "0.001", "age-b": "0.01"}
SETTINGS = SweepPlotSettings(
    study="small",
    experiment="age",
    task="regression",
    target="age",
    classes={},
    unit="years",
    settings=("train.learning_rate",),
    variants={name: (rate,) for name, rate in RATES.items()},
)


def write_history(folder: Path, run: RunId, errors: list[float | None], chosen: int) -> Path:
    epochs = [
        Epoch(number, 0.1, 1.0, None if error is None else 1.0, {"mae": error} if error else {})
        for number, error in enumerate(errors, start=1)
    ]
    path = folder / run.trained / "history.csv"
    path.parent.mkdir(parents=True)
    History("mae", tuple(epochs), chosen).write(path)
    return path


def test_table_ranks_what_was_kept_of_each_training(tmp_path: Path) -> None:
    kept = {"age-a": [[8.0, 9.0], [10.0, 11.0]], "age-b": [[5.0, 6.0], [7.0, 8.0]]}
    histories = [
        # the epoch that was kept is not the last one
        write_history(tmp_path, RunId(name, fold, seed), [20, kept[name][fold][seed], 30], 2)
        for seed in (0, 1)
        for fold in (0, 1)
        for name in RATES
    ]
    plot(settings=SETTINGS, stamp=STAMP, output=tmp_path / "sweep.pdf", histories=histories)
    first, second = read_rows(tmp_path / "sweep.csv", RankedRow)
    assert (first.experiment, first.value, first.settings) == (
        "age-b",
        6.5,
        {"train.learning_rate": "0.01"},
    )
    assert (second.value, second.difference, second.folds, second.seeds) == (9.5, 3.0, 2, 2)
    assert first.seed_sd == second.seed_sd == pytest.approx(np.sqrt(0.5), abs=1e-5)
    assert (tmp_path / "sweep.pdf").stat().st_size > 1000


def test_without_validation_nothing_is_compared(tmp_path: Path) -> None:
    history = write_history(tmp_path, RunId("age-a", 0, 0), [None, None], 2)
    with pytest.raises(UserError, match="has no validation metric, so that nothing can be"):
        plot(settings=SETTINGS, stamp=STAMP, output=tmp_path / "sweep.pdf", histories=[history])
    assert not (tmp_path / "sweep.csv").exists()


class Noted(Kept):
    """A document that keeps its notes, too."""

    def page(self, title: str, *, height: float, note: str) -> Any:
        self.note, self.title = note, title
        return super().page(title, height=height, note=note)


def test_page_shows_means_seeds_and_spreads_and_says_what_to_type() -> None:
    scores = {
        f"age-{rate}-{size}": np.array([[rate + size, rate + size + 2.0]])
        for rate in (1, 10)
        for size in (2, 4)
    }
    settings = {
        name: {"train.learning_rate": name.split("-")[1], "train.batch_size": name.split("-")[2]}
        for name in scores
    }
    document = Noted()
    draw_sweep(document, rank("mae", scores, settings), scores, title="age", unit="years")
    assert document.title == "age: sweep of learning rate \u00d7 batch size"
    ranking, effects = document.pages[0].axes
    # from the top: 1-2, 1-4, 10-2, 10-4, of means 4, 6, 13 and 15
    assert [label.get_text() for label in ranking.get_yticklabels()] == [
        "1.  1 \u00b7 2",
        "2.  1 \u00b7 4",
        "3.  10 \u00b7 2",
        "4.  10 \u00b7 4",
    ]
    for place, mean in zip((3, 2, 1, 0), (4, 6, 13, 15), strict=True):
        assert drawn(ranking, mean, place)
        assert drawn(ranking, [mean - 1, mean + 1], [place, place])  # the two seeds
    lines = [np.asarray(line[0].get_ydata()).tolist() for line in effects.containers]
    assert sorted(lines) == [[4, 13], [6, 15]] or sorted(lines) == [[4, 6], [13, 15]]
    # below 10 as above it, one column has one decimal
    written = [text.get_text() for text in ranking.texts]
    assert {"4.0 \u00b1 1.4", "13.0 \u00b1 1.4"} <= set(written)
    assert "minus the first \u00b1 chance" in written
    told = ranking.get_title().replace("\n", " ")
    assert told == "The first 2 can't be told apart: seeds differ as much"
    assert "`final: [age-1-2]`" in document.note


def test_no_text_of_the_page_lies_on_another(tmp_path: Path) -> None:
    pages = []

    class Seen(Document):
        @contextmanager
        def page(self, title: str, *, height: float, note: str = "") -> Iterator[Figure]:
            with super().page(title, height=height, note=note) as figure:
                pages.append(figure)
                yield figure

    scores = {f"age-{n}": np.array([[20.0 + n, 20.01 + n]]) for n in range(4)}
    settings = {
        f"age-{n}": {"train.learning_rate": rate, "train.batch_size": size}
        for n, (rate, size) in enumerate([("0.01", "4"), ("0.01", "8"), ("0.1", "4"), ("0.1", "8")])
    }
    with PdfPages(tmp_path / "sweep.pdf") as pdf, matplotlib.rc_context(STYLE):
        rows = rank("mae", scores, settings)
        draw_sweep(Seen(pdf, STAMP), rows, scores, title="age", unit="years")
    (figure,) = pages
    figure.draw_without_rendering()  # at its own resolution, in which places are asked below
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    overlaps = [
        (one, other)
        for (one, box), (other, second) in combinations(boxes, 2)
        if Bbox.intersection(box.padded(-1), second.padded(-1)) is not None
    ]
    assert overlaps == []
