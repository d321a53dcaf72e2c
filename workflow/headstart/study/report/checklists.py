"""Two checklists for papers, filled in as far as the study's files know the answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import yaml

from headstart.common.schema import Section
from headstart.study.methods.chapters import Chapter
from headstart.study.methods.study_files import StudyFiles
from headstart.study.report.checklist_answers import ANSWERS
from headstart.study.report.checklist_answers import Known
from headstart.study.report.markup import Html
from headstart.study.report.markup import PageSection
from headstart.study.report.markup import joined
from headstart.study.report.markup import table
from headstart.study.report.markup import tag

BLANK = "to be filled in by you"
FILE = Path(__file__).with_name("checklists.yaml")


class ChecklistItem(Section):
    """An item of a checklist.

    Attributes:
        number: Its number in the source.
        asks: What it asks for, in our words.
        answer: The row of `ANSWERS`; "" for what only a person can say.
    """

    number: str
    asks: str
    answer: str = ""


class Checklist(Section):
    """A checklist.

    Attributes:
        name: Its name.
        doi: Its source.
        items: Its items.
    """

    name: str
    doi: str
    items: tuple[ChecklistItem, ...]


@cache
def read_checklists() -> tuple[Checklist, ...]:
    """Read the checklists."""
    written = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return tuple(Checklist.model_validate(one) for one in written.values())


def checklists(study: StudyFiles, chapters: Sequence[Chapter]) -> PageSection:
    """Show both checklists.

    Args:
        study: The study.
        chapters: Its methods.
    """
    known = Known(study, {chapter.title: chapter for chapter in chapters})
    return PageSection(
        "checklists", "Checklists", joined(_checklist(one, known) for one in read_checklists())
    )


def _checklist(one: Checklist, known: Known) -> Html:
    rows = [[item.number, item.asks, _answer(item, known)] for item in one.items]
    blank = sum(BLANK in row[2] for row in rows)
    link = f"https://doi.org/{one.doi}"
    return joined(
        [
            tag("h3", one.name),
            tag(
                "p",
                f"{len(rows) - blank} of {len(rows)} items are filled in from the study's files; "
                f"{blank} are yours, in whole or in part. "
                "The items are in our words; the source has them in full: ",
                tag("a", link, href=link, rel="noreferrer"),
            ),
            table(one.name, ["item", "asks for", "answer"], rows, numbers=False),
        ]
    )


def _answer(item: ChecklistItem, known: Known) -> Html:
    answer = ANSWERS[item.answer](known) if item.answer else None
    if answer is None:
        return tag("span", BLANK, class_="blank")
    left = tag("span", f"{answer.left}: {BLANK}", class_="blank") if answer.left else None
    return joined([tag("a", answer.text, href=f"#{answer.anchor}"), " ", left])
