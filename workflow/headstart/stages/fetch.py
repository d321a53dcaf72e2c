"""Download public collections, check them, and unpack what a study needs."""

from __future__ import annotations

import argparse
import fcntl
import getpass
import json
import os
import re
import shutil
import signal
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from headstart.parts import files
from headstart.parts.analyze import SPACES
from headstart.parts.analyze import convert
from headstart.parts.archives import extract
from headstart.parts.config import read_config
from headstart.parts.download import Checks
from headstart.parts.download import Digests
from headstart.parts.download import Receipt
from headstart.parts.download import check_space
from headstart.parts.download import digest
from headstart.parts.download import download
from headstart.parts.download import gigabytes
from headstart.parts.download import local_path
from headstart.parts.download import say
from headstart.parts.download import space
from headstart.parts.errors import UserError
from headstart.parts.sources import MARKER
from headstart.parts.sources import Modality
from headstart.parts.sources import Request
from headstart.parts.sources import Source
from headstart.parts.sources import absolute
from headstart.parts.sources import read_request
from headstart.parts.yaml_text import load

# Beside the data: the archives, their receipts, and what is being unpacked.
HIDDEN = ".fetch"
# Set in the job that Snakemake's main process may be: compute nodes must not download.
HEAD_JOB = "HEADSTART_HEAD_JOB"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    one = parser.add_argument_group("one source")
    one.add_argument("--source", help="ixi, oasis1, neurite-oasis, msd-task01 …, or a new name")
    one.add_argument(
        "--modality", action="append", default=[], help="e.g. T1; again for each further one"
    )
    one.add_argument("--output", type=Path, help="the source's folder, e.g. data/ixi")
    one.add_argument("--lock", type=Path, help="file that keeps checksums, e.g. config/ixi.lock")
    one.add_argument("--url", help="an archive that is not in the catalogue")
    one.add_argument("--md5", help="its md5")
    one.add_argument("--sha256", help="its sha256")
    one.add_argument("--bytes", type=int, help="its size")
    one.add_argument("--accept-terms", action="store_true", help="you accept the source's terms")
    every = parser.add_argument_group("all sources of a study")
    every.add_argument("--config", type=Path, help="the study, e.g. config/ixi.yaml")
    every.add_argument("--settings", help='JSON: {"sources": [{"source": …, "modality": […]}]}')
    every.add_argument("--data", type=Path, help="data root; the default is the study's `root`")
    every.add_argument("--locks", type=Path, help="folder of NAME.lock; the default is config")
    parser.add_argument(
        "--mirror",
        action="append",
        default=[],
        help="folder or address to look in first; for sites without internet, a folder of archives",
    )
    parser.add_argument(
        "--plan", action="store_true", help="print what would come and whether it fits; fetch none"
    )
    parser.add_argument(
        "--prefetch", action="store_true", help="go on when the ssh connection drops"
    )
    parser.add_argument(
        "--credits",
        type=Path,
        help="write licences and the sentences to cite to this table; fetch none",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    jobs = _jobs(arguments)
    if not jobs:
        print(f"{arguments.config}: nothing to fetch, its scans are in folders of your own")
    elif arguments.plan:
        plan(jobs)
    elif arguments.credits:
        write_credits(jobs, arguments.credits)
    else:
        if arguments.prefetch:
            _survive_hangup(jobs[0].output.parent / "prefetch.log")
        for job in jobs:
            fetch(job)


@dataclass(frozen=True)
class Job:
    """One source to fetch.

    Attributes:
        request: What is wanted of it.
        output: The source's folder.
        lock: File with the checksums of the first verified downloads.
    """

    request: Request
    output: Path
    lock: Path | None


def fetch(job: Job) -> None:
    """Fetch one source; what is there already is left alone.

    `output` then holds the tables, one folder per modality, and `fetched.json`: archives with
    their sha256, counts, licence, the sentence to cite and the acceptance of the terms. The
    archives stay in `output/.fetch`, where they may be deleted.

    Args:
        job: The source, its folder and its lock.

    Raises:
        UserError: If the terms aren't accepted, no mirror has the right bytes, there is no room,
            an archive doesn't hold what it should, or a job is asked to download.
    """
    source = job.request.resolve()
    modalities = source.choose(job.request.modality)
    refusal = job.request.refusal()
    if refusal:
        raise UserError(refusal)
    hidden = job.output / HIDDEN
    hidden.mkdir(parents=True, exist_ok=True)
    with _alone(hidden):
        missing = _missing(modalities, job.output)
        _check_place(job, source, missing)
        sizes = _missing_sizes(job, source, missing)
        check_space(job.output, sum(sizes.values()), job.request.source)
        lock = _Lock(job.lock)
        for modality in modalities.values():
            for name in (*source.tables, *modality.tables):
                _keep_table(name, job, source, lock)
        archives = {
            name: _obtain(name, job, source, lock)
            for name in _unique(modality.archives for modality in missing.values())
        }
        _unpack(missing, archives, job)
        _check_lock(modalities, job, source, lock)
        files.write_json(job.output / MARKER, _account(job, source))


def write_credits(jobs: Sequence[Job], output: Path) -> None:
    """Write each source's licence, terms, their acceptance, and the sentence to cite.

    Args:
        jobs: The sources; all of them are fetched.
        output: The table, a .csv.
    """
    rows = []
    for job in jobs:
        account = json.loads((job.output / MARKER).read_text(encoding="utf-8"))
        row = {key: account[key] for key in ("source", "title", "licence", "terms")}
        accepted = account["accepted"]
        row["accepted"] = f"{accepted['by']}, {accepted['when']}" if accepted else "not asked for"
        rows.append(row | {"cite": account["cite"]})
    files.write_csv(output, pd.DataFrame(rows))


def plan(jobs: Sequence[Job]) -> None:
    """Print what would be downloaded, where to, and whether it fits.

    Args:
        jobs: The sources.

    Raises:
        UserError: If it doesn't fit.
    """
    needed = 0
    for job in jobs:
        source = job.request.resolve()
        modalities = source.choose(job.request.modality)
        print(f"{job.request.source}: {source.title}\n  licence: {source.licence}, {source.terms}")
        if job.request.refusal():
            print("  its terms must be accepted first: accept_terms: true, or --accept-terms")
        missing = _missing(modalities, job.output)
        sizes = _missing_sizes(job, source, missing)
        for name, size in sizes.items():
            print(f"  {name}: {gigabytes(size) if size else 'size not known'}")
        total = sum(sizes.values())
        print(f"  {len(sizes)} to fetch or unpack, {gigabytes(total)}, into {job.output.resolve()}")
        needed += total
    there = space(jobs[0].output)
    quota = "no quota known" if there.quota is None else f"quota leaves {gigabytes(there.quota)}"
    print(f"needed {gigabytes(needed)}; free {gigabytes(there.free)}, {quota}")
    check_space(jobs[0].output, needed, "the plan")


class _Lock:
    """The sha256 that files had when they were first found right."""

    def __init__(self, path: Path | None):
        self.path = path
        self._entries: dict[str, dict[str, Any]] = {}
        if path is None or not path.exists():
            return
        try:
            self._entries = json.loads(path.read_text(encoding="utf-8"))
            faulty = [name for name, entry in self._entries.items() if len(entry["sha256"]) != 64]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"{path}: is not a lock file ({error!r}); restore it") from error
        if faulty:
            raise UserError(f"{path}: the sha256 of {faulty[0]} has not 64 digits; restore it")

    def checks(self, name: str, source: Source) -> Checks:
        """Return what is known of a file; what is locked goes before what is published."""
        entry, file = self._entries.get(name), source.files[name]
        if entry is not None:
            if file.sha256 not in (None, entry["sha256"]):
                raise UserError(
                    f"{self.path}: {name} is locked with another sha256 than the study or the "
                    "catalogue gives; remove the wrong one"
                )
            return Checks(sha256=entry["sha256"])
        return Checks(file.md5, file.sha256, file.bytes)

    def keep(self, name: str, receipt: Mapping[str, Any]) -> None:
        """Lock a file, or check it against its lock."""
        locked = self._entries.get(name, {}).get("sha256", receipt["sha256"])
        if locked != receipt["sha256"]:
            raise UserError(
                f"{self.path}: {name} had another sha256 when it was locked; delete what was "
                "fetched from it, or its entry in the lock if the new file is the right one"
            )
        if self.path is not None and name not in self._entries:
            self._entries[name] = {key: receipt[key] for key in ("sha256", "bytes", "url")}
            files.write_json(self.path, self._entries)


