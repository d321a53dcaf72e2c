"""Look at a folder of scans and write a ready study for it."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
import textwrap
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

import yaml

from headstart.parts import files
from headstart.parts import machine
from headstart.parts.config import read_config
from headstart.parts.discovery import Column
from headstart.parts.discovery import Found
from headstart.parts.discovery import discover
from headstart.parts.errors import UserError
from headstart.parts.fingerprint import Sample
from headstart.parts.fingerprint import take_sample
from headstart.parts.plan import Fingerprint
from headstart.parts.plan import plan
from headstart.parts.study_file import Question
from headstart.parts.study_file import study_text
from headstart.parts.templates import list_files

WIDTH = 100
INDENT = 15
MOST_LABELS = 8
FEWEST_SUBJECTS = 6
FEWEST_IN_A_CLASS = 10
TASKS = ("classification", "regression", "segmentation")
# What is likely meant to be learnt, before age, a mask, sex.
TARGETS = re.compile(
    r"(diagnosis|dx|group|class|label|target|status|outcome|condition|disease|cdr)\d?(_label)?"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", type=Path, help="the folder that holds the scans")
    parser.add_argument("--task", choices=TASKS, help="what to learn; asked for, or inferred")
    parser.add_argument("--target", help="the label to predict; asked for, or inferred")
    parser.add_argument("--name", help="name of the study; the default is the folder's")
    parser.add_argument("--output", type=Path, help="file to write; default config/NAME.yaml")
    parser.add_argument(
        "--profile", choices=["sge"], help="plan for the cluster's cards, not for this machine"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print what the folder holds, and write the study."""
    folder = arguments.folder
    if not folder.is_dir():
        raise UserError(f"{folder}: is not a folder; name the one that holds the scans")
    name = arguments.name or _study_name(folder)
    output = arguments.output or Path("config", f"{name}.yaml")
    if arguments.output is None and not Path("config").is_dir():
        raise UserError("config: is not here; call this in headstart's folder, or give --output")
    if output.exists():
        raise UserError(f"{output}: is there already; give another --name or --output")
    place = machine.site(Path("profiles/sge")) if arguments.profile else machine.this_machine()

    found = discover(folder, list_files(folder))
    sample = take_sample(folder, found.images)
    if sample is None:
        raise UserError(f"{folder / found.images[0]}: is no readable scan, nor are the others")
    print("\n".join(describe(folder, found, sample)))
    _check_size(folder, found)
    question, why = choose(found, arguments.task, arguments.target)

    imbalance = 1.0
    if question.task == "classification" and question.column is not None:
        imbalance = question.column.imbalance
    fingerprint = Fingerprint(
        scans=len(found.scans),
        subjects=len(found.subjects),
        channels=len(found.source["channels"]),
        voxel_size=sample.voxel_size,
        needed=sample.needed,
        classes=len(found.classes) if question.task == "segmentation" else 0,
    )
    text = study_text(
        name, _root(folder), found, question, plan(fingerprint, place, imbalance=imbalance)
    )
    read_config(yaml.safe_load(text))
    files.write_text(output, text)

    print(f"\n{question.task} of {question.target} ({why})")
    print(f"written, each choice with its reason: {output}")
    option = f" --configfile {shlex.quote(str(output))}"
    where = "--profile sge" if arguments.profile else f"--cores {place.cores}"
    print("next: see what would run, then run it")
    print(f"  snakemake -n{option}")
    print(f"  snakemake {where}{option}")


