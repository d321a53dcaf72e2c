"""Which scans pass: by what was read of each, and compared with the others."""

from __future__ import annotations

import difflib
import sys
from collections import Counter
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from headstart.common.errors import UserError
from headstart.common.keys import Key
from headstart.common.records import write_rows
from headstart.common.text import counted
from headstart.data.found_scans import RejectedRow
from headstart.data.label_table import LabelRow
from headstart.imaging.config import Acceptance
from headstart.imaging.config import Check
from headstart.imaging.config import Decision
from headstart.imaging.plausible import out_of_range
from headstart.imaging.rejection_codes import REASONS
from headstart.imaging.scan_rows import CheckRow

SHOWN = 10


def compare_scans(
    *, checked: Sequence[CheckRow], labels: Sequence[LabelRow], rules: Check, output: Path
) -> None:
    """Write summary.csv, passed.csv and rejected.csv.

    Two subjects with the very same voxels are one person under two names, or one name too many:
    both are rejected. A person's decisions come last and are kept with their reasons. All codes
    stand in `imaging/rejection_codes.py`.

    Args:
        checked: The rows of all shards, as `check_scans` gives them.
        labels: labels.csv.
        rules: The config's section `check`.
        output: Folder to write to.

    Raises:
        UserError: If too many scans are rejected or none is left; if a decision names nobody, or
            accepts a scan that can't be computed with.
    """
    rows = _in_order_of(labels, checked)
    excluded = _decided(rows, rules.exclude, "exclude")
    accepted = _decided(rows, rules.accept, "accept")
    _check_accepted(rows, excluded, accepted)
    verdicts = _verdicts(rows, excluded, rules)

    passed = [row for row in labels if row.key not in verdicts]
    rejected = [
        RejectedRow(*key, rows[key].path, *verdicts[key]) for key in rows if key in verdicts
    ]
    if len(passed) + len(rejected) != len(labels):
        raise RuntimeError(f"{len(labels)} in, {len(passed)} passed, {len(rejected)} rejected")
    write_rows(output / "summary.csv", CheckRow, rows.values())
    write_rows(output / "rejected.csv", RejectedRow, rejected)
    write_rows(output / "passed.csv", LabelRow, passed)
    _report(rows, rejected, rules.max_rejected, output / "rejected.csv")


def _in_order_of(labels: Sequence[LabelRow], checked: Sequence[CheckRow]) -> dict[Key, CheckRow]:
    """Return the checked rows by subject and session, in the order of labels.csv."""
    rows = {row.key: row for row in checked}
    keys = [row.key for row in labels]
    differing = sorted(set(keys) ^ rows.keys())
    if differing or len(rows) < len(checked):
        example = f", e.g. {_named(differing[0])}" if differing else ""
        raise UserError(
            f"check: the shards' tables do not hold the scans of labels.csv once each{example}; "
            "check all shards of this labels.csv again"
        )
    return {key: rows[key] for key in keys}


def _decided(
    rows: Mapping[Key, CheckRow], decisions: Sequence[Decision | Acceptance], section: str
) -> dict[Key, str]:
    """Return the scans that decisions name, with the reasons; a code names no scan."""
    decided: dict[Key, str] = {}
    for decision in decisions:
        if decision.subject is None:
            continue
        about = [
            key for key in rows if key[0] == decision.subject and decision.session in (None, key[1])
        ]
        if not about:
            subjects = list(dict.fromkeys(subject for subject, _ in rows))
            near = difflib.get_close_matches(decision.subject, subjects, n=3) or subjects[:3]
            session = "" if decision.session is None else f", session '{decision.session}'"
            raise UserError(
                f"check.{section}: labels.csv has no subject '{decision.subject}'{session}; "
                f"there are, e.g., {', '.join(near)}"
            )
        decided |= dict.fromkeys(about, decision.reason)
    return decided


def _check_accepted(
    rows: Mapping[Key, CheckRow], excluded: Mapping[Key, str], accepted: Mapping[Key, str]
) -> None:
    for key in accepted:
        reason, detail = rows[key].reason, rows[key].detail
        if key in excluded:
            raise UserError(f"check.accept: {_named(key)} is in check.exclude too; keep one")
        if reason and not _usable(rows[key]):
            raise UserError(
                f"check.accept: {_named(key)} can't be accepted, because it can't be computed with "
                f"({reason}: {detail}); fix it, or remove the entry"
            )


