"""Find out how a folder of scans is laid out, and describe it as a source of the config."""

from __future__ import annotations

import contextlib
import io
import json
import posixpath
import re
from collections import Counter
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import pandas as pd

from headstart.parts import naming
from headstart.parts.config import RESERVED
from headstart.parts.config import Source
from headstart.parts.errors import UserError
from headstart.parts.fingerprint import mask_values
from headstart.parts.fingerprint import read_header
from headstart.parts.layouts import IMAGES
from headstart.parts.layouts import Scan
from headstart.parts.layouts import read_source
from headstart.parts.naming import Kind
from headstart.parts.numbers import is_number
from headstart.parts.tables import EXCEL
from headstart.parts.tables import LONGEST_LABEL
from headstart.parts.tables import columns_of
from headstart.parts.tables import comparable
from headstart.parts.tables import read_table
from headstart.parts.templates import Template

SOURCE = "own"  # name of the source in the config; a public source's name would fetch it
TABLES = (".csv", ".tsv", *EXCEL)
MOST_TABLES = 20
LARGEST_TABLE = 50_000_000  # bytes
# A table belongs to the scans if so many of them have a row, a kind of file if so many have one.
ROWS_SHARE = 0.5
FILES_SHARE = 0.9
# A table lists the scans if it names so many of the images, masks included.
LISTED_SHARE = 0.1
FIELDS = ("sex", "group")  # fields of file names that are labels
MOST_CLASSES = 20  # of a label that is text
FEW_NUMBERS = 6  # different values: a number with so few is a code for classes
# Columns that tell who somebody is, or anything in words; they never reach the config.
PRIVATE = re.compile(r"birth|\bdob\b|name|date|address|phone|mail|comment|note|remark", re.I)
IDENTITY = re.compile(r"(participant|subject|patient|case|scan|mri?)?[ _-]*id|subject|participant")
# Labels with a name of their own, by the columns that hold them.
LABELS = {
    "age": r"age(_?(at_?)?(scan|mri|years?))?|years",
    "sex": r"(sex|gender|m/f)(_?id)?",
    "site": r"site|scanner|cent(re|er)|hospital",
}
NOT_NIFTI = {
    (".dcm", ".ima"): "DICOM: convert it first, e.g. with dcm2niix",
    (".img", ".hdr"): "Analyze: convert it to NIfTI first",
    (".mgz", ".mgh"): "FreeSurfer: convert it first, with mri_convert",
    (".nrrd", ".mha", ".mhd"): "convert it to NIfTI first",
}


@dataclass(frozen=True)
class Column:
    """A label that a study can use.

    Attributes:
        name: Its name in labels.csv.
        column: The table's column; '' for a field of the file names.
        number: Whether it is a number, for regression; else it has classes.
        counts: Subjects by value.
        missing: Subjects without a value.
    """

    name: str
    column: str
    number: bool
    counts: Counter[str]
    missing: int

    @property
    def numbers(self) -> list[float]:
        """Its values, one per subject that has one."""
        return [float(value) for value in self.counts.elements()]

    @property
    def imbalance(self) -> float:
        """Largest class over the smallest."""
        return max(self.counts.values()) / min(self.counts.values())


@dataclass
class Found:
    """What a folder holds.

    Attributes:
        layout: In words.
        source: The source's section of the config, with every usable column among its labels.
        scans: The scans that can be used, as the stage label will find them.
        classes: Names of the mask's values.
        columns: Labels that can be learnt.
        odd: What a person should know, one sentence each.
    """

    layout: str
    source: dict[str, Any]
    scans: list[Scan] = field(default_factory=list)
    classes: dict[int, str] = field(default_factory=dict)
    columns: list[Column] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)

    @property
    def subjects(self) -> list[str]:
        """The subjects."""
        return list(dict.fromkeys(scan.subject for scan in self.scans))

    @property
    def images(self) -> list[str]:
        """Each scan's first channel."""
        return [scan.path for scan in self.scans]


