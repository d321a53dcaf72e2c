"""Figures for the screen: the PDF's drawings, without what stands around them."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from headstart.common.errors import UserError
from headstart.figures.screen import ScreenPage
from headstart.figures.screen import read_pages
from headstart.figures.screen import stack
from headstart.figures.style import WIDTH
from headstart.figures.style import Stamp
from headstart.figures.style import document

STAMP = Stamp("a <study>", "data", "code", synthetic=True)


def draw(folder: Path) -> list[ScreenPage]:
    with document(folder / "x.pdf", "x", STAMP) as pages:
        for number in (1, 2):
            with pages.page(
                f"Page <{number}> & more", height=60 + 20 * number, note="a\nnote"
            ) as one:
                one.subplots().plot([1, number])
    return read_pages(folder / "x.svg")


def test_each_page_is_a_drawing_with_its_words(tmp_path: Path) -> None:
    first, second = draw(tmp_path)
    assert (first.title, first.note) == ("Page <1> & more", "a note")
    assert second.title == "Page <2> & more"
    for page, height in ((first, 80), (second, 100)):
        width, tall = (length / 72 * 25.4 for length in page.size)
        assert width == pytest.approx(WIDTH, abs=0.1)
        # without title (7.5 mm) and foot (6.5 mm and a line of 3.2 mm)
        assert tall == pytest.approx(height - 7.5 - 6.5 - 3.2, abs=0.1)
        assert page.svg.startswith("<svg ")
        assert page.svg.rstrip().endswith("</svg>")
        assert "SYNTHETIC" not in page.svg
        assert "http" not in page.svg.replace("http://www.w3.org/", "")


def test_a_picture_is_kept_in_its_own_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3))
    with document(tmp_path / "x.pdf", "x", STAMP) as pages, pages.page("x", height=80) as one:
        one.subplots().imshow(pixels, vmin=0, vmax=255)
    (page,) = read_pages(tmp_path / "x.svg")
    (packed,) = re.findall(r'href="data:image/png;base64,\s*([^"]+)"', page.svg)
    picture = Image.open(io.BytesIO(base64.b64decode(packed)))
    assert picture.mode == "L"
    np.testing.assert_array_equal(np.asarray(picture), pixels)


def test_colours_and_veils_stay_as_they_are(tmp_path: Path) -> None:
    veil = np.random.default_rng(0).integers(0, 256, (5, 3, 4), dtype=np.uint8)
    colours = veil[..., :3] / 255
    grey_veil = np.repeat(veil[..., :1], 4, axis=2)
    with document(tmp_path / "x.pdf", "x", STAMP) as pages, pages.page("x", height=80) as one:
        for axes, pixels in zip(one.subplots(1, 3), (veil, colours, grey_veil), strict=True):
            axes.imshow(pixels)
    (page,) = read_pages(tmp_path / "x.svg")
    packed = re.findall(r'href="data:image/png;base64,\s*([^"]+)"', page.svg)
    seen = [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in packed]
    np.testing.assert_array_equal(seen[0], veil)
    np.testing.assert_array_equal(seen[1][..., :3], veil[..., :3])
    np.testing.assert_array_equal(seen[2], grey_veil)


def test_the_same_drawing_has_the_same_bytes(tmp_path: Path) -> None:
    draw(tmp_path / "a")
    draw(tmp_path / "b")
    for name in ("x.pdf", "x.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@given(words=st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=3))
def test_any_words_come_back(tmp_path_factory: pytest.TempPathFactory, words) -> None:
    clean = [["".join(t.split()) for t in pair] for pair in words]
    svg = '<svg xmlns="x" viewBox="0 0 10 20.5">\n<g/>\n</svg>\n'
    pages = [ScreenPage(title, note, svg) for title, note in clean]
    path = tmp_path_factory.mktemp("x") / "x.svg"
    path.write_text(stack(pages), encoding="utf-8", newline="")
    assert [(page.title, page.note) for page in read_pages(path)] == [tuple(t) for t in clean]


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.svg").write_text("<html>")
    with pytest.raises(UserError, match="no figure of headstart"):
        read_pages(tmp_path / "x.svg")
