"""Where scans lie and who they belong to: every layout of a source becomes one list of scans."""

from __future__ import annotations

import json
import posixpath
import re
import sys
from collections import defaultdict
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import cast

import pandas as pd

from headstart.parts import bids
from headstart.parts.conditions import parse_condition
from headstart.parts.config import Label
from headstart.parts.config import LabelTable
from headstart.parts.config import Source
from headstart.parts.config import SubjectPattern
from headstart.parts.errors import UserError
from headstart.parts.tables import comparable
from headstart.parts.tables import decode
from headstart.parts.tables import distinct
from headstart.parts.tables import read_labels
from headstart.parts.templates import Template
from headstart.parts.templates import list_files
from headstart.parts.templates import parents

# Fields of a file name template that say whose scan it is; every other field is a label.
IDENTITIES = ("subject", "session", "site")
MASKS = ("mask", "brain_mask")
IMAGES = (".nii", ".nii.gz")


@dataclass
class Scan:
    """One scan, or one row of a table that belongs to none.

    Attributes:
        subject: Who it is.
        session: Which of the subject's scans it is.
        path: What was found: the first channel's file, or the table; relative to the data root.
        site: Scanner site; '' if not known.
        source: The source's name.
        paths: Channels, `mask` and `brain_mask`: paths relative to the data root.
        labels: Label name: value as text, '' where missing.
        fields: What a table's key may be put together from.
        reason: Why it is turned away, a fixed code; '' if it is not.
        detail: The same as a sentence, with the mend.
    """

    subject: str
    session: str
    path: str
    site: str = ""
    source: str = ""
    paths: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    detail: str = ""

    def reject(self, reason: str, detail: str) -> None:
        """Turn the scan away; the first reason stays."""
        if not self.reason:
            self.reason, self.detail = reason, detail


def read_source(source: Source, data: Path) -> list[Scan]:
    """List a source's scans, good and bad, with the labels of its table.

    Args:
        source: The source's section of the config.
        data: Data root.

    Returns:
        Every scan that was found, and every row of a joined table that belongs to none. Those
        that can't be used have a `reason`: missing-channel, missing-mask, outside-root,
        no-subject, no-row, no-scan, conflicting-labels, where.

    Raises:
        UserError: If nothing is found, or a table, a column or a field is not there.
        TableError: If cells of a table are not as the config says.
    """
    folder = data / source.folder
    if not folder.is_dir():
        raise UserError(
            f"{folder}: this folder is not there; set `root` to the folder that holds all sources, "
            f"and `path` of source '{source.source}' to its folder within"
        )
    layouts = {"files": from_files, "table": from_table, "pairs": from_pairs, "bids": from_bids}
    scans = layouts[source.layout](source, folder)
    if source.label_table is not None and source.layout != "table":
        if source.layout == "bids":
            scans += join_bids_tables(scans, source, folder)
        else:
            scans += join_table(scans, source.label_table, source.labels, folder)
    for scan in scans:
        scan.source = source.source
        scan.site = scan.labels.pop("site", "") or scan.site or source.site or ""
        scan.path = _below(source, scan.path)
        scan.paths = {name: _below(source, path) for name, path in scan.paths.items()}
    _leave_out(source, scans)
    return scans


def from_files(source: Source, folder: Path) -> list[Scan]:
    """List the scans that a file name template finds.

    The first channel is searched for. The templates of the other channels and of the masks are
    filled with what was found, and looked up.

    Args:
        source: The source's section of the config.
        folder: The source's folder.

    Raises:
        UserError: If no file fits, or a class folder holds no scan.
    """
    templates = _templates(source)
    search = templates[next(iter(source.channels))]
    files, folders = list_files(folder)
    matches = [(file, fields) for file in files if (fields := search.match(file)) is not None]
    if not matches:
        raise UserError(_nothing_found(folder, search, files))

    rest = [
        file
        for file in files
        if file.endswith(IMAGES) and not any(t.match(file) for t in templates.values())
    ]
    if rest:
        print(f"{folder}: {len(rest)} images fit no template, e.g. {rest[0]}", file=sys.stderr)

    spared = [
        template.text for t in templates.values() for template in t.folders if template.literal
    ]
    if source.table is not None:
        spared += [posixpath.dirname(source.table.path)]
    occupied = {parent for file, _ in matches for parent in parents(file)}
    empty = [f for f in folders if f not in occupied and not any(_along(f, s) for s in spared)]
    _check_class_folders(folder, search, empty)

    class_levels = [
        depth
        for depth, part in enumerate(map(Template, search.text.split("/")[:-1]))
        if not part.literal and not {"subject", "session"} & set(part.fields)
    ]
    scans = []
    for file, fields in matches:
        classes = [file.split("/")[depth] for depth in class_levels]
        scan = _scan(source, fields, file, "-".join(classes) or source.source)
        for name, template in templates.items():
            found = [file] if template is search else template.find(fields, files)
            if len(found) == 1:
                scan.paths[name] = found[0]
            else:
                _reject_lookup(scan, name, template.fill(fields), found)
        scans.append(scan)
    return scans + list(_people_without_scan(search, empty))


