"""labels.csv: the scans of all sources, with their labels."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.keys import shard_of
from headstart.common.records import write_rows
from headstart.common.text import counted
from headstart.data import inventory
from headstart.data.cell_checks import TableError
from headstart.data.config import Source
from headstart.data.found_scans import FoundScan
from headstart.data.found_scans import RejectedRow
from headstart.data.found_scans import lost_of
from headstart.data.label_table import LabelRow
from headstart.data.label_table import lacking
from headstart.data.label_table import lacking_text
from headstart.data.layouts.source import read_source
from headstart.data.scan_rules import apply_rules
from headstart.imaging.scan_rows import ScanFiles
from headstart.training.target import Target
from headstart.training.target import check_covariates
from headstart.training.target import check_target

SHOWN = 10


def label(
    *,
    sources: Sequence[Source],
    shards: int,
    data: Path,
    output: Path,
    targets: Sequence[Target] = (),
    max_rejected: float = 1.0,
) -> None:
    """Write labels.csv, rejected.csv, shards/0.csv … and files/0.csv … of all sources.

    files/K.csv says which raw files the scans of a shard are, and since when: a file that was
    replaced changes it, and nothing else here.

    A subject has one value of each text label: all scans of a subject that stands as male and as
    female are rejected. Numbers, such as an age, and text that is mapped from numbers, may differ
    between sessions, but `sex` and `gender` may not. A label, site or id that begins like a
    formula and is no number is rejected.

    Args:
        sources: The config's section `data`.
        shards: Number of shards. A subject's shard depends on its name and this number only.
        data: Data root.
        output: Folder to write to.
        targets: What experiments are to learn from the labels.
        max_rejected: Largest share of the scans found that may be rejected; those that `where`
            and `prefer` leave out are not counted.

    Raises:
        UserError: If a source is not as described (then errors.csv lists all wrong cells of its
            table), two scans claim to be the same subject and session, too many scans are rejected
            or none is left (rejected.csv says why), or a target can't be learnt from the labels, or
            a covariate be seen beside the scan.
    """
    wrong = output / "errors.csv"
    try:
        scans = [scan for source in sources for scan in read_source(source, data)]
    except TableError as error:
        files.write_csv(wrong, error.wrong)
        raise UserError(f"{error}\nall are in {wrong}") from None
    wrong.unlink(missing_ok=True)
    found = [scan for scan in scans if scan.found]
    apply_rules(found, sources)
    kept = [scan for scan in scans if not scan.reason]
    rejected = [scan for scan in scans if scan.reason]
    order = {source.source: place for place, source in enumerate(sources)}

    def place(scan: FoundScan) -> tuple[object, ...]:
        return order[scan.source], _natural(scan.subject), _natural(scan.session), scan.path

    rejected.sort(key=place)
    table = output / "rejected.csv"
    write_rows(
        table,
        RejectedRow,
        [RejectedRow(s.subject, s.session, s.path, s.reason, s.detail) for s in rejected],
    )
    _report(kept, rejected, table, max_rejected)

    labels = _label_rows(sorted(kept, key=place), list(sources[0].channels))
    _tell_lacking(labels, sources[0])
    if len(labels) + len(rejected) != len(scans):
        raise RuntimeError(f"{len(scans)} in, {len(labels)} out, {len(rejected)} rejected")
    for question in targets:
        check_target(labels, question)
        check_covariates(labels, question)

    for number in range(shards):
        own = [row.files for row in labels if shard_of(row.subject, shards) == number]
        write_rows(output / "shards" / f"{number}.csv", ScanFiles, own)
        raw = inventory.files_of(own, data)
        write_rows(output / "files" / f"{number}.csv", inventory.FileRow, raw)
    write_rows(output / "labels.csv", LabelRow, labels)


def _natural(text: str) -> tuple[object, ...]:
    """Return a sorting key by which 2 comes before 10."""
    parts = re.split(r"(\d+)", text)
    return tuple((i % 2, int(p) if i % 2 else 0, p) for i, p in enumerate(parts) if p), text


def _label_rows(scans: Sequence[FoundScan], channels: Sequence[str]) -> list[LabelRow]:
    labels = dict.fromkeys(name for scan in scans for name in scan.labels)
    return [
        LabelRow.of(
            scan.files(channels),
            source=scan.source,
            site=scan.site,
            labels={name: scan.labels.get(name, "") for name in labels},
        )
        for scan in scans
    ]


def _tell_lacking(labels: Sequence[LabelRow], source: Source) -> None:
    """Print how many scans lack an optional channel; fail if all do, as by a misspelt template."""
    for name, count in lacking(labels).items():
        if count == len(labels):
            raise UserError(
                f"label: no scan has the optional channel {name}, by {source.templates[name]}; "
                "correct it, or remove the channel"
            )
        print(f"label: {lacking_text(name, count, len(labels))}", file=sys.stderr)


def _report(
    kept: Sequence[FoundScan], rejected: Sequence[FoundScan], table: Path, max_rejected: float
) -> None:
    """Print what was found; fail if too many scans are rejected, and say why."""
    subjects = len({scan.subject for scan in kept})
    counts = Counter(scan.reason for scan in rejected)
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items())) or "none"
    people = counted(subjects, "subject")
    print(f"label: {counted(len(kept), 'scan')} of {people}; rejected: {reasons}", file=sys.stderr)
    alone = [scan for scan in rejected if scan.reason == "no-image"]
    if alone:
        shown = ", ".join(scan.path for scan in alone[:SHOWN]) + ", …" * (len(alone) > SHOWN)
        print(f"label: masks or channels without an image: {shown}", file=sys.stderr)
    lost, total = lost_of([*kept, *rejected])
    if kept and len(lost) <= max_rejected * total:
        return
    found = [scan for scan in rejected if scan.found]
    if not kept and not found:
        raise UserError(
            "label: the sources list no scan; add scans to the table or to dataset.json"
        )
    for scan in (lost or found)[:SHOWN]:
        print(f"  {scan.reason}: {scan.detail}", file=sys.stderr)
    # the screen shows this line alone
    example = f"e.g. {(lost or found)[0].detail}; all are in {table.resolve()}"
    if not kept:
        raise UserError(f"label: none of {len(found)} scans is left ({reasons}), {example}")
    raise UserError(
        f"label: {len(lost)} of {total} scans are rejected ({reasons}), more than "
        f"check.max_rejected = {max_rejected:g} allows, {example}; fix them, leave them out with "
        "`where`, or raise check.max_rejected"
    )
