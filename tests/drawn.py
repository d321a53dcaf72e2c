"""What a figure holds, as its tests look at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib.figure import Figure


class Kept:
    """A document that keeps its figures, and what stands below each."""

    def __init__(self) -> None:
        self.pages: list[Figure] = []
        self.notes: list[str] = []

    @contextmanager
    def page(self, title: str, *, height: float, note: str) -> Iterator[Figure]:
        assert title
        assert note
        self.notes.append(note)
        self.pages.append(Figure(figsize=(7, height / 25)))
        yield self.pages[-1]

    def axes(self, title: str) -> Any:
        (found,) = [a for page in self.pages for a in page.axes if a.get_title() == title]
        return found


def lines_of(axes: Any) -> list[np.ndarray]:
    return [np.asarray(line.get_xydata()) for line in axes.lines]


def drawn(axes: Any, x: Any, y: Any) -> bool:
    wanted = np.column_stack([np.atleast_1d(x), np.atleast_1d(y)]).astype(float)
    return any(xy.shape == wanted.shape and np.allclose(xy, wanted) for xy in lines_of(axes))