def describe(folder: Path, found: Found, sample: Sample) -> Iterator[str]:
    """Say what a folder holds, in lines of at most 100 columns."""
    yield f"{folder}: {found.layout}"
    visits = Counter(scan.subject for scan in found.scans)
    several = sum(count > 1 for count in visits.values())
    more = f", {several} of them with several sessions" if several else ""
    yield from _row("scans", f"{len(found.scans)} of {len(visits)} subjects{more}")
    for channel, text in found.source["channels"].items():
        yield from _row(channel, text)
    for key in ("mask", "brain_mask"):
        if key in found.source:
            values = ", ".join(f"{value} {word}" for value, word in found.classes.items())
            text = found.source[key]
            yield from _row(key.replace("_", " "), f"{text}: {values}" if key == "mask" else text)
    for key, counts in sample.counts().items():
        shown = ", ".join(f"{value} ({count})" for value, count in counts.most_common(4))
        rest = f", {len(counts) - 4} more" if len(counts) > 4 else ""
        yield from _row(key, f"{shown}{rest}")
    read = len(sample.headers) + len(sample.faults)
    if read < len(found.scans):
        yield from _row("", f"(headers of {read} scans, evenly spread; axes in RAS order)")
    for column in found.columns[:MOST_LABELS]:
        yield from _row(f"{column.name}", _column(column))
    if found.columns[MOST_LABELS:]:
        names = ", ".join(column.name for column in found.columns[MOST_LABELS:])
        yield from _row("more labels", textwrap.shorten(names, 3 * WIDTH))
    for line in [*found.odd, *sample.odd(), *_odd_labels(found.columns)]:
        yield from _row("odd", line)


def choose(found: Found, task: str | None, target: str | None) -> tuple[Question, str]:
    """Choose what is to be learnt: as told, asked on a terminal, or inferred.

    Args:
        found: What the folder holds.
        task: As given on the command line.
        target: As given on the command line.

    Returns:
        The question, and how it came about.

    Raises:
        UserError: If there is nothing to learn, or not what was asked for.
    """
    possible = questions(found)
    fitting = [
        question
        for question in possible
        if task in (None, question.task) and target in (None, question.target)
    ]
    if not possible:
        raise UserError(
            "there is nothing to learn: no mask, no class folders, and no table whose rows fit the "
            f"scans; put a table beside them, e.g. labels.csv with a column `subject` that has "
            f"{', '.join(found.subjects[:2])}, … and a column such as `age`"
        )
    if not fitting:
        asked = " ".join(word for word in (task, target) if word)
        there = ", ".join(f"{question.task} of {question.target}" for question in possible)
        raise UserError(f"no {asked} can be learnt from these scans; there is: {there}")
    if task is not None or target is not None or len(fitting) == 1:
        return fitting[0], "as asked" if task or target else "all there is to learn"
    if sys.stdin.isatty() and sys.stdout.isatty():
        return ask(fitting, input), "as asked"
    return fitting[0], "inferred; --task and --target choose another one"


def questions(found: Found) -> list[Question]:
    """Return what can be learnt, the likeliest first."""
    possible = [Question("segmentation", "mask")] if "mask" in found.source else []
    for column in found.columns:
        if column.number:
            possible.append(Question("regression", column.name, column))
        else:
            possible.append(Question("classification", column.name, column))
    ranks: dict[str, int] = {"age": 1, "mask": 2, "sex": 3, "site": 5}

    def rank(question: Question) -> int:
        likely = question.column is not None and (
            TARGETS.fullmatch(question.target) or not question.column.column
        )
        return 0 if likely and question.target != "site" else ranks.get(question.target, 4)

    return sorted(possible, key=rank)


def ask(possible: Sequence[Question], answer: Callable[[str], str]) -> Question:
    """Ask on the terminal what is to be learnt.

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


def _check_size(folder: Path, found: Found) -> None:
    if len(found.subjects) < FEWEST_SUBJECTS:
        raise UserError(
            f"{folder}: {len(found.subjects)} subjects are too few to learn from and to be judged "
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


def _odd_labels(columns: Sequence[Column]) -> Iterator[str]:
    for column in columns:
        few = [v for v, count in column.counts.items() if count < FEWEST_IN_A_CLASS]
        if not column.number and few:
            yield f"{column.name}: few subjects are {', '.join(few[:4])}"


def _row(name: str, text: str) -> list[str]:
    start = f"  {name:<{INDENT - 3}} "
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _study_name(folder: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    if not name:
        raise UserError(f"{folder}: its name makes no name of a study; give one with --name")
    return name


def _root(folder: Path) -> str:
    """Return the folder as the config names it: from here if it lies below, else absolute."""
    whole = Path(os.path.abspath(folder))  # noqa: PTH100 a link keeps its name
    return str(whole.relative_to(Path.cwd())) if whole.is_relative_to(Path.cwd()) else str(whole)
