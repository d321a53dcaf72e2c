"""A dataset in the Brain Imaging Data Structure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from headstart.common.errors import UserError
from headstart.common.walk import list_files
from headstart.data import bids
from headstart.data.config import Source
from headstart.data.found_scans import FoundScan
from headstart.data.layouts.identity import make_scan
from headstart.data.layouts.lookup import bindings
from headstart.data.layouts.lookup import of_another
from headstart.data.layouts.lookup import reason_of
from headstart.data.layouts.lookup import wanted_files
from headstart.data.preferred import complete
from headstart.data.preferred import of_same_scan
from headstart.data.preferred import preferred


def from_bids(source: Source, folder: Path) -> list[FoundScan]:
    """List the scans of a dataset in the Brain Imaging Data Structure.

    Args:
        source: The source's section of the config.
        folder: The dataset's folder.

    Raises:
        UserError: If it holds no subject's folder, or a channel or mask is no name in BIDS.
    """
    names = {name: bids.Name.parse(text) for name, text in wanted_files(source).items()}
    dataset = bids.read_dataset(*list_files(folder))
    if not dataset.visits:
        raise UserError(
            f"{folder}: has no folder sub-… of a subject, as BIDS asks for; correct `root` or "
            "`path`, or choose another `layout`"
        )
    there = {
        name: {
            visit: dataset.files.get((wanted.folder, wanted.suffix, *visit), {})
            for visit in dataset.visits
        }
        for name, wanted in names.items()
    }
    bound = bindings(
        source,
        {
            name: [wanted.choose(files) for files in there[name].values()]
            for name, wanted in names.items()
        },
    )
    first = next(iter(names))
    scans = []
    for visit in dataset.visits:
        own = [
            _visit_scan(source, names, visit, path, {n: there[n][visit] for n in names}, bound)
            for path in names[first].choose(there[first][visit]) or [""]
        ]
        left = preferred(complete(own), source.prefer)
        if len(left) > 1:
            home = _home(*visit)
            own = own[:1]
            own[0].path, own[0].reason = home, reason_of(first)
            own[0].detail = _lookup(home, source.templates[first], first, left, there[first][visit])
        scans += own
    return scans + _without_image(names, dataset) + _strays(dataset)


def _without_image(names: Mapping[str, bids.Name], dataset: bids.Dataset) -> list[FoundScan]:
    """Return the masks and further channels of visits that have no image."""
    return [
        FoundScan(
            subject=key[2],
            session=key[3],
            path=path,
            reason="no-image",
            detail=f"{path}: this {name} has no image of its subject and session; add it, or "
            "remove this",
        )
        for name, wanted in names.items()
        for key, there in dataset.files.items()
        if key[:2] == (wanted.folder, wanted.suffix) and key[2:] not in dataset.visits
        for path in wanted.choose(there)
    ]


def _strays(dataset: bids.Dataset) -> list[FoundScan]:
    """Return the files whose name and folder contradict each other."""
    scans = [FoundScan("", "", path) for path in dataset.strays]
    for scan in scans:
        scan.reject(
            "no-subject", f"{scan.path}: its name and its folder name two people or sessions"
        )
    return scans


def _home(subject: str, session: str) -> str:
    return f"sub-{subject}" + (f"/ses-{session}" if session else "")


def _visit_scan(
    source: Source,
    names: Mapping[str, bids.Name],
    visit: tuple[str, str],
    path: str,
    there: Mapping[str, Mapping[str, frozenset[str]]],
    bound: Mapping[str, Mapping[str, set[str]]],
) -> FoundScan:
    """Make the scan of one of a visit's images, '' for none, with the masks and channels of it."""
    subject, session = visit
    home = _home(subject, session)
    fields = {"subject": subject} | ({"session": session} if session else {})
    scan = make_scan(source, fields, path or home, source.source)
    first = next(iter(names))
    for name, wanted in names.items():
        fit = there[name]
        own = {file: fit[file] for file in fit if of_same_scan(path, file, bound[name])}
        found = [path] if path and name == first else wanted.choose(own, source.prefer)
        if len(found) == 1:
            scan.paths[name] = found[0]
        elif name in source.optional and not found:
            continue
        elif not found and (others := wanted.choose(fit)):
            scan.reject(reason_of(name), of_another(name, others[0], path))
        else:
            text = wanted_files(source)[name]
            scan.reject(reason_of(name), _lookup(home, text, name, found, fit))
    return scan


def _lookup(
    home: str, wanted: str, name: str, found: list[str], there: Mapping[str, frozenset[str]]
) -> str:
    """Say that no file fits, or which entity would tell several apart."""
    if not found:
        return f"{home}: no file fits '{wanted}' of {name}; add it"
    one, two = found[:2]
    entity = min(there[one] - there[two] or there[two] - there[one], default="")
    fix = f"name what tells them apart, e.g. `prefer: {entity}`" if entity else "remove one"
    return f"{home}: {len(found)} files fit '{wanted}' of {name}, e.g. {one} and {two}; {fix}"
