"""A study as a config file that a person can read: every choice with its reason beside it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from headstart.parts.discovery import SOURCE
from headstart.parts.discovery import Column
from headstart.parts.discovery import Found
from headstart.parts.plan import Plan

WIDTH = 96
SAME_ID = "the same id in two class folders is two people, e.g. Females-101 and Males-101"
PAIRED_CASES = "so many case numbers in a row are one person"
# Words in the names of classes that a mirrored scan would turn into each other.
SIDES = ("left", "right", "lh", "rh")


@dataclass(frozen=True)
class Question:
    """What is to be learnt.

    Attributes:
        task: classification, regression or segmentation.
        target: The label, or `mask`.
        column: The label; None for a mask.
    """

    task: str
    target: str
    column: Column | None = None


def study_text(name: str, root: str, found: Found, question: Question, plan: Plan) -> str:
    """Write a study's config file.

    Args:
        name: Name of the study.
        root: The data root.
        found: What the folder holds.
        question: What is to be learnt.
        plan: How.

    Returns:
        YAML, every choice with its reason as a comment.
    """
    reasons, train = plan.reasons, plan.train
    stratify = _stratify(found, question)
    split = plan.split | ({"stratify": stratify} if stratify else {}) | {"seed": 1}
    experiment = "segmentation" if question.task == "segmentation" else _name(question.target)
    sections = [
        _comment(
            f"{len(found.scans)} scans of {len(found.subjects)} subjects: {found.layout}. "
            "Written by `headstart init`, yours to edit; every key: config/README.md. The choices "
            "follow from the scans and the memory, as nnU-Net's do "
            "(doi:10.1038/s41592-020-01008-z)."
        ),
        f"study: {name}\n{_line('root', root)}",
        _data(found, question),
        _comment(reasons["split"]) + _line("split", split),
        "prepare:\n" + _reasoned(plan.prepare, reasons, 2),
        f"experiments:\n  {experiment}:\n" + _experiment(found, question, train, reasons),
        _comment(
            "When all choices are made: the chosen network, once, on the subjects held out."
            if plan.split["test"]
            else "There are no subjects held out for a final test (split.test is 0)."
        )
        + (f"# final: {experiment}\n" if plan.split["test"] else ""),
    ]
    if question.task == "segmentation":
        sections.insert(3, _comment("The mask's values.") + _line("classes", found.classes))
    return "\n".join(sections)


def _data(found: Found, question: Question) -> str:
    source = dict(found.source)
    labels = source.pop("labels", {})
    if question.task != "segmentation":
        # a scan without the mask that nobody asks for would be turned away
        source.pop("mask", None)
    asked = {question.target, "age", "sex", "site"}
    kept = {label: column for label, column in labels.items() if label in asked}
    path = source.pop("path", ".")
    lines = [f"  - source: {SOURCE}"]
    if source.get("layout") is not None:
        lines.append("    " + _line("layout", source.pop("layout")).rstrip())
    lines.append("    " + _line("path", path).rstrip())
    for key, value in source.items():
        if key == "subject":
            lines.append(f"    # {SAME_ID if value == 'folder/id' else PAIRED_CASES}")
        lines.append("    " + _line(key, value).rstrip())
    if kept or source.get("layout") == "table":
        lines.append("    # label: the table's column; only these columns are ever copied")
        rest = ", ".join(
            f"{label}: {column}" for label, column in labels.items() if label not in kept
        )
        if rest:
            lines += _comment(f"also there: {rest}", 4).rstrip().split("\n")
        lines.append("    " + _line("labels", kept).rstrip())
    else:
        lines = [line for line in lines if not line.startswith("    table:")]
    return "data:\n" + "\n".join(lines) + "\n"


def _experiment(
    found: Found, question: Question, train: Mapping[str, Any], reasons: Mapping[str, str]
) -> str:
    lines = [f"    task: {question.task}", f"    target: {question.target}"]
    if question.target == "age" and question.task == "regression":
        lines.append("    unit: years")
    text = "\n".join(lines) + "\n"
    text += _comment("the first of the folds; `all` for cross-validation", 4) + "    folds: [0]\n"
    text += _comment("; ".join(reasons[k] for k in ("memory", "time") if k in reasons), 4)
    settings = {k: v for k, v in train.items() if v not in ({}, False)}
    text += "    train:\n" + _reasoned(settings, reasons, 6)
    names = [word for name in found.classes.values() for word in name.lower().split("_")]
    sided = question.task == "segmentation" and set(names) & set(SIDES)
    flip = "no RandomFlip: it would turn left into right\n" if sided else ""
    text += _comment(flip or "small changes that leave the answer as it is", 6) + "      augment:\n"
    text += "" if flip else "        - RandomFlip: {axes: [LR]}\n"
    return text + "        - RandomAffine: {scales: 0.05, degrees: 5, p: 0.3}\n"


def _stratify(found: Found, question: Question) -> list[str]:
    names = [column.name for column in found.columns]
    wanted = [question.target, "sex", "site"]
    known = set(found.source.get("labels", {})) | {"site"}
    known |= {name for scan in found.scans[:1] for name in scan.labels}
    return [name for name in dict.fromkeys(wanted) if name in names and name in known][:3]


def _reasoned(values: Mapping[str, Any], reasons: Mapping[str, str], indent: int) -> str:
    text = ""
    for key, value in values.items():
        text += _comment(reasons[key], indent) if key in reasons else ""
        text += " " * indent + _line(key, value)
    return text


def _comment(text: str, indent: int = 0) -> str:
    start = " " * indent + "# "
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=start, subsequent_indent=start, break_on_hyphens=False
    )
    return "".join(f"{line}\n" for line in lines)


def _line(key: str, value: Any) -> str:
    """Return `key: value` on one line of YAML."""
    style: dict[str, Any] = {"default_flow_style": True, "width": math.inf, "sort_keys": False}
    braced = yaml.safe_dump({key: value}, allow_unicode=True, **style)
    return f"{braced.strip()[1:-1]}\n"


def _name(target: str) -> str:
    name = target.lower().replace("_", "-").strip("-")
    return f"{name}-label" if name == "cohort" else name