def _jobs(arguments: argparse.Namespace) -> list[Job]:
    mirrors = tuple(arguments.mirror)
    if arguments.source is not None:
        if arguments.output is None:
            raise UserError("fetch: --source needs --output, the source's folder")
        names = ("source", "modality", "accept_terms", "url", "md5", "sha256", "bytes")
        values = {name: getattr(arguments, name) for name in names} | {"mirrors": mirrors}
        return [Job(read_request(values), arguments.output, arguments.lock)]
    root = arguments.data
    if arguments.config is not None:
        config = read_config(load(_text_of(arguments.config)))
        requests = [source.request for source in config.data if source.request is not None]
        root = Path(config.root) if root is None else root
    elif arguments.settings is not None:
        requests = [read_request(values) for values in json.loads(arguments.settings)["sources"]]
    else:
        raise UserError("fetch: say what: --config STUDY, --settings JSON, or --source NAME")
    if root is None:
        raise UserError("fetch: --settings needs --data, the data root")
    locks = arguments.locks or Path("config")
    return [
        Job(
            one.model_copy(update={"mirrors": (*mirrors, *one.mirrors)}),
            root / one.source,
            locks / f"{one.source}.lock",
        )
        for one in requests
    ]


def _text_of(config: Path) -> str:
    try:
        return config.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{config}: is not there; name your study's file with --config") from None


