"""Read every scan to its last byte and turn the bad away."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections import Counter
from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pandas as pd

from headstart.parts import files
from headstart.parts.config import Check
from headstart.parts.config import Decision
from headstart.parts.errors import UserError
from headstart.parts.progress import progress
from headstart.parts.scans import BadScanError
from headstart.parts.scans import Volume
from headstart.parts.scans import read_volume

SCAN = ["subject", "session"]
FACTS = ["shape", "voxel_size", "orientation", "p01", "p50", "p99", "hash"]
CHECKED = [*SCAN, "path", "reason", "detail", *FACTS]
REJECTED = [*SCAN, "path", "reason", "detail"]
MASKS = ("mask", "brain_mask")
# Prepared masks are bytes.
LARGEST_CLASS = 255
# What no one can accept: such a scan can't be computed with.
UNUSABLE = ("missing", "unreadable", "truncated", "crc", "not-3d", "not-finite", "mask-grid")
SHOWN = 10

Key = tuple[str, str]  # subject and session
Row = dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--settings", required=True, help="JSON: the stage's part of the config")
    parser.add_argument("--output", type=Path, required=True, help="table of a shard, or a folder")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--scans", type=Path, help="read the scans of this shard, with --data")
    what.add_argument(
        "--gather", type=Path, nargs="+", help="gather these tables of shards, with --labels"
    )
    parser.add_argument("--data", type=Path, default=Path(), help="data root")
    parser.add_argument("--labels", type=Path, help="labels.csv")


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    settings = json.loads(arguments.settings)
    if arguments.scans is None:
        gather(
            checked=pd.concat([files.read_csv(path) for path in arguments.gather]),
            labels=files.read_csv(arguments.labels),
            rules=Check.model_validate(settings),
            output=arguments.output,
        )
        return
    checked = check(
        scans=files.read_csv(arguments.scans),
        data=arguments.data,
        channels=settings["channels"],
        masks=settings["masks"],
        classes={int(value): name for value, name in settings["classes"].items()},
    )
    files.write_csv(arguments.output, checked)


def check(
    *,
    scans: pd.DataFrame,
    data: Path,
    channels: Sequence[str],
    masks: bool,
    classes: Mapping[int, str],
) -> pd.DataFrame:
    """Read all files of some scans to the last byte.

    Args:
        scans: subject, session, the channels, mask, brain_mask: paths relative to the data root.
        data: Data root.
        channels: Names of the image channels.
        masks: Whether every scan needs a mask.
        classes: Mask value: name; if there are none, any value up to 255 will do.

    Returns:
        One row per scan, in the same order: subject, session, path (first channel), reason ('' if
        the scan is fine), detail, and what is known of the first channel: shape, voxel_size (mm),
        orientation, p01, p50, p99 (quantiles of intensity), hash (of the voxels). A bad file gives
        a reason, never an error.
    """
    rows = cast(list[Row], scans.to_dict("records"))
    checked = [
        _check_scan(scan, data, channels, masks, classes)
        for scan in progress(rows, total=len(rows), label="scans checked")
    ]
    return pd.DataFrame(checked, columns=CHECKED)


def gather(*, checked: pd.DataFrame, labels: pd.DataFrame, rules: Check, output: Path) -> None:
    """Write summary.csv, passed.csv and rejected.csv.

    Two subjects with the very same voxels are one person under two names, or one name too many:
    both are rejected. A person's decisions come last and are kept with their reasons.

    Args:
        checked: The rows of all shards, as `check` gives them.
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
    verdicts = _verdicts(rows, excluded, accepted)
    for key in accepted:
        if rows[key]["detail"]:
            rows[key]["detail"] += f" (accepted: {accepted[key]})"

    summary = pd.DataFrame(rows.values(), columns=CHECKED)
    passed = labels[[key not in verdicts for key in rows]]
    rejected = [(*key, rows[key]["path"], *verdicts[key]) for key in rows if key in verdicts]
    if len(passed) + len(rejected) != len(labels):
        raise RuntimeError(f"{len(labels)} in, {len(passed)} passed, {len(rejected)} rejected")
    files.write_csv(output / "summary.csv", summary)
    files.write_csv(output / "rejected.csv", pd.DataFrame(rejected, columns=REJECTED))
    files.write_csv(output / "passed.csv", passed)
    _report(len(labels), rejected, rules.max_rejected)