def from_table(source: Source, folder: Path) -> list[Scan]:
    """List the scans that a table's rows point to.

    The columns `session` and `site` are read where the table has them.

    Args:
        source: The source's section of the config.
        folder: The source's folder; the paths in the table are relative to it.

    Raises:
        UserError: If the table or one of its columns is not there.
    """
    table = cast(LabelTable, source.table)  # the config's model sees to it
    columns = _wanted(source)
    path = folder / table.path
    rows, values = read_labels(
        path,
        source.labels,
        key=table.column,
        rules=table.columns,
        columns=tuple(columns.values()),
        optional=("session", "site"),
    )
    labels = values.to_dict("records")
    scans = []
    for number, row, own in zip(rows.index, rows.to_dict("records"), labels, strict=True):
        fields = {name: row[name] for name in ("session", "site") if row.get(name)}
        fields["subject"] = row[table.column]
        paths = {name: _tidy(row[column]) for name, column in columns.items()}
        first = next(iter(paths.values()))
        scan = _scan(source, fields, first or table.path, _first_folder(source, first))
        scan.labels = {str(label): value for label, value in own.items()}
        _look_up(scan, paths, folder, f"{path}, row {number}")
        scans.append(scan)
    return scans


def from_pairs(source: Source, folder: Path) -> list[Scan]:
    """List the scans of a `dataset.json` of the Medical Segmentation Decathlon.

    Its `training` entries name an image and a mask; those under `test` have no mask and are left.

    Args:
        source: The source's section of the config.
        folder: The source's folder.

    Raises:
        UserError: If the file is not there or is not as it should be.
    """
    path = folder / "dataset.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["training"]
        pairs = [{str(key): str(value) for key, value in entry.items()} for entry in entries]
    except FileNotFoundError:
        raise UserError(f"{path}: is not there; layout 'pairs' reads its list of scans") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{path}: needs a list `training` of entries such as "
            '{"image": "imagesTr/a.nii.gz", "label": "labelsTr/a.nii.gz"}'
        ) from None
    keys = _wanted(source)
    scans = []
    for number, pair in enumerate(pairs, start=1):
        paths = {name: _tidy(pair.get(key, "")) for name, key in keys.items()}
        first = next(iter(paths.values()))
        case = re.sub(r"\.nii(\.gz)?$", "", posixpath.basename(first))
        scan = _scan(source, {"subject": case}, first or path.name, _first_folder(source, first))
        _look_up(scan, paths, folder, f"{path}, entry {number}")
        scans.append(scan)
    return scans


def from_bids(source: Source, folder: Path) -> list[Scan]:
    """List the scans of a dataset in the Brain Imaging Data Structure.

    Args:
        source: The source's section of the config.
        folder: The dataset's folder.

    Raises:
        UserError: If it holds no subject's folder, or a channel or mask is no name in BIDS.
    """
    names = {name: bids.Name.parse(text) for name, text in _wanted(source).items()}
    dataset = bids.read_dataset(*list_files(folder))
    if not dataset.visits:
        raise UserError(
            f"{folder}: has no folder sub-… of a subject, as BIDS asks for; correct `root` or "
            "`path`, or choose another `layout`"
        )
    scans = []
    for subject, session in dataset.visits:
        fields = {"subject": subject} | ({"session": session} if session else {})
        home = f"sub-{subject}" + (f"/ses-{session}" if session else "")
        scan = _scan(source, fields, home, source.source)
        for name, wanted in names.items():
            there = dataset.files.get((wanted.folder, wanted.suffix, subject, session), {})
            found = wanted.choose(there)
            if len(found) == 1:
                scan.paths[name] = found[0]
                continue
            text = _wanted(source)[name]
            scan.reject(
                _lacking(name),
                f"{home}: {len(found)} files fit '{text}' of {name}, e.g. {found[0]} and "
                f"{found[1]}; name the entity that tells them apart, e.g. `run-1_{wanted.suffix}`"
                if found
                else f"{home}: no file fits '{text}' of {name}; add it",
            )
        scan.path = scan.paths.get(next(iter(names)), home)
        scans.append(scan)
    for path in dataset.strays:
        scan = Scan("", "", path)
        scan.reject("no-subject", f"{path}: its name and its folder name two people or sessions")
        scans.append(scan)
    return scans