def _survive_hangup(log: Path) -> None:
    """When the terminal goes away, write on to a log file."""

    def move_on(*_: object) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        log.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, 1)
        os.dup2(file, 2)

    signal.signal(signal.SIGHUP, move_on)


@contextmanager
def _alone(hidden: Path) -> Iterator[None]:
    """Let one process at a time fetch a source; the kernel frees a killed one's turn."""
    with (hidden / "running").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{hidden.parent}: another process is fetching this source; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _missing(modalities: Mapping[str, Modality], output: Path) -> dict[str, Modality]:
    return {
        title: modality
        for title, modality in modalities.items()
        if modality.archives and not _is_complete(output / title, modality)
    }


def _is_complete(folder: Path, modality: Modality) -> bool:
    """Whether a modality was unpacked to the end: its folder and marker appear together."""
    # Snakemake makes the folders of its outputs beforehand
    if not folder.exists() or not any(folder.iterdir()):
        return False
    marker = folder / f".{MARKER}"
    if not marker.exists():
        raise UserError(
            f"{folder}: is there, but was not made by fetch; move it away, or describe it in the "
            "config as your own source"
        )
    note = json.loads(marker.read_text(encoding="utf-8"))
    if set(note["archives"]) != set(modality.archives) or note["members"] != modality.members:
        raise UserError(
            f"{folder}: was unpacked from {', '.join(note['archives'])}, or by other names, than "
            "what is asked for now; move it away to fetch anew"
        )
    return True


def _check_place(job: Job, source: Source, missing: Mapping[str, Modality]) -> None:
    """Refuse to download where that is not allowed."""
    far = [name for name in _absent(job, source, missing) if not _is_staged(name, job)]
    if far and os.environ.get(HEAD_JOB):
        raise UserError(
            f"{job.request.source}: {far[0]} must be downloaded, which a job must not do; first "
            "run `headstart fetch --prefetch --config STUDY.yaml` on a login or transfer node "
            f"(files missing: {len(far)})"
        )


def _absent(job: Job, source: Source, missing: Mapping[str, Modality]) -> list[str]:
    """Return the tables and the archives that are needed and not there."""
    chosen = source.choose(job.request.modality).values()
    tables = _unique([source.tables, *(modality.tables for modality in chosen)])
    archives = _unique(modality.archives for modality in missing.values())
    return [name for name in tables if not (job.output / name).exists()] + archives


