"""Who stays together: subjects of one family, and those that a person found to be one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headstart.data.label_table import LabelRow


def leaders(
    passed: Sequence[LabelRow], group: str | None, together: Sequence[Sequence[str]]
) -> dict[str, str]:
    """Name, for each subject, the one that leads all who must stay with it.

    Ties join up: the brother of a cousin is in the family. The leader is the family, or the
    subject that stands first in an entry of `together`; it stays the same when new members come.

    Args:
        passed: The scans, one row per subject and session.
        group: Label whose equal values keep subjects together; an empty value ties no one.
        together: Lists of subjects; those that are not among the scans are passed over.

    Returns:
        Subject: leader, in natural order of the subjects. Who is alone leads itself.
    """
    subjects = sorted({row.subject for row in passed}, key=natural)
    leader = {subject: subject for subject in subjects}

    def find(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    for value, members in families(passed, group).items():
        family = f"{group}\0{value}"  # no subject has such a name
        leader[family] = family
        for subject in members:
            leader[find(subject)] = find(family)
    for entry in together:
        first, *others = [subject for subject in entry if subject in leader] or [""]
        for other in others:
            leader[find(other)] = find(first)
    return {subject: find(subject) for subject in subjects}


def families(passed: Sequence[LabelRow], group: str | None) -> dict[str, list[str]]:
    """Return the subjects of each value of a label, values and subjects in natural order."""
    if group is None:
        return {}
    members: dict[str, set[str]] = {}
    for row in passed:
        if row.values[group]:
            members.setdefault(row.values[group], set()).add(row.subject)
    return {value: sorted(members[value], key=natural) for value in sorted(members, key=natural)}


def natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key by which `Sub_9` stands before `Sub_10`."""
    pieces = re.findall(r"[0-9]+|[^0-9]+", text)
    return [(0, int(p), "") if p[0] in "0123456789" else (1, 0, p) for p in pieces], text
