"""Where the words of a PDF lie, as pdftotext reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path

import pytest

WORD = re.compile(
    r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*)</word>'
)
Word = tuple[float, float, float, float, str]


def words_of(pdf: Path) -> list[list[Word]]:
    """Read the words of each page, with their boxes; skip the test where nothing can."""
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext: sudo apt-get install poppler-utils")
    read = ["pdftotext", "-bbox", str(pdf), "-"]
    said = subprocess.run(read, capture_output=True, text=True, check=True).stdout
    return [
        [(*map(float, found[:4]), found[4]) for found in WORD.findall(page)]
        for page in said.split("<page ")[1:]
    ]


def on_another(words: list[Word]) -> list[tuple[str, str]]:
    """Pairs of words of which a quarter of the smaller one lies on the other."""
    pairs = combinations(words, 2)
    return [(one[4], other[4]) for one, other in pairs if _covered(one, other) > 0.25]


def _covered(one: Word, other: Word) -> float:
    """Share of the smaller box that the two have in common."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return max(width, 0) * max(height, 0) / min(areas)