def _usable(row: CheckRow) -> bool:
    """Whether a scan can be computed with: of one with a file that can't be read, no facts are."""
    return bool(row.hash) and all(REASONS[code].acceptable for code in row.codes)


def _verdicts(
    rows: dict[Key, CheckRow], excluded: Mapping[Key, str], rules: Check
) -> dict[Key, tuple[str, str]]:
    """Return reason and detail of each scan that is rejected; note in `rows` what is accepted."""
    verdicts = {key: ("excluded", reason) for key, reason in excluded.items()}

    def decide(key: Key, found: Iterable[tuple[str, str]]) -> None:
        for code, problem in found:
            row = rows[key]
            reasons = [entry.reason for entry in rules.accept if entry.keeps(row, code)]
            if not (reasons and _usable(row)):
                verdicts[key] = (code, problem)
                return
            rows[key] = replace(row, detail=f"{row.detail} (accepted: {reasons[0]})")

    for key in rows.keys() - excluded.keys():
        decide(key, _against(rows[key], rules))
    # of two scans with the same voxels, one that is rejected anyway does the other no harm
    twins = _twins({key: row for key, row in rows.items() if key not in verdicts})
    for key, other in twins.items():
        problem = f"has the very same voxels as {_named(other)}; exclude the wrong one"
        decide(key, [("duplicate", problem)])
    return verdicts


def _against(row: CheckRow, rules: Check) -> Iterator[tuple[str, str]]:
    """Yield code and problem of all that speaks against a scan by itself."""
    for code in row.codes:
        if code != "personal-data" or rules.personal_data == "reject":
            meaning = f"{row.path}: {REASONS[code].meaning}; {REASONS[code].fix}"
            yield code, row.detail if code == row.reason else meaning
    yield from out_of_range(row, rules)


def _twins(rows: Mapping[Key, CheckRow]) -> dict[Key, Key]:
    """Return the scans whose very voxels another subject has too, and one such other scan."""
    holders = defaultdict(list)
    for key, row in rows.items():
        if row.hash:
            holders[row.hash].append(key)
    return {
        key: other
        for keys in holders.values()
        for key in keys
        for other in keys[::-1]
        if other[0] != key[0]
    }


def _report(
    rows: Mapping[Key, CheckRow],
    rejected: Sequence[RejectedRow],
    max_rejected: float,
    table: Path,
) -> None:
    """Print what was found; fail if too many scans are rejected, and say which."""
    total = len(rows)
    counts = Counter(row.reason for row in rejected)
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items())) or "none"
    passed = counted(total - len(rejected), "scan")
    print(f"check: {passed} passed; rejected: {reasons}", file=sys.stderr)
    named = sum("personal-data" in row.codes for row in rows.values())
    if named:
        print(
            f"check: the headers of {named} scans look as if they named persons or dates "
            "(personal-data in summary.csv); no such text is copied or printed",
            file=sys.stderr,
        )
    compared = total - counts["excluded"]
    bad = len(rejected) - counts["excluded"]
    if bad <= max_rejected * compared and len(rejected) < total:
        return
    against = [row for row in rejected if row.reason != "excluded"]
    for row in against[:SHOWN]:
        print(f"  {_named(row.key)}: {row.reason}: {row.detail}", file=sys.stderr)
    # the screen shows this line alone
    example = f"e.g. {(against or rejected)[0].detail}; all are in {table.resolve()}"
    if len(rejected) == total:
        raise UserError(f"check: no scan is left of {total} ({reasons}), {example}")
    raise UserError(
        f"check: {bad} of {compared} scans are rejected ({reasons}), more than "
        f"check.max_rejected = {max_rejected:g} allows, {example}; fix them, decide on them in "
        "check.exclude or check.accept, or raise check.max_rejected"
    )


def _named(scan: Key) -> str:
    return f"subject '{scan[0]}', session '{scan[1]}'"