def discover(folder: Path, listing: tuple[list[str], list[str]]) -> Found:
    """Find out how a folder of scans is laid out.

    Args:
        folder: The folder.
        listing: Its files and folders, as `templates.list_files` gives them.

    Returns:
        The best description; its scans are those that the stage label finds with it.

    Raises:
        UserError: If the folder holds no NIfTI file, or none that a description fits.
    """
    files, _ = listing
    images = [file for file in files if file.lower().endswith(IMAGES)]
    if not images:
        raise UserError(_no_images(folder, files))
    tables = [Table(folder, path) for path in _tables(folder, files)]
    if any(re.match(r"sub-[^/]+/(ses-[^/]+/)?anat/sub-", path) for path in images):
        found = _bids(folder, images, tables)
    elif "dataset.json" in files and (pairs := _pairs(folder)):
        found = pairs
    elif listed := _listed(folder, tables, set(images)):
        found = listed
    else:
        found = _files(folder, images, tables)
    for table in tables:
        if table.fault:
            found.odd.append(table.fault)
    _read(folder, found)
    found.odd += _others(files)
    return found


class Table:
    """A table beside the scans.

    Args:
        folder: Folder of the scans.
        path: The table, relative to it.
    """

    def __init__(self, folder: Path, path: str) -> None:
        self.path, self.fault = path, ""
        self.cells = pd.DataFrame()
        try:
            # what is odd about it is said where the scans are read
            with contextlib.redirect_stderr(io.StringIO()):
                names = columns_of(folder / path)
                once = [name for name, count in Counter(names).items() if count == 1 and name]
                self.cells = read_table(folder / path, tuple(once))
        except UserError as error:
            self.fault = str(error)
        self._labels = [
            name
            for name in self.cells.columns
            if re.search("[A-Za-z]", name)
            and not PRIVATE.search(name.replace("_", " "))
            and _is_label(self.cells[name].tolist())
        ]

    @property
    def columns(self) -> list[str]:
        """Names of its columns."""
        return list(self.cells.columns)

    def labels(self, without: Sequence[str]) -> dict[str, str]:
        """Return the columns that can be labels, numbers or words that come back, by label."""
        labels: dict[str, str] = {}
        for column in self._labels:
            if column not in without:
                labels.setdefault(label_name(column), column)
        return labels


def label_name(column: str) -> str:
    """Return a name for a label: `SEX_ID (1=m, 2=f)` is sex."""
    bare = re.sub(r"\(.*?\)", "", column).strip().lower()
    for name, pattern in LABELS.items():
        if re.fullmatch(pattern, re.sub(r"[\W_]+$", "", bare)):
            return name
    word = re.sub(r"\W+", "_", bare, flags=re.ASCII).strip("_") or "label"
    word = word if word[0].isalpha() else f"label_{word}"
    return f"{word}_label" if word in RESERVED else word


def _is_label(cells: Sequence[str]) -> bool:
    known = [cell for cell in cells if cell]
    values = set(known)
    if len(values) < 2:
        return False
    if all(map(is_number, values)):
        return not all(re.fullmatch(r"(19|20)\d{6}", value) for value in values)  # dates
    comes_back = len(values) <= min(MOST_CLASSES, len(known) / 2)
    return comes_back and max(map(len, values)) <= LONGEST_LABEL


def _tables(folder: Path, files: Sequence[str]) -> list[str]:
    found = [f for f in files if f.lower().endswith(TABLES) and f.count("/") <= 1]
    small = [f for f in found if (folder / f).stat().st_size <= LARGEST_TABLE]
    return sorted(small, key=lambda f: (f.count("/"), f))[:MOST_TABLES]


def _no_images(folder: Path, files: Sequence[str]) -> str:
    if not files:
        return f"{folder}: is empty; name the folder that holds the scans"
    kinds = Counter(posixpath.splitext(file)[1].lower() or "no ending" for file in files)
    there = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(3))
    mends = [mend for kind, mend in NOT_NIFTI.items() if set(kind) & set(kinds)]
    mend = mends[0] if mends else "name the folder that holds the scans"
    return f"{folder}: none of its {len(files)} files is a .nii or .nii.gz ({there}); {mend}"


def _others(files: Sequence[str]) -> Iterator[str]:
    for endings, mend in NOT_NIFTI.items():
        others = [file for file in files if file.lower().endswith(endings)]
        if others:
            yield f"{len(others)} files such as {others[0]} are not read; {mend}"


