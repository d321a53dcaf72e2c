"""What can be learnt from a folder of scans, and what `init` prints about it."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from headstart.common.errors import UserError
from headstart.data.column_names import plain
from headstart.data.column_names import words_of
from headstart.data.label_table import MASK
from headstart.data.label_table import lacking_text
from headstart.planning.aim import Aim
from headstart.planning.label_columns import Column
from headstart.planning.proposal import Found
from headstart.planning.proposal import channel_path
from headstart.planning.sample import Sample
from headstart.tasks import TASKS
from headstart.tasks.base import Task

WIDTH = 100
INDENT = 15
MOST_LABELS = 8
FEWEST_SUBJECTS = 6
FEWEST_IN_A_CLASS = 10
MOST_FEW = 4  # such classes that are named
# What is likely meant to be learnt, before age, a mask, sex.
TARGETS = re.compile(
    r"(diagnosis|dx|group|class|label|target|status|outcome|condition|disease|cdr)\d?(_label)?"
)


def describe_folder(folder: Path, found: Found, sample: Sample) -> Iterator[str]:
    """Say what a folder holds, in lines of at most 100 columns."""
    yield f"{folder}: {found.layout}"
    visits = Counter(scan.subject for scan in found.scans)
    several = sum(count > 1 for count in visits.values())
    more = f", {several} of them with several sessions" if several else ""
    yield from row("scans", f"{len(found.scans)} of {len(visits)} subjects{more}")
    for channel in found.source["channels"]:
        lack = sum(channel not in scan.paths for scan in found.scans)
        some = f" ({lacking_text(channel, lack, len(found.scans))})" if lack else ""
        yield from row(channel, f"{channel_path(found.source, channel)}{some}")
    for key in ("mask", "brain_mask"):
        if key in found.source:
            values = ", ".join(f"{value} {word}" for value, word in found.classes.items())
            text = found.source[key]
            yield from row(key.replace("_", " "), f"{text}: {values}" if key == "mask" else text)
    for key, counts in sample.counts().items():
        shown = ", ".join(f"{value} ({count})" for value, count in counts.most_common(4))
        rest = f", {len(counts) - 4} more" if len(counts) > 4 else ""
        yield from row(key, f"{shown}{rest}")
    read = len(sample.headers) + len(sample.faults)
    if read < len(found.scans):
        yield from row("", f"(headers of {read} scans, evenly spread; axes in RAS order)")
    for column in found.columns[:MOST_LABELS]:
        yield from row(f"{column.name}", _column(column))
    if found.columns[MOST_LABELS:]:
        names = ", ".join(column.name for column in found.columns[MOST_LABELS:])
        yield from row("more labels", textwrap.shorten(names, 3 * WIDTH))
    for line in [*found.notes, *found.unjoined, *sample.notes(), *_small_classes(found.columns)]:
        yield from row("note", line)


def choose(found: Found, task: str | None, target: str | None) -> tuple[Aim, str]:
    """Choose what to learn: as requested, asked on a terminal, or inferred.

    Args:
        found: What the folder holds.
        task: As given on the command line.
        target: As given on the command line.

    Returns:
        The question, and how it came about.

    Raises:
        UserError: If there is nothing to learn, or not what was asked for.
    """
    possible = [] if found.series else questions(found)
    possible += [Aim(t.name, t.target_kind) for t in _learning("image") if t.name == task]
    fitting = [
        question
        for question in possible
        if task in (None, question.task) and target in (None, question.target)
    ]
    if not possible and found.series:
        raise UserError(
            "these are 4-D series, which are denoised and of which nothing else is learnt: add "
            "--task denoising; or extract one volume of each, for what is learnt of 3-D scans"
        )
    if not possible:
        visits = list(dict.fromkeys(scan.session for scan in found.scans))
        by_visit = f", a column `session` that has {', '.join(visits[:2])}, …,"
        raise UserError(
            "there is nothing to learn: no mask, no folders of classes with people of their own, "
            "and no table whose rows fit the scans; put a table beside them, e.g. labels.csv with "
            "a column `subject` that has "
            f"{', '.join(found.subjects[:2])}, …{by_visit if len(visits) > 1 else ''} and a column "
            "such as `age`, and call this again" + "".join(f"\n  {line}" for line in found.unjoined)
        )
    if not fitting:
        asked = " ".join(word for word in (task, target) if word)
        there = ", ".join(f"{question.task} of {question.target}" for question in possible)
        raise UserError(
            f"no {asked} can be learnt from these scans; there is: {there}"
            + "".join(f"\n  {line}" for line in _said_of(target, found))
        )
    if task is not None or target is not None or len(fitting) == 1:
        return fitting[0], "as asked" if task or target else "all there is to learn"
    if sys.stdin.isatty() and sys.stdout.isatty():
        return ask(fitting, input), "as asked"
    return fitting[0], "inferred; --task and --target choose another one"


def _said_of(target: str | None, found: Found) -> list[str]:
    """Return the notes that name a label or its column."""
    asked = words_of(target or "")
    return [
        line
        for line in (*found.notes, *found.unjoined)
        if asked and f" {asked} " in f" {' '.join(re.findall('[a-z0-9]+', plain(line)))} "
    ]


def questions(found: Found) -> list[Aim]:
    """Return what can be learnt of masks and labels, the likeliest first.

    What any scan allows, such as denoising, is no answer to what a folder is for: it is asked for.
    """
    possible = [Aim(t.name, MASK) for t in _learning(MASK) if MASK in found.source]
    for column in found.columns:
        kind = "number" if column.number else "class"
        possible += [Aim(t.name, column.name, column) for t in _learning(kind)]
    ranks: dict[str, int] = {"age": 1, "mask": 2, "sex": 3, "site": 5}

    def rank(question: Aim) -> int:
        likely = question.column is not None and (
            TARGETS.fullmatch(question.target) or not question.column.column
        )
        return 0 if likely and question.target != "site" else ranks.get(question.target, 4)

    return sorted(possible, key=rank)


def _learning(kind: str) -> list[type[Task]]:
    """Return the tasks whose targets are of a kind."""
    return [task for task in TASKS.values() if task.target_kind == kind]


def ask(possible: Sequence[Aim], answer: Callable[[str], str]) -> Aim:
    """Ask on the terminal what to learn.

    Args:
        possible: What can be.
        answer: Prompts, and returns the line that was typed.
    """
    print("\nWhat is to be learnt?")
    for number, question in enumerate(possible, start=1):
        print(f"  {number}  {question.task} of {question.target}")
    while True:
        try:
            typed = answer("Number [1]: ").strip() or "1"
        except EOFError:
            typed = "1"
        if typed.isdecimal() and 1 <= int(typed) <= len(possible):
            return possible[int(typed) - 1]


def check_size(folder: Path, found: Found) -> None:
    """Refuse a folder that has fewer subjects than a study needs."""
    if len(found.subjects) < FEWEST_SUBJECTS:
        raise UserError(
            f"{folder}: {len(found.subjects)} subjects are too few to train and evaluate "
            f"on; there must be {FEWEST_SUBJECTS} at least"
        )


def _column(column: Column) -> str:
    missing = f"; {column.missing} missing" if column.missing else ""
    if column.number:
        values = sorted(column.numbers)
        middle = values[len(values) // 2]
        return f"number, {values[0]:g} to {values[-1]:g}, median {middle:g}{missing}"
    shown = ", ".join(f"{value} {count}" for value, count in column.counts.most_common(8))
    rest = f", {len(column.counts) - 8} more" if len(column.counts) > 8 else ""
    return f"{shown}{rest}{missing}"


def _small_classes(columns: Sequence[Column]) -> Iterator[str]:
    for column in columns:
        few = [v for v, count in column.counts.items() if count < FEWEST_IN_A_CLASS]
        if not column.number and few:
            rest = "" if len(few) <= MOST_FEW else ", …"
            shown = ", ".join(f"{value} {column.counts[value]}" for value in few[:MOST_FEW])
            few_are = f"classes of fewer than {FEWEST_IN_A_CLASS} subjects"
            yield f"{column.name}: {few_are}: {shown}{rest}"


def row(name: str, text: str) -> list[str]:
    """Wrap a text beside its name, in lines of the page's width."""
    start = f"  {name:<{INDENT - 3}} "
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )


def study_name(folder: Path) -> str:
    """Make a name of a study from its folder."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    if not name:
        raise UserError(f"{folder}: its name makes no name of a study; give one with --name")
    return name


def root(folder: Path) -> str:
    """Return the folder as the config names it: from here if it lies below, else absolute."""
    whole = Path(os.path.abspath(folder))  # noqa: PTH100 a link keeps its name
    return str(whole.relative_to(Path.cwd())) if whole.is_relative_to(Path.cwd()) else str(whole)
