"""The methods, to be read and to be taken along."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from collections.abc import Sequence

from headstart.common import study_paths
from headstart.study.methods.bibtex import as_bibtex
from headstart.study.methods.chapters import Chapter
from headstart.study.methods.chapters import Points
from headstart.study.methods.chapters import TextTable
from headstart.study.methods.chapters import as_markdown
from headstart.study.report.markup import Html
from headstart.study.report.markup import PageSection
from headstart.study.report.markup import joined
from headstart.study.report.markup import table
from headstart.study.report.markup import tag

LINK = re.compile(r"(https://[^\s]*[^\s.,;)])")


def methods(chapters: Sequence[Chapter]) -> PageSection:
    """Show the methods, with links to take them along as Markdown and BibTeX."""
    taken = tag(
        "p",
        "To take along: ",
        *(_download(name, text) for name, text in written(chapters).items()),
        class_="downloads",
    )
    told = (joined([tag("h3", one.title), *_paragraphs(one)]) for one in chapters)
    return PageSection("methods", "Methods", joined([taken, *told]))


def written(chapters: Sequence[Chapter]) -> dict[str, str]:
    """Return the methods as files, by their names: Markdown, and whom to cite as BibTeX."""
    cited = [
        cite
        for chapter in chapters
        for one in chapter.paragraphs
        if isinstance(one, Points)
        for cite in one.each
    ]
    return {
        study_paths.METHODS: as_markdown(chapters),
        study_paths.REFERENCES: as_bibtex(cited),
    }


def _download(name: str, text: str) -> Html:
    encoded = base64.b64encode(text.encode()).decode()
    return tag("a", name, download=name, href=f"data:text/plain;charset=utf-8;base64,{encoded}")


def _paragraphs(chapter: Chapter) -> Iterator[Html]:
    for one in chapter.paragraphs:
        if isinstance(one, TextTable):
            yield table(one.title, one.head, one.rows, numbers=one.numbers)
        elif isinstance(one, Points):
            yield tag("ul", *(tag("li", *_linked(point)) for point in one.each))
        else:
            yield tag("p", one)


def _linked(text: str) -> Iterator[str]:
    """Make links of what a text has of them."""
    for part in LINK.split(text):
        yield tag("a", part, href=part, rel="noreferrer") if LINK.fullmatch(part) else part
