"""Find out how a folder of scans is laid out, and describe it as a source of the config."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from headstart.common.errors import UserError
from headstart.common.text import counted
from headstart.data.column_names import LABELS
from headstart.data.found_scans import NOT_PREFERRED
from headstart.data.found_scans import OF_NO_SCAN
from headstart.data.found_scans import FoundScan
from headstart.data.label_table import REFERENCE
from headstart.data.label_table import lacking_text
from headstart.data.spellings import differing
from headstart.data.templates import IMAGES
from headstart.imaging.scan_rows import MASKS
from headstart.planning.bids_proposal import bids_folders
from headstart.planning.bids_proposal import propose_datasets
from headstart.planning.case_folders import passed_over
from headstart.planning.case_folders import propose_cases
from headstart.planning.evidence import saw
from headstart.planning.label_columns import Table
from headstart.planning.label_columns import column_of
from headstart.planning.label_columns import describe_columns
from headstart.planning.label_columns import open_tables
from headstart.planning.names_proposal import propose_names
from headstart.planning.path_tables import propose_table
from headstart.planning.person_column import take_person
from headstart.planning.proposal import CONTRAST_SHARE
from headstart.planning.proposal import FILES_SHARE
from headstart.planning.proposal import Found
from headstart.planning.proposal import channel_path
from headstart.planning.proposal import grid_difference
from headstart.planning.proposal import optional_channels
from headstart.planning.same_ids import lettered_ids
from headstart.planning.sample import spread
from headstart.planning.trial import list_scans
from headstart.planning.trial_check import drop_bad_masks
from headstart.planning.unjoined_tables import unlike_ids

GRIDS = 3  # scans of which all channels' headers are compared
NOT_NIFTI = {
    (".dcm", ".ima"): "DICOM: convert it first, e.g. with dcm2niix",
    (".img", ".hdr"): "Analyze: convert it to NIfTI first",
    (".mgz", ".mgh"): "FreeSurfer: convert it first, with mri_convert",
    (".nrrd", ".mha", ".mhd"): "convert it to NIfTI first",
}


def discover(
    folder: Path,
    listing: tuple[list[str], list[str]],
    target: str | None = None,
    *,
    clean: bool = False,
) -> Found:
    """Find out how a folder of scans is laid out.

    Args:
        folder: The folder.
        listing: Its files and folders, as `walk.list_files` gives them.
        target: The label that is to be predicted, if it is known.
        clean: Whether clean scans are looked for, as a reference of noisy ones.

    Returns:
        The best description; its scans are those that the stage label finds with it.

    Raises:
        UserError: If the folder holds no NIfTI file, none that a description fits, or several
            datasets of which one is to be named.
    """
    files, _ = listing
    images = [file for file in files if file.lower().endswith(IMAGES)]
    if not images:
        raise UserError(_no_images(folder, files))
    tables = open_tables(folder, files)
    homes = bids_folders(images)
    cases = None if homes else propose_cases(folder, files, images)
    try:
        found = cases or _propose(folder, listing, homes, images, tables, target, clean=clean)
        take_person(folder, found, tables)
        _read(folder, found)
    except UserError as error:
        lines = "\n  ".join(saw(images, tables))
        raise UserError(f"{error}\nwhat there is:\n  {lines}") from None
    of_table = found.source.get("layout") == "table"  # which tells whose its scans are
    if not found.labels and not found.unjoined and not of_table:
        found.unjoined = list(
            unlike_ids(found.subjects, tables, [scan.session for scan in found.scans])
        )
    found.unjoined += [table.fault for table in tables if table.fault]
    found.notes += filter(None, [lettered_ids(found.subjects)] if not found.group else [])
    found.notes += _others(files)
    return found


def _propose(
    folder: Path,
    listing: tuple[list[str], list[str]],
    homes: Sequence[str],
    images: Sequence[str],
    tables: Sequence[Table],
    target: str | None,
    *,
    clean: bool,
) -> Found:
    """Describe a folder by the first kind that fits it."""
    if homes:
        return propose_datasets(folder, listing, homes, target)
    found = propose_table(folder, tables, set(images), clean=clean)
    found = found or propose_names(folder, images, tables, target, clean=clean)
    found.notes += passed_over(folder, listing[0])
    return found


def _no_images(folder: Path, files: Sequence[str]) -> str:
    if not files:
        return f"{folder}: is empty; name the folder that holds the scans"
    kinds = Counter(posixpath.splitext(file)[1].lower() or "no ending" for file in files)
    there = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(3))
    fixes = [fix for kind, fix in NOT_NIFTI.items() if set(kind) & set(kinds)]
    fix = fixes[0] if fixes else "name the folder that holds the scans"
    return f"{folder}: none of its {len(files)} files is a .nii or .nii.gz ({there}); {fix}"


def _others(files: Sequence[str]) -> Iterator[str]:
    for endings, fix in NOT_NIFTI.items():
        others = [file for file in files if file.lower().endswith(endings)]
        if others:
            yield f"{counted(len(others), 'file')} not read, e.g. {others[0]}; {fix}"


def _read(folder: Path, found: Found) -> None:
    """Fill in what the stage label will find."""
    scans, said = list_scans(folder, *found.sources)
    if any(scan.reason == "conflicting-labels" for scan in scans):
        _drop_conflicts(folder, found)
        scans, said = list_scans(folder, *found.sources)
    if _allow_lacking(found, scans):
        scans, said = list_scans(folder, *found.sources)
    if _drop_rare_channels(found, scans):
        scans, said = list_scans(folder, *found.sources)
    if _drop_unclear_masks(found, scans):
        scans, said = list_scans(folder, *found.sources)
    if _start_with_the_masks_channel(folder, found, [scan for scan in scans if not scan.reason]):
        scans, said = list_scans(folder, *found.sources)
    if _drop_other_grids(folder, found, [scan for scan in scans if not scan.reason]):
        scans, said = list_scans(folder, *found.sources)
    bad = drop_bad_masks(folder, found, [scan for scan in scans if not scan.reason])
    if bad or (found.series and _drop_reference(found)):
        scans, said = list_scans(folder, *found.sources)
    lines = dict.fromkeys(line.replace(f"{folder}/", "", 1) for line in said.splitlines())
    # what else lies there may have been told already, with the reason
    found.notes += [
        line
        for line in lines
        if line not in found.notes and not (found.notes and "fit no template" in line)
    ]
    found.scans = [scan for scan in scans if not scan.reason]
    found.notes += _tell_lacking(found)
    reasons: dict[str, list[FoundScan]] = defaultdict(list)
    for scan in scans:
        if scan.reason and scan.reason != NOT_PREFERRED:  # of those, label has told
            reasons[scan.reason].append(scan)
    lost = []
    for reason, away in reasons.items():
        noun, what = OF_NO_SCAN.get(reason, ("scan", f"rejected ({reason})"))
        lost.append(f"{counted(len(away), noun)} {what}, e.g. {away[0].detail}")
    found.notes += lost
    if not found.scans:
        raise UserError(f"{folder}: no scan can be used: {'; '.join(lost or found.notes)}")
    found.notes += _named_twice(found)
    columns = describe_columns(found.scans, found.labels)
    found.columns = [column for column in columns if column.name != found.group]
    found.notes += _of_one_value(found)


def _drop_reference(found: Found) -> bool:
    """Leave out clean series, which nothing is judged by."""
    text = found.source["channels"].pop(REFERENCE, None)
    if text is not None:
        found.notes.append(f"{text} is not used: series are judged by themselves")
    return text is not None


def _of_one_value(found: Found) -> Iterator[str]:
    """Say which labels can't be learnt, as they are the same for all scans or known for none."""
    offered = {column.name for column in found.columns} | {found.group}
    for label, entry in found.labels.items():
        if label not in offered:
            values = {scan.labels.get(label, "") for scan in found.scans} - {""}
            what = "is the same for all scans" if values else "has no value for any scan"
            yield f"{column_of(entry)}: not offered, as it {what}"


