"""Read every scan to its last byte and turn the bad away."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections import Counter
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pandas as pd

from headstart.parts import files
from headstart.parts.config import Acceptance
from headstart.parts.config import Check
from headstart.parts.config import Decision
from headstart.parts.errors import UserError
from headstart.parts.headers import orientation_problem
from headstart.parts.headers import personal_data
from headstart.parts.progress import progress
from headstart.parts.reasons import REASONS
from headstart.parts.reasons import accepted_by
from headstart.parts.reasons import codes_of
from headstart.parts.scans import BadScanError
from headstart.parts.scans import Volume
from headstart.parts.scans import read_volume

SCAN = ["subject", "session"]
FACTS = ["shape", "voxel_size", "orientation", "p01", "p50", "p99", "hash"]
CHECKED = [*SCAN, "path", "reason", "detail", "also", *FACTS]
REJECTED = [*SCAN, "path", "reason", "detail"]
MASKS = ("mask", "brain_mask")
# Prepared masks are bytes.
LARGEST_CLASS = 255
# Intensities that no scanner gives, and a spread that only wild voxels can have.
LARGEST = 1e9
WIDEST = 1000
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
        the scan is fine), detail, also (further codes), and what is known of the first channel:
        shape, voxel_size (mm), orientation, p01, p50, p99 (quantiles of intensity), hash (of the
        voxels). A bad file gives a reason, never an error.
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
    both are rejected. A person's decisions come last and are kept with their reasons. All codes
    stand in `parts/reasons.py`.

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
    accept = [entry.model_dump() for entry in rules.accept]
    accepted = _decided(rows, rules.accept, "accept")
    _check_accepted(rows, excluded, accepted)
    verdicts = _verdicts(rows, excluded, accept, rules)

    summary = pd.DataFrame(rows.values(), columns=CHECKED)
    passed = labels[[key not in verdicts for key in rows]]
    rejected = [(*key, rows[key]["path"], *verdicts[key]) for key in rows if key in verdicts]
    if len(passed) + len(rejected) != len(labels):
        raise RuntimeError(f"{len(labels)} in, {len(passed)} passed, {len(rejected)} rejected")
    files.write_csv(output / "summary.csv", summary)
    files.write_csv(output / "rejected.csv", pd.DataFrame(rejected, columns=REJECTED))
    files.write_csv(output / "passed.csv", passed)
    _report(rows, rejected, rules.max_rejected)


def _check_scan(
    scan: Row, data: Path, channels: Sequence[str], masks: bool, classes: Mapping[int, str]
) -> Row:
    """Return the row of one scan: all that is wrong with it, the worst in words, and its facts."""
    row = dict.fromkeys(CHECKED, "") | {name: scan[name] for name in SCAN}
    row["path"] = scan[channels[0]]
    names = [*channels, *(name for name in MASKS if scan[name] or (masks and name == "mask"))]
    found: list[BadScanError] = []
    volumes = {}
    for name in names:
        try:
            volumes[name] = _read(scan[name], name, data)
        except BadScanError as error:
            found.append(error)
    if len(volumes) == len(names):
        row |= _facts(volumes[channels[0]])
        first = volumes[channels[0]]
        for name, volume in volumes.items():
            path = scan[name]
            found += [BadScanError(path, *p) for p in _problems(volume, name, data, path, classes)]
            if not volume.same_grid(first):
                differs = "affine" if volume.shape == first.shape else "shape"
                problem = f"its {differs} is not that of {row['path']}; resample it onto that one"
                found.append(BadScanError(path, "mask-grid", problem))
    order = list(REASONS)
    found.sort(key=lambda error: order.index(error.reason))
    codes = list(dict.fromkeys(error.reason for error in found))
    against = [code for code in codes if code != "personal-data"]
    if against:
        row |= {"reason": against[0], "detail": " ".join(found[0].detail.split())}
    row["also"] = " ".join(code for code in codes if code != row["reason"])
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


def _problems(
    volume: Volume, name: str, data: Path, path: str, classes: Mapping[int, str]
) -> Iterator[tuple[str, str]]:
    """Yield code and problem of all that is wrong with a file that can be read."""
    if not (data / path).resolve().is_relative_to(data.resolve()):
        yield "outside-root", "leads out of the data root; move it there, or set `root` higher up"
    if volume.surplus:
        surplus = f"holds {volume.surplus} bytes more than its header declares; convert it anew"
        yield "dimensions", surplus
    where = personal_data(volume.header, volume.extensions)
    if where:
        yield "personal-data", f"its header's {where} looks like a name or a date; clear it"
    if not volume.finite:
        yield "not-finite", "holds NaN or infinite voxels; replace them"
    elif name in MASKS:
        yield from _mask_problems(volume, name, classes)
    else:
        yield from _image_problems(volume)


def _image_problems(volume: Volume) -> Iterator[tuple[str, str]]:
    orientation = orientation_problem(volume.header, volume.affine)
    if orientation:
        yield orientation
    low, high = volume.extremes
    p01, _, p99 = volume.quantiles
    if volume.constant:
        yield "constant", f"every voxel is {low:.6g}; replace the scan"
    elif max(-low, high) > LARGEST or high - low > WIDEST * (p99 - p01):
        yield (
            "intensity-range",
            f"goes from {low:.6g} to {high:.6g}, but 98 % of it from {p01:.6g} to {p99:.6g}; "
            "look for wild voxels or a wrong byte order and convert it anew",
        )


def _mask_problems(
    volume: Volume, name: str, classes: Mapping[int, str]
) -> Iterator[tuple[str, str]]:
    values = volume.integers()
    if values is None:
        yield (
            "mask-values",
            "holds values that are no integers; is it an image, or was it smoothed?",
        )
        return
    # any value above 0 of a brain mask is brain
    known = {0, *classes} if classes else range(LARGEST_CLASS + 1)
    strange = sorted(values.difference(known)) if name == "mask" else []
    if strange:
        problem = f"holds the value {strange[0]}, which is no class; declare it in `classes`, or "
        yield "mask-class", problem + "mend the mask"
    if max(values) <= 0:
        yield "mask-empty", "this mask is empty; make it anew"


def _facts(volume: Volume) -> Row:
    p01, p50, p99 = (f"{quantile:.6g}" for quantile in volume.quantiles)
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
    rows: Mapping[Key, Row], decisions: Sequence[Decision | Acceptance], section: str
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
    rows: Mapping[Key, Row], excluded: Mapping[Key, str], accepted: Mapping[Key, str]
) -> None:
    for key in accepted:
        reason, detail = rows[key]["reason"], rows[key]["detail"]
        if key in excluded:
            raise UserError(f"check.accept: {_named(key)} is in check.exclude too; keep one")
        if reason and not _usable(rows[key]):
            raise UserError(
                f"check.accept: {_named(key)} can't be accepted, because it can't be computed with "
                f"({reason}: {detail}); mend it, or remove the entry"
            )


def _usable(row: Row) -> bool:
    """Whether a scan can be computed with: of one with a file that can't be read, no facts are."""
    return bool(row["hash"]) and all(REASONS[code].acceptable for code in codes_of(row))