def _missing_sizes(job: Job, source: Source, missing: Mapping[str, Modality]) -> dict[str, int]:
    """Return the bytes, about, that each thing that is missing will take; 0 if not known."""
    sizes = {}
    for name in _absent(job, source, missing):
        if not _is_staged(name, job):
            part = job.output / HIDDEN / f"{name}.part"
            there = part.stat().st_size if part.exists() else 0
            sizes[name] = max(0, (source.files[name].size or 0) - there)
    for name, modality in missing.items():
        sizes[f"{name}, unpacked"] = int((modality.gigabytes or 0) * 1e9)
    return sizes


def _is_staged(name: str, job: Job) -> bool:
    """Whether an archive needs no download, and no room: it is here, or in a local mirror."""
    urls = _urls(name, job, job.request.resolve())
    places = [job.output / HIDDEN / name, *filter(None, map(local_path, urls))]
    return any(place.exists() for place in places)


def _unique(groups: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for group in groups for name in group))


def _urls(name: str, job: Job, source: Source) -> list[str]:
    """Return where to look for a file: the user's mirrors, then the published ones."""
    own = [_address(mirror, name) for mirror in job.request.mirrors]
    return own + [absolute(url, Path()) for url in source.files[name].mirrors]


def _address(mirror: str, name: str) -> str:
    """Return the address of a file: a mirror may be a folder or the file, here or far away."""
    base = absolute(mirror, Path()).rstrip("/")
    return base if base.endswith(f"/{quote(name)}") else f"{base}/{quote(name)}"


def _obtain(name: str, job: Job, source: Source, lock: _Lock) -> Receipt:
    """Return a verified archive or table, downloading it only if it isn't here."""
    path = job.output / HIDDEN / name
    checks = lock.checks(name, source)
    receipt = _here(path, checks)
    if receipt is None:
        receipt = download(_urls(name, job, source), path, checks)
    if not checks.decisive:
        where = f"locked in {job.lock}" if job.lock else "not locked, as no --lock was given"
        say(f"{name}: nobody publishes its checksum; once it is found complete, it is {where}")
    files.write_json(_receipt(path), _sums(receipt))
    return receipt


def _here(path: Path, checks: Checks) -> Receipt | None:
    """Return an archive that lies in its place already, whoever put it there."""
    if not path.exists():
        return None
    note = _receipt(path)
    known = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    if known.get("bytes") == path.stat().st_size:
        found = Digests(known["bytes"], known["sha256"], known["md5"])
    else:
        found = digest(path)
    fault = checks.fault(found)
    if fault:
        raise UserError(f"{path}: {fault}; delete it and fetch again")
    return Receipt(path, known.get("url", path.resolve().as_uri()), found)


