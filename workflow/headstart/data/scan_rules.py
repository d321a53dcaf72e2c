"""Rules for all scans together: safe ids, each scan once, one sex per person."""

from __future__ import annotations

import posixpath
import re
import sys
from collections import defaultdict
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Sequence

from headstart.common.errors import UserError
from headstart.common.text import is_number
from headstart.data.config import Source
from headstart.data.found_scans import FoundScan
from headstart.data.preferred import deciding_word
from headstart.data.privacy import private_cells
from headstart.data.privacy import redacted
from headstart.data.privacy import shown_id

# Of a person, not of a visit: may not change from session to session, even where it is coded as
# a number. Text never may; other numbers (age, a score) may.
LASTING = {"sex", "gender"}
OF_VISITS = (
    "; what differs between visits needs a table with a row per visit: `table: {column: [ID, "
    "visit], key: ['{subject}', '{session}']}`"
)
# Subject and session become parts of file names.
SAFE = re.compile(r"\w[\w.+-]*")
# A spreadsheet takes such a cell for a formula and runs it.
FORMULA = re.compile(r"[=+@\t\r-]")


def apply_rules(scans: Sequence[FoundScan], sources: Sequence[Source]) -> None:
    """Reject scans that conflict with others or have unsafe ids.

    Args:
        scans: All scans of the sources; some receive a reason.
        sources: The config's section `data`.

    Raises:
        UserError: If two scans claim to be the same subject and session.
    """
    _reject_bad_text(scans)
    _check_identities(scan for scan in scans if not scan.reason)
    _reject_conflicts(scans, _mapped_from_numbers(sources))
    _tell_dates([scan for scan in scans if not scan.reason])


def _reject_bad_text(scans: Iterable[FoundScan]) -> None:
    for scan in scans:
        for name in ("subject", "session"):
            value = getattr(scan, name)
            if value and not SAFE.fullmatch(value):
                scan.reject(
                    "bad-id",
                    f"the {name} '{value}' becomes part of file names; it needs to begin with a "
                    "letter or digit and hold letters, digits, '_', '-', '.' and '+' only; rename "
                    "it, or take a part of it with `subject: {pattern: …}`",
                )
        for name, value in {"site": scan.site, **scan.labels}.items():
            if FORMULA.match(value) and not is_number(value):
                scan.reject(
                    "formula",
                    f"{name} = '{redacted(value)}' would be a formula in a spreadsheet; fix the "
                    "label table",
                )


def _tell_dates(scans: Sequence[FoundScan]) -> None:
    """Say which subject and session names are dates: they reveal when somebody was scanned.

    They stay what they are: a session's folder has no other name.
    """
    for name in ("subject", "session"):
        values = sorted({getattr(scan, name) for scan in scans})
        dates = [values[n] for n, what in private_cells(values).items() if what == "a date"]
        if dates:
            print(
                f"label: names of {name}s that hold a date, {shown_id(dates[0])} and "
                f"{len(dates) - 1} more, will stand in all tables and figures; if these may leave "
                "your machine, rename the folders or files first, e.g. to numbers of visits",
                file=sys.stderr,
            )


def _check_identities(scans: Iterable[FoundScan]) -> None:
    """Reject a scan that is listed twice; fail if two scans claim one subject and session."""
    seen: dict[str, FoundScan] = {}
    for scan in scans:
        # joined as in the names of the files that hold their predictions
        other = seen.setdefault(f"{scan.subject}_{scan.session}", scan)
        if other is scan:
            continue
        if other.paths == scan.paths:
            scan.reject("repeated", f"{scan.path} is listed twice; remove one of its rows")
        else:
            beside = posixpath.dirname(other.path) == posixpath.dirname(scan.path)
            word = deciding_word([other.path, scan.path]) if beside else ""
            choose = f"remove one or write `prefer: {word}`" if word else "remove one"
            raise UserError(
                f"{other.path} and {scan.path} are both '{scan.subject}_{scan.session}' (subject "
                "and session). If they are two people, set `subject: folder/id` in source "
                f"'{scan.source}' (subjects are then called e.g. Females-101); if they are two "
                "visits of one, let a field or column `session` tell them apart; if they are the "
                f"same scan, or runs of one session, {choose}"
            )


def _mapped_from_numbers(sources: Sequence[Source]) -> set[str]:
    return {
        name
        for source in sources
        for name, label in source.labels.items()
        if label.map and all(map(is_number, label.map))
    }


def _reject_conflicts(scans: Iterable[FoundScan], changing: Collection[str]) -> None:
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
                    f"subject {subject} has {name} {' and '.join(sorted(values))}; fix the label "
                    "table, or give two people two ids"
                ) + ("" if name.lower() in LASTING else OF_VISITS)
        for scan in own if detail else []:
            scan.reject("conflicting-labels", detail)