def _bids(folder: Path, images: Sequence[str], tables: Sequence[Table]) -> Found:
    anatomy = [path for path in images if re.match(r"sub-[^/]+/(ses-[^/]+/)?anat/", path)]
    homes = Counter(posixpath.dirname(path) for path in anatomy)
    names = Counter(_bids_name(path) for path in anatomy)
    full = [name for name, count in names.items() if count >= FILES_SHARE * len(homes)]
    known = list(naming.CHANNELS)

    def rank(name: str) -> tuple[bool, int, int]:
        suffix = name.split("_")[-1].lower()
        return name not in full, known.index(suffix) if suffix in known else 99, -names[name]

    best = min(names, key=rank)
    channel = naming.CHANNELS.get(best.split("_")[-1].lower(), "image")
    source: dict[str, Any] = {"layout": "bids", "channels": {channel: best}}
    found = Found("BIDS", source)
    _name_others(found, [name for name in names if name != best and names[name] > 1], names)
    derived: dict[str, list[str]] = defaultdict(list)
    for path in images:
        match = re.match(r"(derivatives/[^/]+)/sub-", path)
        if match and _bids_name(path).lower().split("_")[-1] in naming.MASKS:
            derived[f"{match[1]}/{_bids_name(path)}"].append(path)
    for text, paths in derived.items():
        if len(paths) >= FILES_SHARE * len(homes) and (values := _values(folder, paths)):
            _add_mask(found, text, values, brain="brain" in text.lower())
    for table in tables:
        if table.path == "participants.tsv":
            found.layout += f", labels in {table.path}"
            source["labels"] = table.labels(["participant_id"])
    return found


def _bids_name(path: str) -> str:
    name = naming.SUFFIX.sub("", posixpath.basename(path))
    return "_".join(part for part in name.split("_") if not part.startswith(("sub-", "ses-")))


def _pairs(folder: Path) -> Found | None:
    try:
        card = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        first, name = card["training"][0], str(card.get("name", ""))
        channel = str(next(iter(card.get("modality", {"0": "image"}).values())))
        names = {int(value): str(word) for value, word in card.get("labels", {}).items()}
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, StopIteration):
        return None
    channel = naming.CHANNELS.get(channel.lower(), "image")
    source: dict[str, Any] = {"layout": "pairs", "channels": {channel: "image"}}
    found = Found("pairs of image and mask, listed in dataset.json", source)
    if "label" in first:
        source["mask"] = "label"
        found.classes = {value: _word(word) for value, word in sorted(names.items()) if value > 0}
    if "hippocampus" in name.lower() and re.search(r"hippocampus_\d+", str(first)):
        source["subject"] = {"pattern": r"hippocampus_(\d+)", "group": 2}
        found.odd.append(
            "cases 2k-1 and 2k of this data set are the two sides of one person: taken as one "
            "subject, so that no person is on both sides of a split"
        )
    return found


def _listed(folder: Path, tables: Sequence[Table], images: set[str]) -> Found | None:
    """Describe a folder with a table that holds the scans' paths."""
    for table in tables:
        home = posixpath.dirname(table.path)
        columns = {}
        for name in table.columns:
            cells = [cell for cell in table.cells[name] if cell]
            inside = [posixpath.normpath(posixpath.join(home, cell)) for cell in cells]
            absolute = [cell for cell in cells if cell.startswith("/") and cell.endswith(IMAGES)]
            if len(absolute) > len(cells) / 2:
                raise UserError(
                    f"{folder / table.path}: column '{name}' has paths from the root of the disk, "
                    f"e.g. {absolute[0]}; make them relative to {folder / home}"
                )
            there = sum(path in images for path in inside)
            if there and there >= max(ROWS_SHARE * len(cells), LISTED_SHARE * len(images)):
                columns[name] = inside[0]
        if columns:
            return _from_columns(folder, table, home, columns)
    return None


def _from_columns(folder: Path, table: Table, home: str, columns: dict[str, str]) -> Found:
    source: dict[str, Any] = {"layout": "table", "path": home or ".", "channels": {}}
    found = Found(f"paths and labels in a table, {table.path}", source)
    for name, example in columns.items():
        values = _values(folder, [example]) if len(columns) > 1 or "mask" in name.lower() else None
        if values is not None and source["channels"]:
            _add_mask(found, name, values, brain="brain" in name.lower())
        else:
            source["channels"][_channel(f"{name} {example}", source["channels"])] = name
    rest = [name for name in table.columns if name not in columns]
    named = [name for name in rest if IDENTITY.fullmatch(name.strip().lower())]
    unlike = [name for name in rest if table.cells[name].nunique() == len(table.cells)]
    people = next(iter([*named, *unlike]), None)
    if people is None:
        raise UserError(
            f"{folder / table.path}: no column says who a scan belongs to; add a column `subject`"
        )
    source["table"] = {"path": posixpath.basename(table.path), "column": people}
    source["labels"] = table.labels([people, "session", *columns])
    return found


