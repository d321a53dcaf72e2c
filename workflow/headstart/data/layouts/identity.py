"""Whose scan it is, by the fields that a file name or a row gives."""

from __future__ import annotations

import re
from collections.abc import Mapping

from headstart.data.config import Source
from headstart.data.config import SubjectPattern
from headstart.data.found_scans import FoundScan
from headstart.data.templates import IDENTITIES
from headstart.data.templates import SERIAL


def make_scan(source: Source, fields: Mapping[str, str], path: str, folder: str) -> FoundScan:
    """Make a scan of the fields that a file name or a row gives.

    Args:
        source: The source's section of the config.
        fields: `subject`, and what else is given: session, site and labels.
        path: What was found: its first channel's file, or the table.
        folder: What tells subjects of one name apart, where `subject: folder/id` says so.
    """
    labels = {
        name: value
        for name, value in fields.items()
        if name not in IDENTITIES and SERIAL.fullmatch(name) is None
    }
    scan = FoundScan(fields["subject"], fields.get("session", "1"), path, fields.get("site", ""))
    scan.labels = labels
    if not scan.subject:
        scan.reject("no-subject", f"{path}: nothing says whose scan it is; fill in the subject")
    elif isinstance(source.subject, SubjectPattern):
        _read_pattern(scan, source.subject, "session" in fields)
    scan.fields = {**fields, "subject": scan.subject, "session": scan.session}
    if source.subject == "folder/id":
        # not '/': subjects are part of file names
        scan.subject = f"{folder}-{scan.subject}"
    return scan


def _read_pattern(scan: FoundScan, rule: SubjectPattern, has_session: bool) -> None:
    match = re.search(rule.pattern, scan.subject)
    number = match[1] if match else None
    if not number or (rule.group > 1 and not number.isdecimal()):
        kind = "a case number" if rule.group > 1 else "a subject"
        scan.reject(
            "no-subject",
            f"'{scan.subject}' does not give {kind} by the pattern '{rule.pattern}'; fix either",
        )
        return
    scan.subject = number
    if rule.group > 1:
        person = (int(number) + rule.group - 1) // rule.group
        scan.subject = str(person).zfill(len(number))
        scan.session = f"{scan.session}-{number}" if has_session else number
