"""The report in a real browser: seen, read, operated and printed as people do."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM
from browser import Browser
from browser import browser
from reported import draw
from reported import make_finished

from headstart.study.report.page import write_report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not CHROMIUM, reason="needs a browser: apt-get install chromium"),
]
SHOWN = "[...document.querySelectorAll('.viewer')].every((one) => one.dataset.shown === '0')"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = make_finished(tmp_path_factory.mktemp("study"), "segmentation", subjects=16)
    draw(study)
    return write_report(study)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.mark.parametrize("width", [1280, 800])
def test_the_result_is_seen_without_scrolling(page: Path, opened: Browser, width: int) -> None:
    opened.open(page, width)
    opened.wait_for(SHOWN)
    verdict = "document.querySelector('.verdict').getBoundingClientRect().bottom"
    assert 0 < opened.value(verdict) < 700
    assert opened.value("document.documentElement.scrollWidth") <= width
    wide = "[...document.querySelectorAll('.wide')].filter((x) => x.scrollWidth > x.clientWidth)"
    assert opened.value(f"{wide}.map((one) => one.ariaLabel)") == []
    images = "[...document.images].every((one) => one.naturalWidth > 0 && one.alt.length > 10)"
    assert opened.value(images)
    assert opened.said == []
    assert {address.split(":")[0] for address in opened.asked} == {"file", "data"}
    assert len([one for one in opened.asked if one.startswith("file:")]) == (
        1 if width == 1280 else 2
    )


def test_the_keyboard_reaches_everything(page: Path, opened: Browser) -> None:
    opened.open(page, 1280)
    opened.wait_for(SHOWN)
    places = "[...document.querySelectorAll('a, input, select, summary, [tabindex=\"0\"]')]"
    # what is folded can be reached once it is open
    opened.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    count = opened.value(f"window.places = {places}; window.places.length")
    reached = set()
    for _ in range(count):
        opened.press("Tab", 9)
        reached.add(opened.value("window.places.indexOf(document.activeElement)"))
    assert reached == set(range(count))
    # a skip link comes first, and is seen when it has the focus
    opened.open(page, 1280)
    opened.press("Tab", 9)
    assert opened.value("document.activeElement.className") == "skip"
    assert opened.value("document.activeElement.getBoundingClientRect().left") >= 0
    opened.press("Enter", 13)
    opened.wait_for("document.activeElement.id === 'main'")


def test_the_viewer_follows_the_keys(page: Path, opened: Browser) -> None:
    opened.open(page, 1280)
    opened.wait_for(SHOWN)
    canvas = "document.querySelector('[data-plane=axial]')"
    before = opened.value(f"[{canvas}.ariaLabel, {canvas}.toDataURL()]")
    opened.value("document.querySelector('[data-slice=axial]').focus()")
    opened.press("ArrowRight", 39)
    after = opened.value(f"[{canvas}.ariaLabel, {canvas}.toDataURL()]")
    assert before[0] != after[0]
    assert before[1] != after[1]
    opened.value("document.querySelector('[data-layer=predicted]').focus()")
    opened.value("document.querySelector('[data-layer=predicted]').click()")
    assert opened.value(f"{canvas}.toDataURL()") != after[1]
    opened.value(
        "const choice = document.querySelector('[data-choice]'); choice.value = '1';"
        "choice.dispatchEvent(new Event('change'))"
    )
    opened.wait_for("document.querySelector('.viewer').dataset.shown === '1'")
    assert opened.said == []


CONTRAST = """
(() => {
  const parsed = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parsed(colour).map((c) => {
      const part = c / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (parsed(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  let worst = [99, ""];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || one.closest("script, noscript")) continue;
    const pair = [light(getComputedStyle(one).color), light(ground(one))].sort();
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < worst[0]) worst = [ratio, texts.currentNode.data];
  }
  return worst;
})()
"""


def test_text_stands_out_from_its_ground(page: Path, opened: Browser) -> None:
    """By 4.5 to 1, as WCAG 2.2 asks for at the level AA."""
    opened.open(page, 1280)
    ratio, text = opened.value(CONTRAST)
    assert ratio >= 4.5, text


def test_on_paper_nothing_is_cut_or_folded(page: Path, opened: Browser, tmp_path: Path) -> None:
    opened.open(page, 1280)
    opened.wait_for(SHOWN)
    cells = opened.value(
        "[...document.querySelectorAll('td, tbody th')].map((one) => one.textContent)"
    )
    pdf = tmp_path / "page.pdf"
    pdf.write_bytes(opened.printed())
    assert not opened.value("document.querySelector('details').open")
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler-utils)")
    told = subprocess.run(["pdftotext", "-raw", pdf, "-"], capture_output=True, check=True).stdout
    printed = "".join(told.decode().split()).replace("\u00ad", "")
    assert len(cells) > 100
    words = {"".join(word.split()) for cell in cells for word in cell.split(" ")}
    missing = [word for word in words if word.isalnum() and word not in printed]
    assert not missing
