"""Collect the scans of all sources, with their labels, into labels.csv."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections import defaultdict
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from headstart.parts import files
from headstart.parts.config import Source
from headstart.parts.errors import UserError
from headstart.parts.layouts import MASKS
from headstart.parts.layouts import Scan
from headstart.parts.layouts import read_source
from headstart.parts.numbers import is_number
from headstart.parts.settings import shard_of
from headstart.parts.tables import TableError
from headstart.parts.targets import check_target

REJECTED = ["subject", "session", "path", "reason", "detail"]
# Of a person, not of a visit: may not change from session to session, even where it is coded as
# a number. Text never may; other numbers (age, a score) may.
LASTING = {"sex", "gender"}
# Subject and session become parts of file names.
SAFE = re.compile(r"\w[\w.+-]*")
# A spreadsheet takes such a cell for a formula and runs it.
FORMULA = re.compile(r"[=+@\t\r-]")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--settings", required=True, help="JSON with `data` and `shards`")
    parser.add_argument("--data", type=Path, required=True, help="data root")
    parser.add_argument("--output", type=Path, required=True, help="folder of labels.csv")
    parser.add_argument(
        "--targets", default="[]", help="JSON: what the experiments are to predict; checked"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    settings = json.loads(arguments.settings)
    label(
        sources=[Source.model_validate(source) for source in settings["data"]],
        shards=settings["shards"],
        data=arguments.data,
        output=arguments.output,
        targets=json.loads(arguments.targets),
    )


def label(
    *,
    sources: Sequence[Source],
    shards: int,
    data: Path,
    output: Path,
    targets: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write labels.csv, rejected.csv and shards/0.csv … of all sources.

    A subject has one value of each text label: all scans of a subject that stands as male and as
    female are rejected. Numbers, such as an age, and text that is mapped from numbers, may differ
    between sessions, but `sex` and `gender` may not. A label, site or id that begins like a
    formula and is no number is rejected.

    Args:
        sources: The config's section `data`.
        shards: Number of shards. A subject's shard depends on its name and this number only.
        data: Data root.
        output: Folder to write to.
        targets: Name, task and target of the experiments that the labels are for.

    Raises:
        UserError: If a source is not as described (then errors.csv lists all wrong cells of its
            table), two scans claim to be the same subject and session, no scan is left, or a
            target can't be learnt from the labels.
    """
    wrong = output / "errors.csv"
    try:
        scans = [scan for source in sources for scan in read_source(source, data)]
    except TableError as error:
        files.write_csv(wrong, error.wrong)
        raise UserError(f"{error}\nall are in {wrong}") from None
    wrong.unlink(missing_ok=True)
    found = [scan for scan in scans if scan.reason != "no-scan"]
    _reject_bad_text(found)
    _check_identities(scan for scan in found if not scan.reason)
    _reject_conflicts(found, _mapped_from_numbers(sources))
    kept = [scan for scan in scans if not scan.reason]
    rejected = [scan for scan in scans if scan.reason]
    _report(kept, rejected, found)

    order = {source.source: place for place, source in enumerate(sources)}

    def place(scan: Scan) -> tuple[object, ...]:
        return order[scan.source], natural(scan.subject), natural(scan.session), scan.path

    labels = _labels_table(sorted(kept, key=place), list(sources[0].channels))
    turned_away = [[getattr(s, name) for name in REJECTED] for s in sorted(rejected, key=place)]
    if len(labels) + len(turned_away) != len(scans):
        raise RuntimeError(f"{len(scans)} in, {len(labels)} out, {len(turned_away)} rejected")
    for question in targets:
        check_target(labels, question)

    paths = ["subject", "session", *sources[0].channels, *MASKS]
    shard = labels["subject"].map(lambda subject: shard_of(subject, shards))
    for number in range(shards):
        files.write_csv(output / "shards" / f"{number}.csv", labels.loc[shard == number, paths])
    files.write_csv(output / "rejected.csv", pd.DataFrame(turned_away, columns=REJECTED))
    files.write_csv(output / "labels.csv", labels)