def _files(folder: Path, images: Sequence[str], tables: Sequence[Table]) -> Found:
    """Describe a folder by the names of its files."""
    kinds = [k for k in naming.kinds_of(images) if not set(k.known) & naming.LEFT_OUT]
    kinds = kinds or naming.kinds_of(images)
    large = [kind for kind in kinds if len(kind.paths) >= max(2, 0.02 * len(kinds[0].paths))]
    values = {id(k): _values(folder, k.paths) for k in large} if len(large) > 1 else {}
    main = min(large or kinds, key=lambda k: _rank(k, values.get(id(k)), len(kinds[0].paths)))
    naming.name_fields(main)
    if "subject" not in main.fields.values():
        raise UserError(
            f"{folder}: {len(main.paths)} scan such as {main.paths[0]} is too little to see whose "
            "scans these are; name the folder that holds all subjects"
        )
    others = [kind for kind in large if kind is not main]
    for kind in others:
        naming.like(kind, main)
    candidates = [
        _described(folder, main, others, values, tables, whole) for whole in (True, False)
    ]
    # the names' own prefixes stay, unless only the bare number fits the files or a table
    return max(candidates, key=lambda one: ("table" in one.source, _usable(folder, one)))


def _described(
    folder: Path,
    main: Kind,
    others: Sequence[Kind],
    values: dict[int, set[int] | None],
    tables: Sequence[Table],
    whole: bool,
) -> Found:
    join = _best_join(main, tables, whole)
    labels = {"sex", "site", "group"} & set(main.fields.values())
    if join is not None and "{site}" in join["table"]["key"]:
        join["labels"].pop("site", None)  # the file's name tells it
    if join is not None:
        labels -= set(join["labels"])
    wanted = labels | set(re.findall(r"\{(\w+)\}", join["table"]["key"] if join else ""))
    channel = _channel(main.paths[0], {})
    source: dict[str, Any] = {"channels": {channel: main.template(whole=whole, wanted=wanted)}}
    found = Found(_in_words(main), source)
    if join is not None:
        source |= join
        found.layout += f", labels in {join['table']['path']}"
    if twice := _same_id_twice(main):
        source["subject"] = "folder/id"
        found.odd.append(
            f"the same id stands in several class folders, e.g. {twice}: taken as different people"
        )
        source.pop("table", None)
        source.pop("labels", None)
    for kind in others:
        template = kind.template(whole=whole, wanted=wanted)
        example = f"{len(kind.paths)} files such as {kind.paths[0]}"
        if len(kind.paths) < FILES_SHARE * len(main.paths):
            found.odd.append(f"{example} are not used: not every scan has one")
        elif values.get(id(kind)) is not None:
            brain = bool(set(kind.known) & naming.BRAINS) or "brain" in kind.paths[0].lower()
            _add_mask(found, template, values[id(kind)] or set(), brain=brain, where=example)
        elif _same_grid(folder, main, kind):
            source["channels"][_channel(kind.paths[0], source["channels"])] = template
        else:
            found.odd.append(f"{example} lie on another grid than the {channel} and are not used")
    return found


def _best_join(main: Kind, tables: Sequence[Table], whole: bool) -> dict[str, Any] | None:
    """Find the table, its column and the key that most scans have a row by."""
    best: tuple[float, int, int] = (0.0, 0, 0)
    section: dict[str, Any] = {}
    for table in tables:
        for key, texts in _keys(main, whole).items():
            for column in table.columns:
                cells = [cell for cell in table.cells[column] if cell]
                if len(set(cells)) < 2 or len(set(cells)) < 0.5 * len(cells):
                    continue
                shown, text_keys = key, texts
                prefix = _prefix(cells) if key == "{subject}" else ""
                if prefix and not texts[0].startswith(prefix):
                    shown, text_keys = f"{prefix}{key}", [f"{prefix}{text}" for text in texts]
                wanted, there = comparable(text_keys, cells)
                rows = set(there)
                share = round(sum(text in rows for text in wanted) / len(wanted), 2)
                labels = table.labels([column])
                score = (share, len({*LABELS} & set(labels)), len(labels))
                if labels and share >= ROWS_SHARE and score > best:
                    best = score
                    place = {"path": table.path, "column": column, "key": shown}
                    section = {"table": place, "labels": labels}
    return section or None