def join_bids_tables(scans: list[Scan], source: Source, folder: Path) -> list[Scan]:
    """Give each scan the labels of participants.tsv and, over them, of its row in sessions.tsv.

    Args:
        scans: The scans; they receive labels, or a reason.
        source: The source's section of the config.
        folder: The dataset's folder.

    Returns:
        The rows that belong to no scan, as rejected scans.
    """
    table = cast(LabelTable, source.label_table)
    subjects = dict.fromkeys(scan.fields.get("subject", "") for scan in scans)
    columns = [label.column for label in source.labels.values()]
    sessions = bids.read_sessions(folder, subjects, columns)
    rest = join_table(scans, table, source.labels, folder, elsewhere=sessions.columns)
    if sessions.empty:
        return rest
    cells, values = decode(
        folder,
        sessions,
        {n: e for n, e in source.labels.items() if e.column in sessions},
        key="session_id",
        rules={column: rule for column, rule in table.columns.items() if column in sessions},
        books={},
    )
    key = Template("sub-{subject}_ses-{session}")
    texts = [key.fill({"session": "", **scan.fields}) if scan.subject else "" for scan in scans]
    return rest + _join(scans, texts, cells["session_id"], values, folder, ".", over=True)


def join_table(
    scans: list[Scan],
    table: LabelTable,
    labels: Mapping[str, Label],
    folder: Path,
    elsewhere: Collection[str] = (),
) -> list[Scan]:
    """Give each scan the labels of its row in a table.

    Several rows of one scan are taken together: what one leaves empty another may fill, but two
    different values are a conflict.

    Args:
        scans: The scans; they receive labels, or a reason.
        table: Where the labels are.
        labels: Label name: where in the table it comes from.
        folder: The source's folder.
        elsewhere: Columns of labels that another table has; this one may lack them.

    Returns:
        The rows that belong to no scan, as rejected scans.

    Raises:
        TableError: If cells are not as the config says.
        UserError: If the table or a column is not there, or the key has an unknown field.
    """
    path = folder / table.path
    key = Template(table.key)
    cells, values = read_labels(
        path, labels, key=table.column, rules=table.columns, elsewhere=elsewhere
    )
    texts = [key.fill(_key_fields(scan, key, path)) if scan.subject else "" for scan in scans]
    return _join(scans, texts, cells[table.column], values, folder, table.path)


def _join(
    scans: list[Scan],
    texts: list[str],
    cells: pd.Series[str],
    values: pd.DataFrame,
    folder: Path,
    table: str,
    *,
    over: bool = False,
) -> list[Scan]:
    """Give each scan the labels of its rows.

    Args:
        scans: The scans.
        texts: What each scan's row has in the column that is joined on.
        cells: That column.
        values: The labels.
        folder: The source's folder.
        table: The table, or the folder of several, relative to it.
        over: Whether the labels go over those that the scans have; then a row may be missing.
    """
    path = folder / table
    keys, row_keys = comparable(texts, cells.tolist())
    rows_of = defaultdict(list)
    for number, row_key in zip(cells.index, row_keys, strict=True):
        if row_key:
            rows_of[row_key].append(number)
    labels = {str(name): dict(column.items()) for name, column in values.items()}
    merged = {
        row_key: {
            name: distinct([column[number] for number in numbers])
            for name, column in labels.items()
        }
        for row_key, numbers in rows_of.items()
    }
    nothing: dict[str, list[str]] = {name: [] for name in labels}
    _tell_doubles(path, str(cells.name), rows_of, merged)

    for scan, wanted, text in zip(scans, keys, texts, strict=True):
        if wanted not in merged and not over:
            example = next(iter(cells), "")
            scan.reject(
                "no-row",
                f"{path} has no row with {cells.name} = '{text}' (its first is '{example}'); "
                "add the row, or mend `table.key`",
            )
        for name, found in merged.get(wanted, nothing).items():
            if found or name not in scan.labels:
                scan.labels[name] = found[0] if found else ""
        differ = [
            f"'{name}': {' and '.join(found)}"
            for name, found in merged.get(wanted, nothing).items()
            if len(found) > 1
        ]
        if differ:
            scan.reject(
                "conflicting-labels",
                f"{path}: the rows with {cells.name} = '{text}' differ in {', '.join(differ)}; "
                "keep the right one",
            )
    used = set(keys)
    return [
        Scan(
            subject=cell,
            session="",
            path=table,
            reason="no-scan",
            detail=f"{path}: row {number} belongs to no scan that was found",
        )
        for number, cell, row_key in zip(cells.index, cells, row_keys, strict=True)
        if not row_key or row_key not in used
    ]