def natural(text: str) -> tuple[object, ...]:
    """Return a sorting key by which 2 comes before 10."""
    parts = re.split(r"(\d+)", text)
    return tuple((i % 2, int(p) if i % 2 else 0, p) for i, p in enumerate(parts) if p), text


def _reject_bad_text(scans: Iterable[Scan]) -> None:
    for scan in scans:
        for name in ("subject", "session"):
            value = getattr(scan, name)
            if value and not SAFE.fullmatch(value):
                scan.reject(
                    "bad-id",
                    f"the {name} '{value}' becomes part of file names; it needs to begin with a "
                    "letter or digit and hold letters, digits, '_', '-', '.' and '+' only",
                )
        for name, value in {"site": scan.site, **scan.labels}.items():
            if FORMULA.match(value) and not is_number(value):
                scan.reject(
                    "formula",
                    f"{name} = '{value}' would be a formula in a spreadsheet; mend the label table",
                )


def _check_identities(scans: Iterable[Scan]) -> None:
    """Reject a scan that is listed twice; fail if two scans claim one subject and session."""
    seen: dict[str, Scan] = {}
    for scan in scans:
        # joined as in the names of the files that hold their predictions
        other = seen.setdefault(f"{scan.subject}_{scan.session}", scan)
        if other is scan:
            continue
        if other.paths == scan.paths:
            scan.reject("repeated", f"{scan.path} is listed twice; remove one of its rows")
        else:
            raise UserError(
                f"{other.path} and {scan.path} are both '{scan.subject}_{scan.session}' (subject "
                "and session). If they are two people, set `subject: folder/id` in source "
                f"'{scan.source}' (subjects are then called e.g. Females-101); if they are two "
                "visits of one, let a field or column `session` tell them apart; if they are the "
                "same scan, remove one"
            )


def _mapped_from_numbers(sources: Sequence[Source]) -> set[str]:
    return {
        name
        for source in sources
        for name, label in source.labels.items()
        if label.map and all(map(is_number, label.map))
    }


def _reject_conflicts(scans: Iterable[Scan], changing: Collection[str]) -> None:
    """Reject all scans of a subject with two values of a label where there can be only one.

    Args:
        scans: All scans.
        changing: Labels that may change from session to session although they are text.
    """
    scans_of = defaultdict(list)
    for scan in scans:
        scans_of[scan.subject].append(scan)
    for subject, own in scans_of.items():
        detail = next((s.detail for s in own if s.reason == "conflicting-labels"), "")
        for name in dict.fromkeys(name for scan in own for name in scan.labels):
            known = {(scan.session, scan.labels[name]) for scan in own if scan.labels.get(name)}
            values = {value for _, value in known}
            changes = name.lower() not in LASTING and (
                name in changing or all(map(is_number, values))
            )
            if len(values) > 1 and not (changes and len(known) == len(dict(known))):
                detail = detail or (
                    f"subject {subject} has {name} {' and '.join(sorted(values))}; mend the label "
                    "table, or give two people two ids"
                )
        for scan in own if detail else []:
            scan.reject("conflicting-labels", detail)


def _labels_table(scans: Sequence[Scan], channels: list[str]) -> pd.DataFrame:
    labels = dict.fromkeys(name for scan in scans for name in scan.labels)
    rows = [
        {
            "subject": scan.subject,
            "session": scan.session,
            "source": scan.source,
            "site": scan.site,
            **{name: scan.paths.get(name, "") for name in (*channels, *MASKS)},
            **{name: scan.labels.get(name, "") for name in labels},
        }
        for scan in scans
    ]
    return pd.DataFrame(rows)


def _report(kept: Sequence[Scan], rejected: Sequence[Scan], found: Sequence[Scan]) -> None:
    """Print one line; fail if no scan is left."""
    subjects = len({scan.subject for scan in kept})
    counts = Counter(scan.reason for scan in rejected)
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items())) or "none"
    print(f"label: {len(kept)} scans of {subjects} subjects; rejected: {reasons}", file=sys.stderr)
    if not kept:
        examples = [scan.detail for scan in found if scan.reason]
        raise UserError(
            f"label: none of {len(found)} scans is left ({reasons}), e.g. {examples[0]}"
            if examples
            else "label: the sources list no scan; add scans to the table or to dataset.json"
        )
