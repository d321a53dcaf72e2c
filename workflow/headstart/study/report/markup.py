"""HTML, in which what comes from data is text and nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass

VOID = ("br", "img", "input", "meta")


class Html(str):
    """Text that is HTML already; every other text is escaped where it comes in."""

    __slots__ = ()


Child = str | None


def escaped(child: Child) -> str:
    """Return HTML as it is, text with its markup escaped, and nothing for None."""
    if child is None:
        return ""
    return child if isinstance(child, Html) else html.escape(child)


def joined(children: Iterable[Child]) -> Html:
    """Put parts together."""
    return Html("".join(map(escaped, children)))


def tag(element: str, *children: Child, **attributes: str | bool | None) -> Html:
    """Write an element.

    Args:
        element: Its name.
        *children: What it holds.
        **attributes: Its attributes: `class_` and `for_` are `class` and `for`, other underscores
            are hyphens; True is an attribute without a value, None and False are none.
    """
    words = [
        key.removesuffix("_").replace("_", "-")
        + ("" if value is True else f'="{html.escape(str(value))}"')
        for key, value in attributes.items()
        if value not in (None, False)
    ]
    opened = " ".join([element, *words])
    if element in VOID:
        return Html(f"<{opened}>")
    return Html(f"<{opened}>{joined(children)}</{element}>")


@dataclass(frozen=True)
class PageSection:
    """A section of the page.

    Attributes:
        anchor: What links lead to.
        title: Its heading.
        body: What stands below it.
    """

    anchor: str
    title: str
    body: Html

    @property
    def link(self) -> Html:
        """A link that leads to it."""
        return tag("a", self.title, href=f"#{self.anchor}")


def table(
    caption: str, head: Sequence[Child], rows: Iterable[Sequence[Child]], *, numbers: bool = True
) -> Html:
    """Write a table, the first cell of each row a header of it.

    Args:
        caption: What it shows.
        head: Headers of the columns.
        rows: Cells, by row.
        numbers: Whether all columns but the first hold numbers, which stand to the right.
    """
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head))),
            tag("tbody", *(_row(cells) for cells in rows)),
            class_="numbers" if numbers else "words",
        ),
        # a wide one scrolls, and what scrolls must be reached by the keyboard
        class_="wide",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def _row(cells: Sequence[Child]) -> Html:
    first, *others = cells
    return tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in others))


def with_code(text: str) -> Html:
    """Show as code what a text has between backticks."""
    return joined(
        tag("code", part) if number % 2 else part for number, part in enumerate(text.split("`"))
    )


def paragraphs(texts: Iterable[str]) -> Html:
    """Write a paragraph of each text that is not empty."""
    return joined(tag("p", text) for text in texts if text)


def folded(summary: str, *children: Child) -> Html:
    """Write what is opened by a click, and when the page is printed."""
    return tag("details", tag("summary", summary), *children)