def _keys(main: Kind, whole: bool) -> dict[str, list[str]]:
    """Return ways to write a table's key, each with what it gives for every scan."""
    template = main.template(whole=whole)
    pattern = naming.SUFFIX.sub("", template)
    name = pattern.split("/")[-1]
    between = re.search(r"\{.*\}", name)
    keys = ["{subject}", "{subject}_{session}", "{subject}-{session}"]
    keys += [between[0], name] if between else []
    fields = _fields(main, template)
    known = set(re.findall(r"\{(\w+)\}", template))
    filled = {}
    for key in dict.fromkeys(keys):
        if set(re.findall(r"\{(\w+)\}", key)) <= known and "*" not in key:
            filled[key] = [re.sub(r"\{(\w+)\}", lambda m, f=f: f[m[1]], key) for f in fields]  # type: ignore[misc]
    return filled


def _fields(main: Kind, template: str) -> list[dict[str, str]]:
    match = Template(template).match
    return [fields for path in main.paths if (fields := match(path)) is not None]


def _prefix(cells: Sequence[str]) -> str:
    matches = [re.fullmatch(r"(\D*?)(\d+)", cell) for cell in cells]
    prefixes = {match[1] for match in matches if match}
    return prefixes.pop() if len(prefixes) == 1 and all(matches) else ""


def _usable(folder: Path, found: Found) -> float:
    try:
        scans = _scans(folder, found.source)[0]
    except UserError:
        return -1
    return sum(not scan.reason for scan in scans) - 0.5 * sum(bool(scan.reason) for scan in scans)


