"""Collections downloaded, checked, and unpacked as far as a study needs them."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from headstart.common import files
from headstart.common.disk import check_space
from headstart.common.disk import gigabytes
from headstart.common.disk import space
from headstart.common.errors import UserError
from headstart.common.meter import say
from headstart.data.collections import MARKER
from headstart.data.collections import Collection
from headstart.data.collections import Modality
from headstart.data.collections import absolute
from headstart.data.credits import account_of
from headstart.data.download import download
from headstart.data.download import local_path
from headstart.data.fetch_job import HIDDEN
from headstart.data.fetch_job import FetchJob
from headstart.data.fetch_lock import ArchiveLock
from headstart.data.fetch_lock import check_lock
from headstart.data.file_checks import Checks
from headstart.data.file_checks import Digests
from headstart.data.file_checks import Receipt
from headstart.data.file_checks import digests_of
from headstart.data.unpack import checksums
from headstart.data.unpack import unpack_archives

# Set in the job that Snakemake's main process may be: compute nodes must not download.
HEAD_JOB = "HEADSTART_HEAD_JOB"


def fetch(job: FetchJob) -> None:
    """Fetch one source; leave alone what is there already.

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
        lock = ArchiveLock(job.lock)
        for modality in modalities.values():
            for name in (*source.tables, *modality.tables):
                _keep_table(name, job, source, lock)
        archives = {
            name: _obtain(name, job, source, lock)
            for name in _unique(modality.archives for modality in missing.values())
        }
        unpack_archives(missing, archives, job)
        check_lock(modalities, job, source, lock)
        files.write_json(job.output / MARKER, account_of(job, source))


def show_plan(jobs: Sequence[FetchJob]) -> None:
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


@contextmanager
def _alone(hidden: Path) -> Iterator[None]:
    """Let one process at a time fetch a source; the kernel releases the lock of a killed one."""
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
    """Whether a modality is completely unpacked: its folder and marker appear together."""
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
            "what is asked for now; move it away to fetch again"
        )
    return True


def _check_place(job: FetchJob, source: Collection, missing: Mapping[str, Modality]) -> None:
    """Refuse to download where this is not allowed."""
    far = [name for name in _absent(job, source, missing) if not _is_staged(name, job)]
    if far and os.environ.get(HEAD_JOB):
        raise UserError(
            f"{job.request.source}: {far[0]} must be downloaded, which a job must not do; first "
            "run `headstart fetch --prefetch --config STUDY.yaml` on a login or transfer node "
            f"(files missing: {len(far)})"
        )


def _absent(job: FetchJob, source: Collection, missing: Mapping[str, Modality]) -> list[str]:
    """Return the tables and the archives that are needed and not there."""
    chosen = source.choose(job.request.modality).values()
    tables = _unique([source.tables, *(modality.tables for modality in chosen)])
    archives = _unique(modality.archives for modality in missing.values())
    return [name for name in tables if not (job.output / name).exists()] + archives


def _missing_sizes(
    job: FetchJob, source: Collection, missing: Mapping[str, Modality]
) -> dict[str, int]:
    """Return about how many bytes each missing file will take; 0 if not known."""
    sizes = {}
    for name in _absent(job, source, missing):
        if not _is_staged(name, job):
            part = job.output / HIDDEN / f"{name}.part"
            there = part.stat().st_size if part.exists() else 0
            sizes[name] = max(0, (source.files[name].size or 0) - there)
    for name, modality in missing.items():
        sizes[f"{name}, unpacked"] = int((modality.gigabytes or 0) * 1e9)
    return sizes


def _is_staged(name: str, job: FetchJob) -> bool:
    """Whether an archive needs no download, and no room: it is here, or in a local mirror."""
    urls = _urls(name, job, job.request.resolve())
    places = [job.output / HIDDEN / name, *filter(None, map(local_path, urls))]
    return any(place.exists() for place in places)


def _unique(groups: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for group in groups for name in group))


def _urls(name: str, job: FetchJob, source: Collection) -> list[str]:
    """Return where to look for a file: the user's mirrors, then the published ones."""
    own = [_address(mirror, name) for mirror in job.request.mirrors]
    return own + [absolute(url, Path()) for url in source.files[name].mirrors]


def _address(mirror: str, name: str) -> str:
    """Return the address of a file: a mirror may be a folder or the file, here or far away."""
    base = absolute(mirror, Path()).rstrip("/")
    return base if base.endswith(f"/{quote(name)}") else f"{base}/{quote(name)}"


def _obtain(name: str, job: FetchJob, source: Collection, lock: ArchiveLock) -> Receipt:
    """Return a verified archive or table, downloading it only if it isn't here."""
    path = job.output / HIDDEN / name
    checks = lock.checks(name, source)
    receipt = _here(path, checks)
    if receipt is None:
        receipt = download(_urls(name, job, source), path, checks)
    if not checks.decisive:
        where = f"locked in {job.lock}" if job.lock else "not locked, as no --lock was given"
        say(f"{name}: nobody publishes its checksum; once it is found complete, it is {where}")
    files.write_json(_receipt(path), checksums(receipt))
    return receipt


def _here(path: Path, checks: Checks) -> Receipt | None:
    """Return an archive that is in its place already, whoever put it there."""
    if not path.exists():
        return None
    note = _receipt(path)
    known = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
    if known.get("bytes") == path.stat().st_size:
        found = Digests(known["bytes"], known["sha256"], known["md5"])
    else:
        found = digests_of(path)
    fault = checks.fault(found)
    if fault:
        raise UserError(f"{path}: {fault}; delete it and fetch again")
    return Receipt(path, known.get("url", path.resolve().as_uri()), found)


def _receipt(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _keep_table(name: str, job: FetchJob, source: Collection, lock: ArchiveLock) -> None:
    """Put a table in its place; one that is there must be the one that was fetched."""
    path = job.output / name
    note = _receipt(job.output / HIDDEN / name)
    if path.exists() and note.exists():
        known = json.loads(note.read_text(encoding="utf-8"))
        if files.sha256(path) != known["sha256"]:
            raise UserError(
                f"{path}: was changed since it was fetched; move it away to fetch again"
            )
        lock.keep(name, known)
        return
    if path.exists():  # put there by hand
        path.replace(note.with_name(name))
    receipt = _obtain(name, job, source, lock)
    with files.temporary(path) as draft:
        shutil.copyfile(receipt.path, draft)
    (job.output / HIDDEN / name).unlink(missing_ok=True)
    lock.keep(name, checksums(receipt))
