"""Why a scan is rejected or marked: every code, what it means, and how to fix it.

The table in config/README.md is made from this file by `headstart schema --write`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """What a code stands for.

    Attributes:
        meaning: What is wrong.
        fix: What to do.
        acceptable: Whether a person may keep the scan in spite of it (`check.accept`).
    """

    meaning: str
    fix: str
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
    "not-3d": Reason(
        "not one 3-D volume",
        "extract the volume to use, or denoise whole series (`prepare.series`)",
        acceptable=False,
    ),
    "not-4d": Reason(
        "no 4-D series, or one of fewer volumes than `train.neighbours` asks for, in a study of "
        "series",
        "leave it out",
        acceptable=False,
    ),
    "dimensions": Reason("fewer or more voxels than the header declares", "convert it again"),
    "not-finite": Reason("NaN or infinite voxels", "replace them", acceptable=False),
    "mask-grid": Reason(
        "a mask or a further channel lies on another grid than the first channel; voxels at the "
        "same places that are only stored in another order, or cropped, are no other grid",
        "resample it onto that one, or align the channel (`align` in data[].channels)",
        acceptable=False,
    ),
    "brain-mask-empty": Reason(
        "a brain mask holds nothing but background, so that no intensity can be normalised within "
        "it",
        "make it again",
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
    "field-of-view": Reason(
        "an edge of the scan is outside `check.field_of_view`, as with a wrong voxel size or unit",
        "correct its header; widen the range or exclude it",
    ),
    "intensity-range": Reason(
        "intensities beyond 1e9, or more than 1000 times as far apart as their 1st and 99th "
        "percentile; where this is accepted, a few wild voxels are replaced by the median of those "
        "around",
        "look at it: single wild voxels may be accepted, a wrong byte order is converted again",
    ),
    "constant": Reason("all voxels have one value", "replace the scan"),
    "mask-offset": Reason(
        "the voxels of a mask or a further channel lie beside those of the first channel, by half "
        "a voxel or less; where this is accepted, each counts as the nearest one",
        "find out which header is right; resample it, or accept it",
    ),
    "mask-values": Reason(
        "a mask holds values that are no integers; where this is accepted, they are rounded",
        "use the mask itself",
    ),
    "mask-class": Reason(
        "a mask holds a value of no class; where this is accepted, it counts as background, in "
        "training and evaluation",
        "declare it in `classes`",
    ),
    "mask-empty": Reason("a mask holds nothing but background", "segment the scan"),
    "duplicate": Reason("two subjects have the same voxels", "exclude the one with the wrong name"),
    "personal-data": Reason(
        "a header's free text or extension looks like a name or a date; the scan passes, unless "
        "`check.personal_data: reject`. No header's text is ever copied or printed",
        "clear the header's text before you pass the files on",
    ),
    "brain-mask": Reason(
        "what `prepare.brain: deepbet` takes for the brain is smaller than 700 ml or larger than "
        "2200; the stage prepare draws it in prepare/refused.pdf, and stops",
        "look at its orientation and its voxel size; exclude it, or accept it (a child's may be "
        "small)",
    ),
    "registration": Reason(
        "the brain does not lie on the template of `prepare.space`, by its correlation or its "
        "overlap; the stage prepare draws it in prepare/refused.pdf, and stops",
        "look at its orientation and its brain mask; exclude it",
    ),
    "excluded": Reason("left out by hand in `check.exclude`", "", acceptable=False),
}
ACCEPTABLE = tuple(code for code, reason in REASONS.items() if reason.acceptable)