def _tell_doubles(
    path: Path,
    column: str,
    rows_of: Mapping[str, list[int]],
    merged: Mapping[str, Mapping[str, list[str]]],
) -> None:
    double = [key for key, numbers in rows_of.items() if len(numbers) > 1]
    differ = [key for key in double if any(len(found) > 1 for found in merged[key].values())]
    if double:
        print(
            f"{path}: {len(double)} values of {column} stand in more than one row: "
            f"{len(double) - len(differ)} agree or fill each other's blanks, {len(differ)} differ"
            + (f" ({', '.join(differ[:5])}{', …' * (len(differ) > 5)})" if differ else ""),
            file=sys.stderr,
        )


def _leave_out(source: Source, scans: list[Scan]) -> None:
    """Turn away the scans that `where` does not ask for."""
    if source.where is None:
        return
    condition = parse_condition(source.where)
    names = dict.fromkeys(("subject", "session", "site"))
    names |= dict.fromkeys(name for scan in scans for name in scan.labels)
    for name in condition.names:
        if name not in names:
            raise UserError(
                f"source '{source.source}': `where` asks for '{name}', but the scans have "
                f"{', '.join(names)}; declare it in `labels`"
            )
    for scan in scans:
        values = {n: getattr(scan, n) for n in ("subject", "session", "site")} | scan.labels
        try:
            if scan.reason or condition.holds(values):
                continue
        except ValueError as error:
            raise UserError(
                f"source '{source.source}': `where: {source.where}`: {error} for {scan.path}; "
                "mend it, or let `labels` map it"
            ) from None
        known = ", ".join(f"{n} = {values.get(n) or 'missing'}" for n in condition.names)
        scan.reject("where", f"{known}: left out by `where: {source.where}`")


def _wanted(source: Source) -> dict[str, str]:
    """Return the templates, columns or keys of channels and masks, in the order of labels.csv."""
    masks = {"mask": source.mask, "brain_mask": source.brain_mask}
    return source.channels | {name: text for name, text in masks.items() if text is not None}


def _templates(source: Source) -> dict[str, Template]:
    templates = {name: Template(text) for name, text in _wanted(source).items()}
    search = templates[next(iter(source.channels))]
    where = f"source '{source.source}': the template '{search.text}'"
    if "subject" not in search.fields:
        raise UserError(
            f"{where} does not say who a scan belongs to; it needs the field {{subject}}"
        )
    for name in search.fields:
        if name in (*MASKS, "source", *source.channels, *source.labels):
            raise UserError(f"{where} has the field {{{name}}}, but so is another column called")
    for name, template in templates.items():
        for unknown in set(template.fields) - set(search.fields):
            raise UserError(
                f"source '{source.source}': '{template.text}' of {name} has the field "
                f"{{{unknown}}}, but '{search.text}' finds only {', '.join(search.fields)}; "
                "use * instead"
            )
    return templates


def _scan(source: Source, fields: Mapping[str, str], path: str, folder: str) -> Scan:
    """Make a scan of the fields that a file name or a row gives: who is it?"""
    labels = {name: value for name, value in fields.items() if name not in IDENTITIES}
    scan = Scan(fields["subject"], fields.get("session", "1"), path, fields.get("site", ""))
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


