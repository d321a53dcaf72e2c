from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure

from headstart.figures.style import STYLE
from headstart.figures.style import WIDTH
from headstart.figures.style import Stamp
from headstart.figures.style import document
from headstart.figures.style import set_logarithmic

STAMP = Stamp("ixi", "0123abcd", "ffff0000", synthetic=False)


def draw(path: Path, stamp: Stamp = STAMP) -> bytes:
    with (
        document(path, "a title", stamp) as pages,
        pages.page("A page", height=60, note="how to read it " * 20) as figure,
    ):
        figure.subplots().plot([0, 1], [1, 0])
    return path.read_bytes()


def test_the_same_page_has_the_same_bytes(tmp_path: Path):
    assert draw(tmp_path / "a.pdf") == draw(tmp_path / "b.pdf")


def test_no_date_but_study_data_and_code_are_in_the_file(tmp_path: Path):
    data = draw(tmp_path / "a.pdf")
    assert b"CreationDate" not in data
    assert b"a title" in data
    assert b"/FontFile2" in data
    assert b"/Type3" not in data


def test_a_page_is_two_columns_wide_whatever_its_note(tmp_path: Path):
    data = draw(tmp_path / "a.pdf")
    points = WIDTH / 25.4 * 72
    box = data.split(b"/MediaBox [")[1].split(b"]")[0].split()
    assert float(box[2]) == pytest.approx(points, abs=0.01)


TEXTS = ["$x^$", r"$\frac{$ and $", "US$ or A$", "$", r"\$ {} $$", "a_b^c % # & ~ <b>"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_users_text_is_drawn_as_it_is(tmp_path: Path, text: str):
    """Names of classes, sites and units: matplotlib would read what stands between $ as TeX."""
    with (
        document(tmp_path / "a.pdf", text, STAMP) as pages,
        pages.page(text, height=60, note=text) as figure,
    ):
        axes = figure.subplots()
        axes.plot([0, 1], [1, 0], label=text)
        axes.set(title=text, xlabel=text, ylabel=text)
        axes.set_xticks([0, 1], [text, text])
        axes.annotate(text, (0.5, 0.5))
        axes.legend(title=text)
    assert (tmp_path / "a.pdf").exists()


def test_labels_of_a_logarithmic_axis_need_no_tex(tmp_path: Path):
    with (
        document(tmp_path / "a.pdf", "a title", STAMP) as pages,
        pages.page("A page", height=60) as figure,
    ):
        axes = figure.subplots()
        set_logarithmic(axes, "y")
        axes.plot([0, 1], [1e-6, 1e5])
        figure.draw_without_rendering()
        labels = [label.get_text() for label in axes.get_yticklabels()]
    assert set(labels) & {"10⁻⁵", "10⁻⁶"}
    assert set(labels) & {"0.1", "1", "10", "100"}
    assert not any("$" in label or "{" in label for label in labels)


def test_a_failed_drawing_leaves_nothing(tmp_path: Path):
    with (
        pytest.raises(ZeroDivisionError),
        document(tmp_path / "a.pdf", "t", STAMP) as pages,
        pages.page("A page", height=60),
    ):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.25, 0.5, ["0.3", "0.4"]),
        (0.03, 0.45, ["0.05", "0.1", "0.2"]),  # and neither 0.3 nor 0.4, which would touch
        (0.005, 20, ["0.01", "0.1", "1", "10"]),
    ],
)
def test_labels_of_a_logarithmic_axis_keep_apart(low: float, high: float, labels: list[str]):
    with rc_context(STYLE):
        figure = Figure()
        axes = figure.subplots()
        set_logarithmic(axes, "x")
        axes.set_xlim(low, high)
        figure.draw_without_rendering()
        ticks = [*axes.get_xticklabels(), *axes.get_xticklabels(minor=True)]
    shown = {one.get_text() for one in ticks if low < one.get_position()[0] < high} - {""}
    assert sorted(shown) == labels
