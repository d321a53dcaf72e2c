"""The codes of rejected.csv, of label and of check, in a few words for figures and text."""

from __future__ import annotations

WORDS = {
    "no-subject": "nothing says whose scan it is",
    "no-row": "no row in the table of labels",
    "no-scan": "row without a scan",
    "no-image": "mask without an image",
    "missing-channel": "a channel is missing",
    "conflicting-labels": "contradictory labels",
    "where": "left out by `where`",
    "not-preferred": "another scan was preferred",
    "bad-id": "unusable name",
    "formula": "name that is a formula",
    "repeated": "listed twice",
    "missing": "missing file",
    "unreadable": "no readable NIfTI file",
    "truncated": "file ends too early",
    "crc": "damaged compression",
    "not-3d": "not one 3-D volume",
    "not-4d": "no series, or too short",
    "dimensions": "voxels missing or too many",
    "not-finite": "NaN or infinite voxels",
    "mask-grid": "mask on another grid",
    "brain-mask-empty": "empty brain mask",
    "brain-mask": "implausible brain mask",
    "registration": "not brought onto the template",
    "outside-root": "outside the data root",
    "no-orientation": "orientation unknown",
    "sform-qform": "sform unlike qform",
    "sheared": "sheared voxels",
    "shape": "unusual shape",
    "voxel-size": "unusual voxel size",
    "field-of-view": "unusual field of view",
    "intensity-range": "wild intensities",
    "constant": "all voxels alike",
    "mask-offset": "mask half a voxel off",
    "mask-values": "mask of no integers",
    "mask-class": "mask value of no class",
    "mask-empty": "empty mask",
    "duplicate": "voxels of another subject",
    "personal-data": "personal data in header",
    "excluded": "excluded by hand",
}


def in_words(code: str) -> str:
    """Say what a code of rejected.csv means, in a few words."""
    return WORDS.get(code, code)
