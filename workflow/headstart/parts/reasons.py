"""Why a scan is turned away or marked: every code, what it means, and how to mend it.

The table in config/README.md is made from this file by `headstart schema --write`.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """What a code stands for.

    Attributes:
        meaning: What is wrong.
        mend: What to do.
        acceptable: Whether a person may keep the scan in spite of it (`check.accept`).
    """

    meaning: str
    mend: str
    acceptable: bool = True


COPY = "fetch or copy the file again"
# The worst first: of several, the first is the reason.
REASONS = {
    "missing": Reason(
        "a file is not there, or the scan has no mask where all need one", COPY, acceptable=False
    ),
    "unreadable": Reason(
        "no NIfTI file: empty, a web page, another format, a damaged header", COPY, acceptable=False
    ),
    "truncated": Reason("the file ends too early", COPY, acceptable=False),
    "crc": Reason("the compressed bytes do not match their checksum", COPY, acceptable=False),
    "not-3d": Reason("not one 3-D volume", "extract the volume to use", acceptable=False),
    "dimensions": Reason("fewer or more voxels than the header declares", "convert it anew"),
    "not-finite": Reason("NaN or infinite voxels", "replace them", acceptable=False),
    "mask-grid": Reason(
        "a mask or a further channel lies on another grid than the first channel",
        "resample it onto that one",
        acceptable=False,
    ),
    "outside-root": Reason(
        "the path leads, perhaps by a link, out of the data root",
        "move the file there, or set `root` to a folder that holds both",
    ),
    "no-orientation": Reason(
        "sform and qform code are both 0, so that left and right are a guess",
        "find out the orientation and set the sform",
    ),
    "sform-qform": Reason(
        "sform and qform disagree on the voxel size by more than 1 % or on an axis by more than "
        "5 degrees: programs differ in which they follow",
        "find out which is right and copy it over the other",
    ),
    "sheared": Reason(
        "the axes of the voxels are not at right angles (by more than 0.6 degrees)",
        "resample it to a grid that is",
    ),
    "shape": Reason("outside `check.shape`", "look at it; widen the range or exclude it"),
    "voxel-size": Reason("outside `check.voxel_size`", "look at it; widen the range or exclude it"),
    "intensity-range": Reason(
        "intensities beyond 1e9, or more than 1000 times as far apart as their 1st and 99th "
        "percentile",
        "look for single wild voxels or a wrong byte order, and convert it anew",
    ),
    "constant": Reason("all voxels have one value", "replace the scan"),
    "mask-values": Reason("a mask holds values that are no integers", "use the mask itself"),
    "mask-class": Reason("a mask holds a value that is no class", "declare it in `classes`"),
    "mask-empty": Reason("a mask holds nothing but background", "segment the scan"),
    "duplicate": Reason(
        "two subjects have the very same voxels", "exclude the one with the wrong name"
    ),
    "personal-data": Reason(
        "a header's free text or extension looks like a name or a date; the scan passes, unless "
        "`check.personal_data: reject`. No header's text is ever copied or printed",
        "clear the header's text before you pass the files on",
    ),
    "excluded": Reason("left out by hand in `check.exclude`", "", acceptable=False),
}
ACCEPTABLE = tuple(code for code, reason in REASONS.items() if reason.acceptable)


def codes_of(row: Mapping[str, str]) -> list[str]:
    """Return the codes of a checked scan, the worst first.

    Args:
        row: A row of check/shards/K.csv: its `reason`, and `also`, further codes.
    """
    return [code for code in (row["reason"], *row["also"].split()) if code]


def accepted_by(
    row: Mapping[str, str], code: str, accept: Sequence[Mapping[str, str | None]]
) -> Mapping[str, str | None] | None:
    """Return the entry of `check.accept` that keeps a scan in spite of a code, if there is one.

    Args:
        row: Its subject and session.
        code: The code.
        accept: subject, session and code; None stands for all.
    """
    for entry in accept:
        given = {"subject": row["subject"], "session": row["session"], "code": code}
        if all(entry.get(key) in (None, value) for key, value in given.items()):
            return entry
    return None
