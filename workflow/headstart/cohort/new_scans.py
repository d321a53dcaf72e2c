"""Scans from outside the cohort: which are meant, how each is called, and shares of them."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import astuple
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from headstart.common.errors import UserError
from headstart.common.keys import shard_of
from headstart.common.schema import canonical_json
from headstart.common.walk import list_files
from headstart.data.inventory import files_of
from headstart.data.tables import plain
from headstart.data.tables import read_all
from headstart.data.templates import IMAGES
from headstart.imaging.scan_rows import ScanFiles


class Share(NamedTuple):
    """One of the shares that scans to predict are divided into.

    Attributes:
        number: Which one, from 0 on.
        shares: How many there are.
    """

    number: int
    shares: int

    @classmethod
    def of(cls, text: str) -> Share:
        """Read `K/N`.

        Raises:
            ValueError: If there is no such share.
        """
        number, shares = map(int, text.split("/"))
        if not 0 <= number < shares:
            raise ValueError
        return cls(number, shares)

    def has(self, subject: str) -> bool:
        """Whether a subject is in it; one that is added later is in one of them alone."""
        return shard_of(subject, self.shares) == self.number

    def table(self, output: Path) -> Path:
        """Where its answers lie until those of all are put together in `output`."""
        return _tables(output) / f"{self.number}.csv"


def remove_other_shares(output: Path, shares: int) -> None:
    """Remove tables of shares that were others before: they may name who has left.

    Args:
        output: As for `Share.table`.
        shares: How many tables there are now; 0 where the answers were written at once.
    """
    kept = {Share(number, shares).table(output) for number in range(shares)}
    for table in _tables(output).glob("*.csv"):
        if table not in kept:
            table.unlink()


def _tables(output: Path) -> Path:
    """Folder of the shares' tables."""
    return output.with_name(f"{output.stem}-shards")