def _scans(folder: Path, source: dict[str, Any]) -> tuple[list[Scan], str]:
    """List a source's scans as the stage label will; and what it says of them."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        scans = read_source(Source.model_validate({"source": SOURCE, "path": "."} | source), folder)
    return scans, said.getvalue()


def _read(folder: Path, found: Found) -> None:
    """Fill in what the stage label will find."""
    scans, said = _scans(folder, found.source)
    if any(scan.reason == "conflicting-labels" for scan in scans):
        _drop_conflicts(folder, found)
        scans, said = _scans(folder, found.source)
    lines = [line.partition(": ")[2] for line in said.splitlines()]
    # what else lies there may have been told already, with the reason
    found.odd += [line for line in lines if not found.odd or "fit no template" not in line]
    found.scans = [scan for scan in scans if not scan.reason]
    reasons: dict[str, list[Scan]] = defaultdict(list)
    for scan in scans:
        if scan.reason:
            reasons[scan.reason].append(scan)
    for reason, away in reasons.items():
        what = "rows without a scan" if reason == "no-scan" else f"scans turned away ({reason})"
        found.odd.append(f"{len(away)} {what}, e.g. {away[0].detail}")
    if not found.scans:
        raise UserError(f"{folder}: no scan can be used: {'; '.join(found.odd[:3])}")
    empty = [path for path in found.images if (folder / path).stat().st_size == 0]
    if empty:
        found.odd.append(f"{len(empty)} scans are empty files, e.g. {empty[0]}")
    found.columns = list(_columns(found))


def _drop_conflicts(folder: Path, found: Found) -> None:
    """Leave out labels that differ between rows of one scan: nobody may need them."""
    labels, dropped = found.source.get("labels", {}), []
    for label in [name for name in labels if name not in LABELS]:
        alone = found.source | {"labels": {label: labels[label]}}
        if any(scan.reason == "conflicting-labels" for scan in _scans(folder, alone)[0]):
            dropped.append(labels.pop(label))
    if dropped:
        found.odd.append(f"left out, with several values for one scan: {', '.join(dropped)}")


def _columns(found: Found) -> Iterator[Column]:
    """Describe each label, one value per subject."""
    own = found.source.get("labels", {})
    first = {scan.subject: scan for scan in reversed(found.scans)}
    names = dict.fromkeys(
        name for scan in found.scans for name in scan.labels if name in own or name in FIELDS
    )
    for name in (*names, "site"):
        values = [s.site if name == "site" else s.labels.get(name, "") for s in first.values()]
        counts = Counter(value for value in values if value)
        if len(counts) < 2 or (name not in own and not _is_label(values)):
            continue
        number = all(map(is_number, counts)) and (name == "age" or len(counts) > FEW_NUMBERS)
        yield Column(name, own.get(name, ""), number, counts, values.count(""))


def _rank(kind: Kind, values: set[int] | None, most: int) -> tuple[Any, ...]:
    """Order kinds by how likely they are the image to learn from."""
    named = [word for word in kind.known if word in naming.CHANNELS]
    order = list(naming.CHANNELS)
    return (
        len(kind.paths) < 0.5 * most,
        values is not None or bool(set(kind.known) & naming.MASKS),
        min((order.index(word) for word in named), default=len(order)),
        -len(kind.paths),
        kind.paths[0].count("/"),
    )


def _channel(text: str, taken: dict[str, str]) -> str:
    words = [word for word in re.split(r"[^A-Za-z0-9]+", text.lower()) if word in naming.CHANNELS]
    name = naming.CHANNELS[words[-1]] if words else "image"
    names = (name, *(f"{name}_{number}" for number in range(2, 99)))
    return next(candidate for candidate in names if candidate not in taken)


def _add_mask(
    found: Found, text: str, values: set[int], *, brain: bool, where: str | None = None
) -> None:
    """Take a template or column as the mask or the brain mask, if its values allow."""
    present = sorted(values - {0})
    if brain and len(present) == 1 and "brain_mask" not in found.source:
        found.source["brain_mask"] = text
    elif "mask" in found.source:
        found.odd.append(f"{where or text}: a second mask, not used")
    elif present != list(range(1, len(present) + 1)):
        shown = ", ".join(map(str, present[:4]))
        found.odd.append(
            f"{where or text} look like masks but have values with gaps ({shown}, …): not used; "
            "renumber them 1, 2, … to learn them"
        )
    else:
        found.source["mask"] = text
        words = re.findall("[a-z]+", posixpath.basename(text.replace("{subject}", "")).lower())
        own = [word for word in words if word not in {*naming.KNOWN, "nii", "gz"}]
        single = own[-1] if own else "target"
        found.classes = {v: f"class_{v}" if len(present) > 1 else single for v in present}


def _values(folder: Path, paths: Sequence[str]) -> set[int] | None:
    """Return the values of masks, from the first and the middle one; None if they are images."""
    found: set[int] = set()
    for path in dict.fromkeys((paths[0], paths[len(paths) // 2])):
        values = mask_values(folder / path)
        if values is None:
            return None
        found |= values
    return found


def _same_grid(folder: Path, main: Kind, other: Kind) -> bool:
    one, two = (read_header(folder, kind.paths[0]) for kind in (main, other))
    return bool(one.shape) and (one.shape, one.voxel_size) == (two.shape, two.voxel_size)


def _same_id_twice(main: Kind) -> str:
    """Return two files with one id in two class folders, '' if there are none."""
    groups = {p: n for p, n in main.fields.items() if n not in ("subject", "session", "number")}
    if not any(main.in_folder(place) for place in groups):
        return ""
    identity = [*main.places("subject")[:1], *main.places("session")[:1]]
    seen: dict[tuple[str, ...], str] = {}
    for words, path in zip(main.words, main.paths, strict=True):
        other = seen.setdefault(tuple(words[place] for place in identity), path)
        if other.rpartition("/")[0] != path.rpartition("/")[0]:
            return f"{other} and {path}"
    return ""


def _in_words(main: Kind) -> str:
    in_folder = {name for place, name in main.fields.items() if main.in_folder(place)}
    if in_folder & {"sex", "group", "site"}:
        return "class folders"
    return "a folder per subject" if "subject" in in_folder else "one flat folder"


def _name_others(found: Found, names: Sequence[str], counts: Counter[str]) -> None:
    if names:
        shown = ", ".join(f"{name} ({counts[name]})" for name in names[:6])
        found.odd.append(f"other images are not used: {shown}")


def _word(text: str) -> str:
    word = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower() or "target"
    return word if word[0].isalpha() else f"class_{word}"