def _read_pattern(scan: Scan, rule: SubjectPattern, has_session: bool) -> None:
    match = re.search(rule.pattern, scan.subject)
    number = match[1] if match else None
    if not number or (rule.group > 1 and not number.isdecimal()):
        kind = "a case number" if rule.group > 1 else "a subject"
        scan.reject(
            "no-subject",
            f"'{scan.subject}' does not give {kind} by the pattern '{rule.pattern}'; mend either",
        )
        return
    scan.subject = number
    if rule.group > 1:
        person = (int(number) + rule.group - 1) // rule.group
        scan.subject = str(person).zfill(len(number))
        scan.session = f"{scan.session}-{number}" if has_session else number


def _look_up(scan: Scan, paths: Mapping[str, str], folder: Path, where: str) -> None:
    """Keep the paths of a scan that exist below the source's folder, or reject the scan."""
    scan.paths = dict(paths)
    for name, path in paths.items():
        if path.startswith(("/", "~", "\\")) or ".." in path.split("/") or path[1:2] == ":":
            scan.reject(
                "outside-root",
                f"{where}: '{path}' is not inside {folder}; give a path relative to it",
            )
        elif not path:
            scan.reject(_lacking(name), f"{where}: no path for {name}; fill it in")
        elif not (folder / path).is_file():
            _reject_lookup(scan, name, path, [])


def _reject_lookup(scan: Scan, name: str, wanted: str, found: list[str]) -> None:
    if found:
        detail = f"{len(found)} files fit '{wanted}', e.g. {found[0]} and {found[1]}; only one may"
    else:
        detail = f"{wanted}: there is no such file for {name}; add it or correct the path"
    scan.reject(_lacking(name), detail)


def _lacking(name: str) -> str:
    return "missing-mask" if name in MASKS else "missing-channel"


def _check_class_folders(folder: Path, search: Template, empty: list[str]) -> None:
    """Fail if a folder stands where classes stand, but holds no scan."""
    for level in search.folders:
        if set(level.fields) & {"subject", "session"}:
            return
        if not set(level.fields) - set(IDENTITIES):
            continue
        for path in empty:
            if level.match(path) is not None:
                raise UserError(
                    f"{folder / path}: no file of this class folder fits '{search.text}'; "
                    "add its scans or remove the folder"
                )


def _people_without_scan(search: Template, empty: list[str]) -> Iterator[Scan]:
    """Yield a rejected scan for each subject's or session's folder that holds no scan."""
    reported: set[str] = set()
    for level in search.folders:
        if "subject" not in level.fields:
            continue
        for path in empty:
            fields = level.match(path)
            if fields is None or reported & set(parents(path)):
                continue
            reported.add(path)
            yield Scan(
                subject=fields["subject"],
                session=fields.get("session", ""),
                path=path,
                fields=fields,
                reason="missing-channel",
                detail=f"{path}: no file of this folder fits '{search.text}'; add it",
            )


def _nothing_found(folder: Path, search: Template, files: list[str]) -> str:
    if not files:
        return f"{folder}: is empty; put the scans there, or correct `root` or `path`"
    images = [file for file in files if file.endswith(IMAGES)]
    return (
        f"{folder}: none of its {len(files)} files fits the template '{search.text}'; "
        f"there are, e.g., {', '.join((images or files)[:3])}"
    )


def _first_folder(source: Source, path: str) -> str:
    return path.split("/")[0] if "/" in path else source.source


def _key_fields(scan: Scan, key: Template, path: Path) -> dict[str, str]:
    known = {"session": "1", **scan.fields}
    for name in key.fields:
        if name not in known:
            if scan.reason:  # a folder without a scan knows less than a scan
                return dict.fromkeys(key.fields, "")
            raise UserError(
                f"{path}: `table.key` has the field {{{name}}}, but a scan of this source has only "
                f"{', '.join(known)}"
            )
    return known


def _tidy(path: str) -> str:
    return posixpath.normpath(path) if path and ".." not in path.split("/") else path


def _below(source: Source, path: str) -> str:
    return posixpath.normpath(posixpath.join(source.folder, path))


def _along(folder: str, path: str) -> bool:
    """Whether a folder lies on the way to a path, or below it."""
    return bool(path) and (
        f"{path}/".startswith(f"{folder}/") or f"{folder}/".startswith(f"{path}/")
    )