@dataclass(frozen=True)
class NewScans:
    """Scans to predict.

    Attributes:
        table: What the user gave, a row per scan.
        data: Folder that the paths start at.
        files: Files of each scan; its subject is a name, all different, fit for a file. Rows as
            in `table`.
    """

    table: pd.DataFrame
    data: Path
    files: tuple[ScanFiles, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each scan, as its `subject`."""
        return tuple(scan.subject for scan in self.files)

    def values(self, columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return each scan's cells of some columns, by its name."""
        cells = (tuple(cell.strip() for cell in row) for row in self.table[[*columns]].to_numpy())
        return dict(zip(self.names, cells, strict=True))

    def single(self) -> Iterator[NewScans]:
        """Yield each scan by itself."""
        return (self._rows([row]) for row in range(len(self.files)))

    def share(self, share: Share) -> NewScans:
        """Return a share of the scans: a scan that is added later goes to one of them alone."""
        return self._rows([row for row, name in enumerate(self.names) if share.has(name)])

    def digest(self) -> str:
        """Digest what was given, and size and time of each file; 16 hex digits."""
        facts = [astuple(file) for file in files_of(self.files, self.data)]
        told = [str(self.data), self.table.to_dict("split"), facts]
        return hashlib.sha256(canonical_json(told).encode()).hexdigest()[:16]

    def _rows(self, rows: Sequence[int]) -> NewScans:
        table = self.table.iloc[list(rows)].reset_index(drop=True)
        return replace(self, table=table, files=tuple(self.files[row] for row in rows))


def list_new_scans(
    given: Sequence[Path],
    channels: Sequence[str],
    covariates: Sequence[str] = (),
    optional: Collection[str] = (),
) -> NewScans:
    """Find out which scans are meant.

    Args:
        given: NIfTI files of the only channel that a scan must have, or folders that hold them; or
            one CSV, with a column of paths per channel, which start at the table's folder, a column
            per covariate, perhaps `brain_mask`, and whatever else.
        channels: Names of the image channels.
        covariates: Labels that the network sees beside a scan.
        optional: Channels of which a cell may be empty, or the column not there.

    Raises:
        UserError: If there are several channels or tables, the table lacks a column or calls one
            otherwise, or a folder is not there, holds no scan, or holds optional channels too.
    """
    if given[0].suffix == ".csv":
        if len(given) > 1:
            raise UserError(f"--scans: one table, or NIfTI files, but not {len(given)} of them")
        return _listed(given[0], channels, covariates, optional)
    needed = [name for name in channels if name not in optional]
    if len(needed) > 1:
        raise UserError(
            f"--scans: the network sees {len(needed)} channels; give a table (.csv) with the "
            f"columns {', '.join([*needed, *covariates])}"
        )
    if covariates:
        raise UserError(
            f"--scans: the network sees {' and '.join(covariates)} beside the scan; give a table "
            f"(.csv) with the columns {', '.join([*needed, *covariates])}"
        )
    for path in given:
        # a disk that is not mounted is no scan that is missing
        if not (path.exists() or path.name.lower().endswith(IMAGES)):
            raise UserError(f"{path}: is not there; name a folder, NIfTI files or a table (.csv)")
    folders = {path: _scans_below(path) for path in given if path.is_dir()}
    _check_one_channel(folders, channels, optional)
    found = [scan for path in given for scan in folders.get(path, [path])]
    table = pd.DataFrame({"scan": [str(path) for path in found]})
    lacking = dict.fromkeys(channels[1:])
    rows = [{channels[0]: path.absolute()} | lacking for path in found]
    return _collected(table, rows, [path if path in folders else path.parent for path in given])


def _scans_below(folder: Path) -> list[Path]:
    """List the NIfTI files in a folder and below it, but for hidden ones, in order."""
    shown = [folder / path for path in list_files(folder)[0] if path.lower().endswith(IMAGES)]
    if not shown:
        raise UserError(f"{folder}: holds no NIfTI file ({', '.join(IMAGES)})")
    return shown


def _check_one_channel(
    folders: Mapping[Path, Sequence[Path]], channels: Sequence[str], optional: Collection[str]
) -> None:
    """Check that folders hold no optional channels, which would be taken for further scans."""
    for folder, found in folders.items():
        for path in found:
            words = re.split(r"[\W_]", path.name.casefold())
            if named := [name for name in optional if name.casefold() in words]:
                raise UserError(
                    f"{path}: is {named[0]} by its name, but each file of a folder is taken for "
                    f"{channels[0]}; give a table (.csv) with the columns {', '.join(channels)}, "
                    f"or the files of {channels[0]} in place of {folder}"
                )


def _listed(
    path: Path, channels: Sequence[str], covariates: Sequence[str], optional: Collection[str]
) -> NewScans:
    if not path.is_file():
        raise UserError(f"{path}: is not there; give a table with a column per channel")
    table = read_all(path).reset_index(drop=True)
    needed = [name for name in channels if name not in optional]
    missing = [name for name in [*needed, *covariates] if name not in table.columns]
    if missing or table.empty:
        wrong = f"lacks the column {missing[0]}" if missing else "lists no scan"
        beside = f", and the covariates {', '.join(covariates)}" if covariates else ""
        raise UserError(f"{path}: {wrong}; it needs paths in {', '.join(needed)}{beside}")
    for name in (*optional, "brain_mask"):
        alike = [other for other in table.columns if plain(other) == plain(name)]
        if alike and name not in alike:
            raise UserError(f"{path}: has a column '{alike[0]}'; call it {name}")
    folder = path.absolute().parent
    columns = [*channels, *(["brain_mask"] if "brain_mask" in table.columns else [])]
    rows = [
        {name: folder / cell if cell else None for name, cell in zip(columns, row, strict=True)}
        for row in table.reindex(columns=columns, fill_value="").to_numpy().tolist()
    ]
    if not any(cell for row in rows for cell in row.values()):
        raise UserError(f"{path}: holds no path in {', '.join(columns)}; it needs one in each row")
    return _collected(table, rows, [folder])


def _collected(
    table: pd.DataFrame, rows: Sequence[Mapping[str, Path | None]], folders: Sequence[Path]
) -> NewScans:
    """Write all paths from one folder on, and name the scans by their paths from there.

    It holds the folders that were given, so that scans keep their names where others are added.
    """
    clean = [{name: p and Path(os.path.normpath(p)) for name, p in row.items()} for row in rows]
    given = [os.path.normpath(folder.absolute()) for folder in folders]
    data = Path(os.path.commonpath([*given, *(p.parent for r in clean for p in r.values() if p)]))
    paths = [{name: str(p.relative_to(data)) if p else "" for name, p in r.items()} for r in clean]
    brain_masks = [row.pop("brain_mask", "") for row in paths]
    first = [next(iter(row.values())) for row in paths]
    # a scan without its first channel is refused by itself
    twice = [path for path, count in Counter(first).items() if path and count > 1]
    if twice:
        raise UserError(f"--scans: {twice[0]} is given twice; give each scan once")
    names = _told_apart([_name(path) for path in first])
    scans = zip(names, paths, brain_masks, strict=True)
    found = tuple(ScanFiles(name, "1", channels, "", brain) for name, channels, brain in scans)
    return NewScans(table, data, found)


def _told_apart(names: Sequence[str]) -> list[str]:
    """Number the names that several scans have, as a-b.nii.gz beside a/b.nii.gz."""
    counts, taken, found = Counter(names), set(names), []
    for name in names:
        new = name
        if counts[name] > 1:
            numbered = (f"{name}-{number}" for number in itertools.count(1))
            new = next(one for one in numbered if one not in taken)
            taken.add(new)
        found.append(new)
    return found


def _name(path: str) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", path, flags=re.IGNORECASE).replace("/", "-")


def check_masked(scans: NewScans, brain_masks: str) -> None:
    """Check that the scans have brain masks where the training scans had them, and only there.

    Args:
        scans: The new scans.
        brain_masks: Whether `all`, `some` or `none` of the training scans had one.

    Raises:
        UserError: If their intensities would be normalised in another way than in training.
    """
    masked = [scan.brain_mask != "" for scan in scans.files]
    if brain_masks == "all" and not all(masked):
        raise UserError(
            "--scans: the network was trained on scans with brain masks, so each new scan needs "
            "one: give a table (.csv) with the column brain_mask"
        )
    if brain_masks == "none" and any(masked):
        raise UserError(
            "--scans: the network was trained on scans without brain masks; remove the column "
            "brain_mask"
        )
