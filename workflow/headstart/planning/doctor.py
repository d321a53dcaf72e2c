"""What this machine, the disk and a cluster offer, and what a study needs."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import platform
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import headstart
from headstart.cluster import gridengine
from headstart.cluster import machine
from headstart.common import packages
from headstart.common.disk import gigabytes
from headstart.common.disk import space
from headstart.common.errors import UserError
from headstart.data.layouts.source import read_source
from headstart.planning import plan
from headstart.study.config import Config
from headstart.study.estimates import classes_learnt
from headstart.study.estimates import prepared_bytes
from headstart.study.estimates import run_bytes
from headstart.study.estimates import training_memory
from headstart.study.estimates import training_seconds
from headstart.study.part_sizes import expected_sizes
from headstart.training.length import length_in_words

LIBRARIES = ("snakemake", "torch", "monai", "torchio", "nibabel", "numpy", "pandas")
# Every line about something to fix begins so.
FIX = "TO FIX: "
# File systems that other machines see too.
SHARED = ("nfs", "lustre", "gpfs", "beegfs", "ceph", "afs", "smb", "cifs", "glusterfs", "panfs")


def environment(project: Path) -> Iterator[str]:
    """Describe Python and the libraries, and compare them with the lock."""
    yield f"headstart {headstart.__version__}, Python {platform.python_version()}"
    yield ", ".join(f"{name} {_version(name) or 'missing'}" for name in LIBRARIES)
    if foreign := packages.foreign():
        yield f"{FIX}{foreign}"
    lock = project / "envs" / "lock.txt"
    if not lock.is_file():
        yield f"{lock}: is not there; versions were not compared (--project names the checkout)"
        return
    pins = re.findall(r"^([\w.-]+)==([^\s;+]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    missing = [name for name, _ in pins if _version(name) is None]
    other = [
        f"{name} {_version(name)} instead of {wanted}"
        for name, wanted in pins
        if name not in missing and _version(name) != wanted
    ]
    if missing:
        yield f"{FIX}not installed: {', '.join(missing[:9])}; pip install -r {lock}"
    if other:
        yield f"other versions than {lock}: {', '.join(other[:5])}"
    if not missing and not other:
        yield f"all {len(pins)} packages are as {lock} says"


def caches(results: Path) -> Iterator[str]:
    """Say if Snakemake has no place for its cache, without which it does not start."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    try:
        cache.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=cache).close()
    except OSError as error:
        yield (
            f"{FIX}{cache}, where Snakemake keeps its cache, can't be written to "
            f"({error.strerror}): `export XDG_CACHE_HOME={results.resolve() / '.cache'}`"
        )


def locks(results: Path) -> Iterator[str]:
    """Say if the results lie where files can't be locked, which jobs on a cluster need."""
    folder = next(path for path in (results.resolve(), *results.resolve().parents) if path.is_dir())
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        yield (
            f"{FIX}{folder}: no file can be locked there ({error.strerror}), as jobs on a cluster "
            "need; set `results` to another disk"
        )


def hardware(project: Path) -> Iterator[str]:
    """Describe memory, disk and GPUs."""
    room = space(project)
    quota = "" if room.quota is None else f", quota leaves {gigabytes(room.quota)}"
    yield (
        f"{os.cpu_count()} cores, {machine.main_memory() / 1e9:.0f} GB of memory, "
        f"{gigabytes(room.free)} free in {project.resolve()}{quota}"
    )
    yield from describe_gpus() or ["no GPU: trainings run on the CPU"]