def _receipt(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _keep_table(name: str, job: Job, source: Source, lock: _Lock) -> None:
    """Put a table in its place; one that is there must be the one that was fetched."""
    path = job.output / name
    note = _receipt(job.output / HIDDEN / name)
    if path.exists() and note.exists():
        known = json.loads(note.read_text(encoding="utf-8"))
        if files.sha256(path) != known["sha256"]:
            raise UserError(f"{path}: was changed since it was fetched; move it away to fetch anew")
        lock.keep(name, known)
        return
    if path.exists():  # put there by hand
        path.replace(note.with_name(name))
    receipt = _obtain(name, job, source, lock)
    with files.temporary(path) as draft:
        shutil.copyfile(receipt.path, draft)
    (job.output / HIDDEN / name).unlink(missing_ok=True)
    lock.keep(name, _sums(receipt))


def _unpack(missing: Mapping[str, Modality], archives: Mapping[str, Receipt], job: Job) -> None:
    """Unpack the missing modalities, each archive once, and show their folders when complete."""
    draft = job.output / HIDDEN / "unpacking"
    if draft.exists():
        shutil.rmtree(draft)
    if not missing:
        return
    draft.mkdir()
    unpacked: dict[str, list[str]] = {name: [] for name in missing}
    try:
        for number, (name, receipt) in enumerate(archives.items(), start=1):
            say(f"{name}: unpacking, {number} of {len(archives)}")
            wanted = {
                title: modality.pattern
                for title, modality in missing.items()
                if name in modality.archives
            }
            for title, names in extract(receipt.path, wanted, draft).items():
                unpacked[title] += _as_nifti(names, draft / title, missing[title])
        for title, modality in missing.items():
            counts = _count(unpacked[title], title, modality, job)
            sums = {name: _sums(archives[name]) for name in modality.archives}
            note = {
                "archives": sums,
                "members": missing[title].members,
                "counts": counts,
                "files": len(unpacked[title]),
            }
            files.write_json(draft / title / f".{MARKER}", note)
            (draft / title).rename(job.output / title)
            say(f"{job.output / title}: {len(unpacked[title])} files are complete")
    finally:
        shutil.rmtree(draft)


def _sums(receipt: Receipt) -> dict[str, Any]:
    return {"url": receipt.url, **asdict(receipt.digests)}


def _as_nifti(names: Sequence[str], folder: Path, modality: Modality) -> list[str]:
    """Convert Analyze pairs and remove them; return the names that are left."""
    if modality.space is None:
        return list(names)
    headers = [name for name in names if name.endswith(".hdr")]
    images = {name.removesuffix(".img") for name in names if name.endswith(".img")}
    alone = images - {name.removesuffix(".hdr") for name in headers}
    if alone:
        raise UserError(f"{folder / min(alone)}.img: its .hdr is missing; fetch the archive again")
    converted = []
    for name in headers:
        header = folder / name
        nifti = name.removesuffix(".hdr") + ".nii.gz"
        convert(header, SPACES[modality.space], folder / nifti)
        header.unlink()
        header.with_suffix(".img").unlink()
        converted.append(nifti)
    return converted


def _count(names: Sequence[str], title: str, modality: Modality, job: Job) -> dict[str, int]:
    """Count what was unpacked; a source that publishes how much there is must have as much."""
    if not names:
        raise UserError(
            f"{', '.join(modality.archives)}: nothing in it has a name of {job.request.source}'s "
            f"{title}; the archive is another one, or its layout has changed"
        )
    counts = {}
    for what, count in modality.counts.items():
        found = {match[0] for name in names if (match := re.search(count.of, name, re.ASCII))}
        if len(found) != count.expected:
            raise UserError(
                f"{job.request.source}, {title}: {len(found)} {what} were unpacked instead of "
                f"{count.expected}; an archive is not complete: delete {job.output / HIDDEN} and "
                "fetch again"
            )
        counts[what] = len(found)
    return counts


def _check_lock(modalities: Mapping[str, Modality], job: Job, source: Source, lock: _Lock) -> None:
    """Check that what was unpacked earlier came from the archives that are known, or locked."""
    for name, modality in modalities.items():
        if modality.archives:
            marker = job.output / name / f".{MARKER}"
            for archive, sums in json.loads(marker.read_text(encoding="utf-8"))["archives"].items():
                lock.keep(archive, sums)
                found = Digests(sums["bytes"], sums["sha256"], sums["md5"])
                fault = lock.checks(archive, source).fault(found)
                if fault:
                    raise UserError(
                        f"{marker.parent}: was unpacked from another {archive}: {fault}; move it "
                        "away to fetch anew"
                    )


def _account(job: Job, source: Source) -> dict[str, Any]:
    """Gather what is there of a source, by whichever study it was fetched."""
    modalities = {}
    for marker in sorted(job.output.glob(f"*/.{MARKER}")):
        modalities[marker.parent.name] = json.loads(marker.read_text(encoding="utf-8"))
    tables = {}
    for note in sorted((job.output / HIDDEN).glob("*.json")):
        name = note.name.removesuffix(".json")
        if (job.output / name).is_file():
            tables[name] = json.loads(note.read_text(encoding="utf-8"))
    return {
        "source": job.request.source,
        "title": source.title,
        "licence": source.licence,
        "terms": source.terms,
        "cite": source.cite,
        "accepted": _acceptance(job, source),
        "tables": tables,
        "modalities": modalities,
    }


def _acceptance(job: Job, source: Source) -> dict[str, str] | None:
    """Return who accepted the terms and when, as noted at the first time."""
    if not source.accept:
        return None
    note = job.output / HIDDEN / "terms"
    if not note.exists():
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entry = {"by": _user(), "when": now, "terms": source.terms}
        files.write_json(note, entry)
    return json.loads(note.read_text(encoding="utf-8"))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return str(os.getuid())