def _check_scan(
    scan: Row, data: Path, channels: Sequence[str], masks: bool, classes: Mapping[int, str]
) -> Row:
    """Return the row of one scan: the first thing that is wrong with it, and its facts."""
    row = dict.fromkeys(CHECKED, "") | {name: scan[name] for name in SCAN}
    row["path"] = scan[channels[0]]
    names = [*channels, *(name for name in MASKS if scan[name] or (masks and name == "mask"))]
    try:
        volumes = {name: _read(scan[name], name, data) for name in names}
        row |= _facts(volumes[channels[0]])
        for name, volume in volumes.items():
            _check_finite(scan[name], volume)
        for name, volume in volumes.items():
            _check_grid(scan[name], volume, volumes[channels[0]], scan[channels[0]])
        for name, volume in volumes.items():
            _check_values(scan[name], name, volume, classes)
    except BadScanError as error:
        row |= {"reason": error.reason, "detail": " ".join(error.detail.split())}
    return row


def _read(path: str, name: str, data: Path) -> Volume:
    """Read one file; whatever is wrong with it becomes a BadScanError."""
    if not path:
        raise BadScanError(name, "missing", "this scan has none; give one in every source")
    try:
        return read_volume(data / path)
    except BadScanError as error:
        # relative to the data root: the same scans give the same table on every machine
        raise BadScanError(path, error.reason, error.problem) from None
    except Exception as error:  # a file can be broken in ways that nobody thought of
        problem = f"can't be interpreted ({type(error).__name__}: {error}); fetch or copy it again"
        raise BadScanError(path, "unreadable", problem) from error


def _check_finite(path: str, volume: Volume) -> None:
    if not volume.finite:
        raise BadScanError(path, "not-finite", "holds NaN or infinite voxels; replace them")


def _check_grid(path: str, volume: Volume, first: Volume, first_path: str) -> None:
    if not volume.same_grid(first):
        differs = "affine" if volume.shape == first.shape else "shape"
        problem = f"its {differs} is not that of {first_path}; resample it onto that one"
        raise BadScanError(path, "mask-grid", problem)


def _check_values(path: str, name: str, volume: Volume, classes: Mapping[int, str]) -> None:
    if volume.surplus:
        problem = f"holds {volume.surplus} bytes more than its header declares; convert it anew"
        raise BadScanError(path, "dimensions", problem)
    if name not in MASKS:
        if volume.constant:
            problem = f"every voxel is {volume.extremes[0]:.6g}; replace the scan"
            raise BadScanError(path, "constant", problem)
        return
    values = volume.integers()
    if values is None:
        problem = "holds values that are no integers; is it an image, or was it smoothed?"
        raise BadScanError(path, "mask-values", problem)
    if name == "brain_mask":
        if volume.extremes[1] <= 0:
            raise BadScanError(path, "mask-values", "this brain mask is empty; make it anew")
        return
    strange = sorted(values.difference({0, *classes} if classes else range(LARGEST_CLASS + 1)))
    if strange:
        problem = f"holds the value {strange[0]}, which is no class; declare it in `classes`, or "
        raise BadScanError(path, "mask-values", problem + "mend the mask")


def _facts(volume: Volume) -> Row:
    p01, p50, p99 = (f"{quantile:.6g}" for quantile in volume.quantiles())
    return {
        "shape": "x".join(str(length) for length in volume.shape),
        "voxel_size": "x".join(f"{edge:.4g}" for edge in volume.voxel_size),
        "orientation": volume.orientation,
        "p01": p01,
        "p50": p50,
        "p99": p99,
        "hash": volume.digest,
    }


