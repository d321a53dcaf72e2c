"""The chapters of a study's methods, and how they are written down as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart.study.methods.phrases import one_line


@dataclass(frozen=True)
class TextTable:
    """A table.

    Attributes:
        title: What it shows.
        head: Headers of its columns.
        rows: Its cells, by row.
        numbers: Whether all columns but the first hold numbers.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: bool = True


@dataclass(frozen=True)
class Points:
    """A list.

    Attributes:
        each: What it lists, each once.
    """

    each: Sequence[str]


@dataclass(frozen=True)
class Chapter:
    """A part of the methods.

    Attributes:
        title: Its heading.
        paragraphs: What it says.
    """

    title: str
    paragraphs: Sequence[str | TextTable | Points]


def as_text(chapters: Sequence[Chapter]) -> str:
    """Write chapters as text, which is also reStructuredText."""
    return "\n".join(
        f"{chapter.title}\n{'-' * len(chapter.title)}\n\n"
        + "\n\n".join(map(_as_text, chapter.paragraphs))
        + "\n"
        for chapter in chapters
    )


def as_markup(text: str) -> str:
    """Return the text with every character that reStructuredText would take for markup escaped.

    So is what would begin a directive, which may read files, and a colon that would make a link.
    """
    markup = r"[\\*`|]|_(?=_*(?:\W|$))|(?<!\bhttp)(?<!\bhttps):(?=\S)"
    escaped = re.sub(rf"({markup})", r"\\\1", text)
    return re.sub(r"(?m)^([\s-]*)(\.\.|__)(?=\s|$)", r"\1\\\2", escaped)


def as_markdown(chapters: Sequence[Chapter]) -> str:
    """Write chapters as Markdown, with every character escaped that it would take for markup."""
    return "\n".join(
        f"## {_line(chapter.title)}\n\n" + "\n\n".join(map(_as_markdown, chapter.paragraphs)) + "\n"
        for chapter in chapters
    )


def _as_text(paragraph: str | TextTable | Points) -> str:
    if isinstance(paragraph, TextTable):
        return _columns(paragraph)
    if isinstance(paragraph, Points):
        return "\n".join(f"- {point}" for point in paragraph.each)
    return paragraph


def _columns(grid: TextTable) -> str:
    """Lay out a table in columns, as reStructuredText reads it."""
    head, *rows = ([one_line(cell) for cell in row] for row in (grid.head, *grid.rows))
    widths = np.array([[len(cell) for cell in row] for row in (head, *rows)]).max(axis=0)
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def _as_markdown(paragraph: str | TextTable | Points) -> str:
    if isinstance(paragraph, TextTable):
        head, *rows = (map(_escaped, row) for row in (paragraph.head, *paragraph.rows))
        rule = ["---" for _ in paragraph.head]
        return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))
    if isinstance(paragraph, Points):
        return "\n".join(f"- {_line(point)}" for point in paragraph.each)
    return _line(paragraph)


def _line(text: str) -> str:
    """Escape Markdown, and what would make a list or a heading of a line that begins with it."""
    return re.sub(r"^(\d+)?([-+#=.)])", r"\1\\\2", _escaped(text))


def _escaped(text: str) -> str:
    """Escape Markdown within a line."""
    return re.sub(r"([\\*`|<>\[\]~]|(?<!\w)_|_(?!\w)|&(?=#?\w+;))", r"\\\1", one_line(text))