def _named_twice(found: Found) -> Iterator[str]:
    """Say which labels are in the files' names as well as in the table, and where they differ."""
    for label, words in found.named.items():
        read = {s.path: s.site if label == "site" else s.labels[label] for s in found.scans}
        pairs = [(words[path], value) for path, value in read.items() if value]
        differ = differing(pairs, sex=label == "sex")
        apart = f", though the two differ in {label} for {differ} of {len(pairs)} scans"
        yield (
            f"{label} is taken from {found.source['table']['path']}, not from the files' names"
            f"{apart if differ else ', which say the same'}"
        )


def _drop_conflicts(folder: Path, found: Found) -> None:
    """Leave out labels that differ between rows of one scan: perhaps nobody needs them."""
    dropped = []
    for source in found.sources:
        labels = source.get("labels", {})
        for label in [name for name in labels if name not in LABELS]:
            alone = source | {"labels": {label: labels[label]}}
            if any(scan.reason == "conflicting-labels" for scan in list_scans(folder, alone)[0]):
                dropped.append(column_of(labels.pop(label)))
    if dropped:
        found.notes.append(f"left out, with several values for one scan: {', '.join(dropped)}")


def _allow_lacking(found: Found, scans: Sequence[FoundScan]) -> bool:
    """Let scans lack a channel that at least half of them have."""
    first, *others = found.source["channels"]
    there = [scan for scan in scans if scan.paths.get(first) and scan.reason != NOT_PREFERRED]
    lacking = {name: sum(not scan.paths.get(name) for scan in there) for name in others}
    allowed = [
        name
        for name, count in lacking.items()
        if 0 < count <= (1 - CONTRAST_SHARE) * len(there) and name != REFERENCE
    ]
    for name in allowed:
        for source in found.sources:
            source["channels"][name] = {"path": source["channels"][name], "optional": True}
    return bool(allowed)