def _verdicts(
    rows: Mapping[Key, Row],
    excluded: Mapping[Key, str],
    accept: Sequence[Mapping[str, str | None]],
    rules: Check,
) -> dict[Key, tuple[str, str]]:
    """Return reason and detail of each scan that is rejected, and note what was accepted."""
    verdicts = {key: ("excluded", reason) for key, reason in excluded.items()}

    def judge(key: Key, found: Iterable[tuple[str, str]]) -> None:
        row = rows[key]
        for code, problem in found:
            entry = accepted_by(row, code, accept) if _usable(row) else None
            if entry is None:
                verdicts[key] = (code, problem)
                return
            row["detail"] += f" (accepted: {entry['reason']})"

    for key in rows.keys() - excluded.keys():
        judge(key, _against(rows[key], rules))
    # of two scans with the same voxels, one that is rejected anyway does the other no harm
    twins = _twins({key: row for key, row in rows.items() if key not in verdicts})
    for key, other in twins.items():
        problem = f"has the very same voxels as {_named(other)}; exclude the wrong one"
        judge(key, [("duplicate", problem)])
    return verdicts


def _against(row: Row, rules: Check) -> Iterator[tuple[str, str]]:
    """Yield code and problem of all that speaks against a scan by itself."""
    for code in codes_of(row):
        if code != "personal-data" or rules.personal_data == "reject":
            meaning = f"{row['path']}: {REASONS[code].meaning}; {REASONS[code].mend}"
            yield code, row["detail"] if code == row["reason"] else meaning
    yield from _out_of_range(row, rules)


def _twins(rows: Mapping[Key, Row]) -> dict[Key, Key]:
    """Return the scans whose very voxels another subject has too, and one such other scan."""
    holders = defaultdict(list)
    for key, row in rows.items():
        if row["hash"]:
            holders[row["hash"]].append(key)
    return {
        key: other
        for keys in holders.values()
        for key in keys
        for other in keys[::-1]
        if other[0] != key[0]
    }


def _out_of_range(row: Row, rules: Check) -> Iterator[tuple[str, str]]:
    """Yield code and problem where shape or voxel size is outside the study's range."""
    for code, fact, wanted, unit in (
        ("shape", "shape", rules.shape, "voxels"),
        ("voxel-size", "voxel_size", rules.voxel_size, "mm"),
    ):
        edges = [float(edge) for edge in row[fact].split("x") if edge]
        if wanted and edges and not (wanted[0] <= min(edges) and max(edges) <= wanted[1]):
            yield (
                code,
                f"{row['path']}: has {row[fact]} {unit}, outside check.{fact} = "
                f"{wanted[0]:g} to {wanted[1]:g}; look at it, then widen the range or exclude it",
            )


def _report(
    rows: Mapping[Key, Row], rejected: Sequence[tuple[str, ...]], max_rejected: float
) -> None:
    """Print what was found; fail if too many scans are rejected, and say which."""
    total = len(rows)
    counts = Counter(reason for *_, reason, _ in rejected)
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items())) or "none"
    print(f"check: {total - len(rejected)} scans passed; rejected: {reasons}", file=sys.stderr)
    named = sum("personal-data" in codes_of(row) for row in rows.values())
    if named:
        print(
            f"check: the headers of {named} scans look as if they named persons or dates "
            "(personal-data in summary.csv); no such text is copied or printed",
            file=sys.stderr,
        )
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
