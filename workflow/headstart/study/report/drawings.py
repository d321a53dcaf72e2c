"""The study's figures, as the page shows them."""

from __future__ import annotations

import base64

from headstart.common import study_paths
from headstart.common.text import counted
from headstart.figures.registry import FIGURES
from headstart.figures.registry import figures_of
from headstart.figures.screen import ScreenPage
from headstart.figures.screen import read_pages
from headstart.study.methods.study_files import StudyFiles
from headstart.study.report.markup import Html
from headstart.study.report.markup import folded
from headstart.study.report.markup import joined
from headstart.study.report.markup import tag


def drawing(study: StudyFiles, folder: str, name: str) -> Html:
    """Show a figure, page by page; say so where it is not there.

    Args:
        study: The study.
        folder: Its folder in `figures`.
        name: Its name, as `FIGURES` has it.
    """
    pages = _pages(study, folder, name)
    if not pages:
        return tag("p", f"The figure {folder}/{name} is not there yet.", class_="missing")
    return joined(_page(page, _pdf(folder, name)) for page in pages)


def folded_drawing(study: StudyFiles, folder: str, name: str, summary: str) -> Html:
    """Show a figure of many pages where the reader asks for it, if the study has it."""
    if name not in figures_of(study.config, folder):
        return joined([])
    pages = _pages(study, folder, name)
    count = f" ({counted(len(pages), 'page')})" if pages else ""
    return folded(f"{summary}{count}", drawing(study, folder, name))


def _pages(study: StudyFiles, folder: str, name: str) -> list[ScreenPage]:
    file = study_paths.FIGURE.format(folder=folder, figure=FIGURES[name].screen(name))
    path = study.folder / file
    return read_pages(path) if path.is_file() else []


def _pdf(folder: str, name: str) -> str:
    return study_paths.FIGURE.format(folder=folder, figure=f"{name}.pdf")


def _page(page: ScreenPage, pdf: str) -> Html:
    # an image runs no script and fetches nothing, and its names are apart from the page's
    width, height = page.size
    encoded = base64.b64encode(page.svg.encode()).decode()
    return tag(
        "figure",
        tag(
            "img",
            src=f"data:image/svg+xml;base64,{encoded}",
            alt=f"{page.title}. {page.note}".strip(),
            width=f"{width:.0f}",
            height=f"{height:.0f}",
        ),
        tag(
            "figcaption",
            tag("strong", page.title),
            f". {page.note} " if page.note else " ",
            tag("a", "PDF", href=pdf, aria_label=f"{page.title}, as PDF"),
        ),
    )
