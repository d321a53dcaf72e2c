"""What a NIfTI header says of orientation, and what it should not say of persons."""

from __future__ import annotations

import re
from typing import Any
from typing import Literal

import numpy as np

SHEAR = 0.01  # cosine between two axes; headers round to about 1e-6
SIZE = 0.01  # relative difference of voxel sizes
ANGLE = 5.0  # degrees between an axis of the sform and of the qform
DICOM = 2  # code of an extension that holds a DICOM header
TEXTS = ("descrip", "aux_file", "db_name", "intent_name")

MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
YEAR = r"(?:19|20)\d\d"
PERSONAL = [
    # dates: 20240131, 2024-01-31, 31.1.2024, 31 Jan 2024, Jan 31 2024, Wed Jan 31 15:24:53 2024
    rf"(?<![\d.]){YEAR}([-/. ]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)",
    rf"(?<!\d)\d{{1,2}}[-/. ]\d{{1,2}}[-/. ]{YEAR}(?!\d)",
    rf"(?<!\d)\d{{1,2}}[-/. ]{MONTH}[-/., ]+{YEAR}(?!\d)",
    rf"\b{MONTH} +\d{{1,2}},? +(?:\d\d:\d\d:\d\d +)?{YEAR}(?!\d)",
    # names: DOE^JANE, a label before a name, somebody@somewhere
    r"[a-z]{2,}\^[a-z]+",
    r"\b(?:patient|subject|operator|physician|name|dob|birth ?date|born)\w*[ ._]*(?:name|id)?[:=]",
    r"\w@\w",
]
# the whole text is two or three capitalised words, or `Doe, Jane`
NAME = re.compile(r"[A-Z][a-z]+(?:, ?| )(?:[A-Z][a-z]+|[A-Z]\.)(?: [A-Z][a-z]+)?")
PATTERN = re.compile("|".join(f"(?:{one})" for one in PERSONAL), re.IGNORECASE)
# FreeSurfer stamps the date on which it was built
BUILD = re.compile(rf"FreeSurfer {MONTH} +\d{{1,2}} +{YEAR}", re.IGNORECASE)


def orientation_problem(header: Any, affine: np.ndarray) -> tuple[str, str] | None:
    """Find what is wrong with where a header says that the voxels lie.

    Args:
        header: A NIfTI header.
        affine: 4x4, the one in use: the sform, or the qform if the sform's code is 0.

    Returns:
        Code and problem with its mend, or None.
    """
    if header["sform_code"] == 0 and header["qform_code"] == 0:
        return "no-orientation", (
            "its sform and qform code are 0, so that left and right are a guess; find out the "
            "orientation and set the sform"
        )
    axes = _axes(affine)
    cosine = np.abs(axes.T @ axes - np.eye(3)).max()
    if cosine > SHEAR:
        angle = np.degrees(np.arccos(min(cosine, 1)))
        return "sheared", f"its axes meet at {angle:.1f} degrees, not 90; resample it"
    if header["sform_code"] > 0 and header["qform_code"] > 0:
        return _disagreement(header)
    return None


def _disagreement(header: Any) -> tuple[str, str] | None:
    mend = "find out which is right and copy it over the other"
    sform, qform = header.get_sform(), header.get_qform()
    edges = [np.linalg.norm(form[:3, :3], axis=0) for form in (sform, qform)]
    if np.abs(edges[0] / edges[1] - 1).max() > SIZE:
        sizes = [" x ".join(f"{edge:.4g}" for edge in form) for form in edges]
        return "sform-qform", f"its sform has voxels of {sizes[0]} mm, its qform {sizes[1]}; {mend}"
    cosines = (_axes(sform) * _axes(qform)).sum(axis=0)
    angle = float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).max())
    if angle > ANGLE:
        return (
            "sform-qform",
            f"an axis of its sform and qform are {angle:.0f} degrees apart; {mend}",
        )
    return None


def _axes(affine: np.ndarray) -> np.ndarray:
    matrix = affine[:3, :3]
    return matrix / np.linalg.norm(matrix, axis=0)


def personal_data(header: Any, extensions: bytes) -> str | None:
    """Find a place in a header that looks as if it named a person or a date.

    Times without a date pass, and so does the date on which a program was built.

    Args:
        header: A NIfTI header.
        extensions: The bytes between the header and the voxels.

    Returns:
        Name of the field, or 'extension'; never its content. None if nothing was found.
    """
    for field in TEXTS:
        text = bytes(header[field].tobytes()).rstrip(b"\0 ").decode("latin-1")
        if NAME.fullmatch(text.strip()) or PATTERN.search(BUILD.sub("", text)):
            return field
    if len(extensions) > 4 and extensions[0]:
        order: Literal["big", "little"] = "big" if header.endianness == ">" else "little"
        code = int.from_bytes(extensions[8:12], order)
        if code == DICOM or PATTERN.search(extensions.decode("latin-1")):
            return "extension"
    return None