def _tell_lacking(found: Found) -> Iterator[str]:
    """Say how many scans lack a channel; ask for it again where they only had several files."""
    for name in optional_channels(found.source):
        lack = sum(name not in scan.paths for scan in found.scans)
        if lack:
            yield (
                f"{lacking_text(name, lack, len(found.scans))}: `optional: true` keeps them, and "
                f"the network is told where it is missing; remove `optional` to learn from scans "
                f"that have {name} alone, or the channel to learn without it"
            )
            continue
        for source in found.sources:
            source["channels"][name] = source["channels"][name]["path"]


def _drop_rare_channels(found: Found, scans: Sequence[FoundScan]) -> bool:
    """Leave out channels that many scans lack or have several times: scans count for more."""
    first, *others = found.source["channels"]
    there = [scan for scan in scans if scan.paths.get(first) and scan.reason != NOT_PREFERRED]
    optional = optional_channels(found.source)
    lacking = {
        name: [s for s in there if not s.paths.get(name) and (s.reason or name not in optional)]
        for name in others
    }
    dropped = [n for n in others if len(lacking[n]) > (1 - FILES_SHARE) * len(there)]
    for name in dropped:
        # a scan's detail tells of the first channel that it lacks
        before = others[: others.index(name)]
        own = [scan.detail for scan in lacking[name] if scan.paths.keys() >= set(before)]
        example = own[0] if own else f"{lacking[name][0].path} has no such file, or several"
        found.notes.append(
            f"the channel {name} ({channel_path(found.source, name)}) is not used: "
            f"{len(lacking[name])} of {len(there)} scans would be lost, e.g. {example}"
        )
        for source in found.sources:
            del source["channels"][name]
    return bool(dropped)


def _drop_unclear_masks(found: Found, scans: Sequence[FoundScan]) -> bool:
    """Leave out masks of which no scan has one file, if that leaves no scan."""
    first = next(iter(found.source["channels"]))
    there = [scan for scan in scans if scan.paths.get(first) and scan.reason != NOT_PREFERRED]
    masks = [name for name in MASKS if name in found.source]
    dropped = [name for name in masks if not any(scan.paths.get(name) for scan in there)]
    if not there or not all(scan.reason for scan in there):
        return False
    for name in dropped:
        found.notes.append(
            f"the mask {found.source[name]} is not used, as no scan has one file of it, e.g. "
            f"{there[0].detail}; if they are parts of one mask, merge them into one file with a "
            "value for each"
        )
        for source in found.sources:
            source.pop(name, None)
        if name == "mask":
            found.classes = {}
    return bool(dropped)


def _start_with_the_masks_channel(folder: Path, found: Found, scans: Sequence[FoundScan]) -> bool:
    """Let the channel that the masks were drawn on be the first, as FLAIR of white matter lesions.

    It may lie on another grid than the T1, and the first one is that of the masks.
    """
    first, *others = found.source["channels"]
    some = spread([scan for scan in scans if "mask" in scan.paths], GRIDS)
    if not some or not all(_apart(folder, scan, "mask") for scan in some):
        return False
    for name in others:
        if name in (REFERENCE, *optional_channels(found.source)):
            continue
        files = [(scan.paths[name], scan.paths["mask"]) for scan in some]
        if any(grid_difference(folder, image, mask) for image, mask in files):
            continue
        found.notes.append(
            f"{name} is taken for the first channel, as the masks lie on its voxels and not on "
            f"those of {first}"
        )
        for source in found.sources:
            channels = source["channels"]
            source["channels"] = {name: channels.pop(name), **channels}
        return True
    return False


def _drop_other_grids(folder: Path, found: Found, scans: Sequence[FoundScan]) -> bool:
    """Leave out channels that lie on another grid than the first in any of a few scans."""
    first, *others = found.source["channels"]
    some = {name: spread([scan for scan in scans if name in scan.paths], GRIDS) for name in others}
    apart = {
        name: next(filter(None, (_apart(folder, scan, name) for scan in some[name])), "")
        for name in others
    }
    dropped = [name for name in others if apart[name]]
    for name in dropped:
        more = ", optional: true" if name in optional_channels(found.source) else ""
        found.notes.append(
            f"{len(scans)} files such as {some[name][0].paths[name]} lie on another grid than the "
            f"{first} and are not used: {apart[name]}; to have them registered, write among the "
            f"channels `{name}: {{path: '{channel_path(found.source, name)}', align: rigid{more}}}`"
        )
        for source in found.sources:
            del source["channels"][name]
    return bool(dropped)


def _apart(folder: Path, scan: FoundScan, name: str) -> str:
    return grid_difference(folder, scan.path, scan.paths[name])