def _in_order_of(labels: pd.DataFrame, checked: pd.DataFrame) -> dict[Key, Row]:
    """Return the checked rows by subject and session, in the order of labels.csv."""
    records = cast(list[Row], checked.to_dict("records"))
    rows = {(row["subject"], row["session"]): row for row in records}
    keys = list(zip(labels["subject"], labels["session"], strict=True))
    odd = sorted(set(keys) ^ rows.keys())
    if odd or len(rows) < len(checked):
        example = f", e.g. {_named(odd[0])}" if odd else ""
        raise UserError(
            f"check: the shards' tables do not hold the scans of labels.csv once each{example}; "
            "check all shards of this labels.csv again"
        )
    return {key: rows[key] for key in keys}


def _decided(
    rows: Mapping[Key, Row], decisions: Sequence[Decision], section: str
) -> dict[Key, str]:
    """Return the scans that a list of decisions is about, with the reasons."""
    decided: dict[Key, str] = {}
    for decision in decisions:
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
    rows: Mapping[Key, Row], excluded: Mapping[Key, str], accepted: Mapping[Key, str]
) -> None:
    for key in accepted:
        reason, detail = rows[key]["reason"], rows[key]["detail"]
        if key in excluded:
            raise UserError(f"check.accept: {_named(key)} is in check.exclude too; keep one")
        # of a scan with a file that can't be read, no facts are known
        if reason in UNUSABLE or (reason and not rows[key]["hash"]):
            raise UserError(
                f"check.accept: {_named(key)} can't be accepted, because it can't be computed with "
                f"({reason}: {detail}); mend it, or remove the entry"
            )


def _verdicts(
    rows: Mapping[Key, Row], excluded: Mapping[Key, str], accepted: Mapping[Key, str]
) -> dict[Key, tuple[str, str]]:
    """Return reason and detail of each scan that is rejected."""
    verdicts = {key: ("excluded", reason) for key, reason in excluded.items()}
    holders = defaultdict(list)
    for key, row in rows.items():
        if key in excluded:
            continue
        if row["reason"] and key not in accepted:
            verdicts[key] = (row["reason"], row["detail"])
        else:
            holders[row["hash"]].append(key)
    for keys in holders.values():
        for key in keys:
            others = [other for other in keys if other[0] != key[0]]
            if others and key not in accepted:
                detail = f"has the very same voxels as {_named(others[0])}; exclude the wrong one"
                verdicts[key] = ("duplicate", detail)
    return verdicts


def _report(total: int, rejected: Sequence[tuple[str, ...]], max_rejected: float) -> None:
    """Print one line; fail if too many scans are rejected, and say which."""
    counts = Counter(reason for *_, reason, _ in rejected)
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items())) or "none"
    print(f"check: {total - len(rejected)} scans passed; rejected: {reasons}", file=sys.stderr)
    judged = total - counts["excluded"]
    bad = len(rejected) - counts["excluded"]
    if bad <= max_rejected * judged and len(rejected) < total:
        return
    # Snakemake removes the tables of a job that failed; its log stays
    for *scan, _, reason, detail in [row for row in rejected if row[3] != "excluded"][:SHOWN]:
        print(f"  {_named(scan)}: {reason}: {detail}", file=sys.stderr)
    if len(rejected) == total:
        raise UserError(f"check: no scan is left of {total} ({reasons}); mend them as said above")
    raise UserError(
        f"check: {bad} of {judged} scans are rejected ({reasons}), more than check.max_rejected = "
        f"{max_rejected:g} allows; mend them as said above, decide on them in check.exclude or "
        "check.accept, or raise check.max_rejected"
    )


def _named(scan: Sequence[str]) -> str:
    return f"subject '{scan[0]}', session '{scan[1]}'"
