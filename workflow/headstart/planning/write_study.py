"""A study as a config file that a person can read: every choice with its reason beside it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import yaml

from headstart.data.label_table import MASK
from headstart.imaging.config import Preparation
from headstart.imaging.step_costs import step_seconds
from headstart.planning.aim import Aim
from headstart.planning.augmentation_plan import keeps_size
from headstart.planning.augmentation_plan import transforms
from headstart.planning.label_columns import column_of
from headstart.planning.plan import Plan
from headstart.planning.plan import duration
from headstart.planning.proposal import SOURCE
from headstart.planning.proposal import Found
from headstart.tasks import TASKS
from headstart.training.mirrors import check_mirrors
from headstart.training.sides import sided

WIDTH = 96
SAME_ID = "the same id in two folders is two people, e.g. Females-101 and Males-101"
PAIRED_CASES = "so many case numbers in a row are one person"
FLIP = ("RandomFlip", {"axes": ["LR"]})


def study_text(name: str, root: str, found: Found, question: Aim, plan: Plan) -> str:
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
    reasons = plan.reasons
    stratify = _stratify(found, question)
    split = plan.split | ({"stratify": stratify} if stratify else {}) | {"seed": 1}
    split |= {"group": found.group} if found.group else {}
    experiment = question.task if question.column is None else _name(question.target)
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
        "prepare:\n" + _reasoned(plan.prepare, reasons, 2) + _steps(found, question, plan),
        f"experiments:\n  {experiment}:\n" + _experiment(found, question, plan),
        _comment(
            "When all choices are made: the chosen network, once, on the subjects held out."
            if plan.split["test"]
            else "There are no subjects held out for a final test (split.test is 0)."
        )
        + (f"# final: {experiment}\n" if plan.split["test"] else ""),
    ]
    if question.target == MASK:
        sections.insert(3, _comment("The mask's values.") + _line("classes", found.written_classes))
    return "\n".join(sections)


def _steps(found: Found, question: Aim, plan: Plan) -> str:
    """Propose brains on one template, where a T1 of the whole head is to be answered for."""
    first = next(iter(found.source["channels"]))
    if question.column is None or not plan.whole_head or not first.startswith("T1"):
        return ""
    given = "brain_mask" in found.source
    steps = {"brain": "given" if given else "deepbet", "bias": "n4", "space": "affine"}
    if keeps_size(question):
        steps["space"] = "rigid"  # sizes stay
    channels = len(found.source["channels"])
    seconds = step_seconds(Preparation.model_validate(steps), channels, masked=given)
    told = _comment(
        "proposed, for grown people: brains in one place and size, without the coils' shading, as "
        "most studies of age, sex and disease take them. It costs about "
        f"{duration(len(found.scans) * seconds / 3600)} of one CPU core, once, and "
        "figures/cohort/preparation.pdf then shows each brain",
        2,
    )
    return told + "".join(f"  # {key}: {value}\n" for key, value in steps.items())


def _data(found: Found, question: Aim) -> str:
    sources = [_source(found, one, question) for one in found.sources]
    return "data:\n" + "\n".join(line for lines in sources for line in lines) + "\n"


def _source(found: Found, section: Mapping[str, Any], question: Aim) -> list[str]:
    source = dict(section)
    labels = source.pop("labels", {})
    if question.target != MASK:
        # a scan without the mask that nobody asks for would be rejected
        source.pop("mask", None)
    asked = {question.target, "age", "sex", "site", found.group}
    kept = {label: column for label, column in labels.items() if label in asked}
    if "table" in source:
        source["table"] = _with_rules_of(source["table"], kept)
    path = source.pop("path", ".")
    lines = [f"  - source: {source.pop('source', SOURCE)}"]
    if source.get("layout") is not None:
        lines.append("    " + _line("layout", source.pop("layout")).rstrip())
    lines.append("    " + _line("path", path).rstrip())
    for key, value in source.items():
        if key == "subject":
            lines.append(f"    # {SAME_ID if value == 'folder/id' else PAIRED_CASES}")
        lines.append("    " + _line(key, value).rstrip())
    if kept or section.get("layout") == "table":
        lines.append("    # label: the table's column; only these columns are ever copied")
        rest = ", ".join(
            f"{label}: {column_of(entry)}" for label, entry in labels.items() if label not in kept
        )
        if rest:
            lines += _comment(f"also there: {rest}", 4).rstrip().split("\n")
        lines.append("    " + _line("labels", kept).rstrip())
    else:
        lines = [line for line in lines if not line.startswith("    table:")]
    return lines


def _with_rules_of(table: Mapping[str, Any], labels: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the rules for the columns of labels."""
    used = {column_of(entry) for entry in labels.values()}
    rules = {column: rule for column, rule in table.get("columns", {}).items() if column in used}
    rest = {key: value for key, value in table.items() if key != "columns"}
    return rest | ({"columns": rules} if rules else {})


def _experiment(found: Found, question: Aim, plan: Plan) -> str:
    reasons = plan.reasons
    lines = [f"    task: {question.task}", f"    target: {question.target}"]
    if question.target == "age" and question.is_number:
        lines.append("    unit: years")
    text = "\n".join(lines) + "\n"
    text += _comment(reasons["folds"], 4) + "    " + _line("folds", plan.folds)
    text += _comment("; ".join(reasons[k] for k in ("memory", "time") if k in reasons), 4)
    settings = {k: v for k, v in plan.train.items() if v not in ({}, False, "best")}
    text += "    train:\n" + _reasoned(settings, reasons, 6)
    if TASKS[question.task].own_space:
        return text  # there, changes that interpolate would smooth the noise
    mirrored = _may_be_mirrored(found, question)
    pair = "" if mirrored else _mirrored_pair(found, question)
    why = "" if mirrored else "; no RandomFlip, which would turn left into right"
    why += f": with it, the pair needs `swap: [[{pair}]]`" if pair else ""
    text += _comment(f"changes that leave the answer as it is{why}", 6)
    listed = ([FLIP] if mirrored else []) + transforms(question)
    return text + "      augment:\n" + "".join(f"        - {_line(*one)}" for one in listed)


def _may_be_mirrored(found: Found, question: Aim, swap: Sequence[tuple[str, str]] = ()) -> bool:
    column = question.column
    asked = [] if column is None else [question.target, column.column]
    try:
        check_mirrors([dict([FLIP])], _classes(found, question), asked=asked, swap=swap)
    except ValueError:
        return False
    return True


def _mirrored_pair(found: Found, question: Aim) -> str:
    """Return the two classes that mirroring swaps, if there are no others."""
    names = [name for name in _classes(found, question) if name != "background"]
    sides = sorted(sided(names, 0))
    if len(sides) == 2 and _may_be_mirrored(found, question, [(sides[0], sides[1])]):
        return ", ".join(sides)
    return ""


def _classes(found: Found, question: Aim) -> list[str]:
    if question.target == MASK:
        return list(dict.fromkeys(found.classes.values()))
    column = question.column
    return [] if column is None or column.number else list(column.counts)


def _stratify(found: Found, question: Aim) -> list[str]:
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