def describe_gpus() -> list[str]:
    """Describe each GPU, and say whether torch can use it."""
    found = machine.gpus()
    if not found:
        return []
    import torch

    # the wheel's architectures, e.g. sm_86; code for one of them runs on later minor versions
    known = [int(name[3:]) for name in torch.cuda.get_arch_list() if name.startswith("sm_")]
    lines = []
    for gpu in found:
        what = f"{gpu.name}, compute capability {gpu.capability}, {gpu.memory / 1e9:.0f} GB"
        number = int(gpu.capability.replace(".", ""))
        usable = any(number // 10 == arch // 10 and number >= arch for arch in known)
        verdict = "usable" if usable else f"torch {torch.__version__} has no code for it"
        lines.append(f"{what}: {verdict}")
    return lines


def study(
    config: Config, project: Path, place: machine.Place, *, cluster: bool = False
) -> Iterator[str]:
    """Say whether a study fits the memory and the disk.

    Args:
        config: The study.
        project: Folder of the checkout; relative roots start here.
        place: Where its trainings are to run.
        cluster: Whether its jobs run on other machines.
    """
    yield f"study {config.study}, on {place.name}:"
    results = project / config.results
    scans = 0
    for source in config.data:
        fetched = source.request is not None or source.source == "demo"
        if fetched and not (project / config.root / source.folder).is_dir():
            yield f"  {source.source}: is fetched when it runs; its scans are not counted yet"
            continue
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                found = read_source(source, project / config.root)
            scans += sum(not scan.reason for scan in found)
        except UserError as error:
            yield f"{FIX}{error}"
    yield from _disk(config, scans, results)
    for folder in [project / config.root, results] if cluster else []:
        kind = file_system(folder)
        if kind is not None and not kind.startswith(SHARED):
            yield (
                f"{FIX}{folder.resolve()} lies on {kind}, which compute nodes hardly see; set "
                "`root` and `results` to folders that all machines share"
            )
    for name in config.experiments:
        yield from _experiment(config, name, place, scans)


def cluster(profile: Path) -> list[str]:
    """Describe whether the cluster accepts the workflow's requests."""
    site = os.environ.get(machine.SITE, machine.DEFAULT_SITE)
    lines = [f"Site {site} ({machine.SITE} chooses another one of {profile / 'sites'}):"]
    for verdict in gridengine.verdicts(profile):
        lines.append(f"  {verdict.kind}: {'accepted' if verdict.accepted else 'REFUSED'}")
        lines.append(f"    {verdict.request}")
        if not verdict.accepted:
            lines.append(f"    {verdict.reason}")
    types = ", ".join(f"{name} ({n})" for name, n in gridengine.gpu_types().items())
    lines.append(f"Types of GPU: {types or 'the cluster names none'}")
    may, nodes = gridengine.hosts_that_may_submit()
    head = "profiles/sge/head.sh works" if may else "profiles/sge/head.sh can't work"
    lines.append(f"{may} of {nodes} compute nodes may submit jobs: {head}")
    return lines


def file_system(folder: Path) -> str | None:
    """Return the type of file system that a folder lies on, e.g. nfs4; None if unknown."""
    mounts = Path("/proc/mounts")
    if not mounts.is_file():
        return None
    fields = [line.split(" ") for line in mounts.read_text(encoding="utf-8").splitlines()]
    kinds = {Path(place.replace("\\040", " ")): kind for _, place, kind, *_ in fields}
    here = folder.resolve()
    return next((kinds[path] for path in (here, *here.parents) if path in kinds), None)


def _disk(config: Config, scans: int, results: Path) -> Iterator[str]:
    prepared = prepared_bytes(config, scans)
    runs = sum(
        run_bytes(config, name, scans) * len(config.runs(name)) for name in config.experiments
    )
    room = space(results).room
    said = (
        f"{scans} scans: prepared volumes take {gigabytes(prepared)}, the runs about "
        f"{gigabytes(runs)}; {results.resolve()} has room for {gigabytes(room)}"
    )
    fits = prepared + runs <= room
    yield f"  {said}" if fits else f"{FIX}{said}; set `results` to a larger disk"


def _experiment(config: Config, name: str, place: machine.Place, scans: int) -> Iterator[str]:
    train, window = config.experiments[name].train, config.prepare.window
    memory = training_memory(train, window, classes_learnt(config, name), gpu=place.gpu)
    if memory is None:
        yield f"  {name}: {train.network} is your own; its memory is not known"
        return
    kind, seen = "windows" if train.patches is None else "patches", train.seen(window)
    said = (
        f"{name}: {train.network}, {train.batch_size} {kind} of {'x'.join(map(str, seen))} in a "
        f"step fill about {memory / 1e9:.1f} GB of {place.memory / 1e9:.1f} GB"
    )
    if memory > place.memory:
        yield f"{FIX}{said}; take a smaller batch_size or a larger voxel_size"
        return
    seconds = training_seconds(train, config.prepare, expected_sizes(config, name, scans))
    if seconds and not place.gpu:
        took = plan.duration(seconds / 3600)
        said += f"; {length_in_words(train)} take about {took} on free cores"
    yield f"  {said}"


def _version(library: str) -> str | None:
    found = packages.version_in_use(library)
    return found and found.split("+")[0]
