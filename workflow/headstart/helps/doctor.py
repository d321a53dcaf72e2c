"""Say whether this machine, the disk and a cluster have what a study needs."""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from pathlib import Path

import yaml

import headstart
from headstart.parts import gridengine
from headstart.parts import machine
from headstart.parts import plan
from headstart.parts.config import Config
from headstart.parts.config import read_config
from headstart.parts.download import gigabytes
from headstart.parts.download import space
from headstart.parts.errors import UserError
from headstart.parts.layouts import read_source

LIBRARIES = ("snakemake", "torch", "monai", "torchio", "nibabel", "numpy", "pandas")
# Every line about something to mend begins so.
MEND = "TO MEND: "
# File systems that other machines see too.
SHARED = ("nfs", "lustre", "gpfs", "beegfs", "ceph", "afs", "smb", "cifs", "glusterfs", "panfs")
RUN_BYTES = 16  # per weight: a run keeps its network, and a checkpoint with the optimizer's state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--configfile", type=Path, help="ask whether this study can run")
    parser.add_argument("--profile", choices=["sge"], help="ask a Grid Engine cluster as well")
    parser.add_argument("--project", type=Path, default=Path(), help="folder of the checkout")


def run(arguments: argparse.Namespace) -> None:
    """Print what there is.

    Raises:
        UserError: If something is to be mended before a study can run.
    """
    lines = [*environment(arguments.project), *hardware(arguments.project)]
    profile = arguments.profile and arguments.project / "profiles" / arguments.profile
    if arguments.configfile:
        place = machine.site(profile) if profile else machine.this_machine()
        config = _config(arguments.configfile)
        lines += study(config, arguments.project, place, cluster=profile is not None)
    print("\n".join(lines))
    if profile:
        print("\n".join(cluster(profile)))
    mends = sum(line.startswith(MEND) for line in lines)
    if mends:
        raise UserError(f"doctor: {mends} to mend, above")


def environment(project: Path) -> Iterator[str]:
    """Describe Python and the libraries, and compare them with the lock."""
    yield f"headstart {headstart.__version__}, Python {platform.python_version()}"
    yield ", ".join(f"{name} {_version(name) or 'missing'}" for name in LIBRARIES)
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
        yield f"{MEND}not installed: {', '.join(missing[:9])}; pip install -r {lock}"
    if other:
        yield f"other versions than {lock}: {', '.join(other[:5])}"
    if not missing and not other:
        yield f"all {len(pins)} packages are as {lock} says"


def hardware(project: Path) -> Iterator[str]:
    """Describe memory, disk and cards."""
    room = space(project)
    quota = "" if room.quota is None else f", quota leaves {gigabytes(room.quota)}"
    yield (
        f"{os.cpu_count()} cores, {machine.main_memory() / 1e9:.0f} GB of memory, "
        f"{gigabytes(room.free)} free in {project.resolve()}{quota}"
    )
    yield from cards() or ["no card: trainings run on the CPU"]


def cards() -> list[str]:
    """Describe each card, and say whether torch can use it."""
    found = machine.cards()
    if not found:
        return []
    import torch

    # the wheel's architectures, e.g. sm_86; code for one of them runs on later minor versions
    known = [int(name[3:]) for name in torch.cuda.get_arch_list() if name.startswith("sm_")]
    lines = []
    for card in found:
        what = f"{card.name}, compute capability {card.capability}, {card.memory / 1e9:.0f} GB"
        number = int(card.capability.replace(".", ""))
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
            yield f"{MEND}{error}"
    yield from _disk(config, scans, results)
    for folder in [project / config.root, results] if cluster else []:
        kind = file_system(folder)
        if kind is not None and not kind.startswith(SHARED):
            yield (
                f"{MEND}{folder.resolve()} lies on {kind}, which compute nodes hardly see; set "
                "`root` and `results` to folders that all machines share"
            )
    for name, experiment in config.experiments.items():
        yield from _experiment(config, name, experiment.train.network, place, scans)


def cluster(profile: Path) -> list[str]:
    """Describe what the cluster would make of the workflow's requests."""
    site = os.environ.get(machine.SITE, machine.DEFAULT_SITE)
    lines = [f"Site {site} ({machine.SITE} chooses another one of {profile / 'sites'}):"]
    judged = gridengine.verdicts(profile)
    for verdict in judged:
        lines.append(f"  {verdict.kind}: {'accepted' if verdict.accepted else 'REFUSED'}")
        lines.append(f"    {verdict.request}")
        if not verdict.accepted:
            lines.append(f"    {verdict.reason}")
    types = ", ".join(f"{name} ({n})" for name, n in gridengine.card_types().items())
    lines.append(f"Types of card: {types or 'the cluster names none'}")
    may, nodes = gridengine.hosts_that_may_submit()
    head = "profiles/sge/head.sh works" if may else "profiles/sge/head.sh can't work"
    lines.append(f"{may} of {nodes} compute nodes may submit jobs: {head}")
    return lines


def file_system(folder: Path) -> str | None:
    """Return the kind of file system that a folder lies on, e.g. nfs4; None if it is not known."""
    mounts = Path("/proc/mounts")
    if not mounts.is_file():
        return None
    fields = [line.split(" ") for line in mounts.read_text(encoding="utf-8").splitlines()]
    kinds = {Path(place.replace("\\040", " ")): kind for _, place, kind, *_ in fields}
    here = folder.resolve()
    return next((kinds[path] for path in (here, *here.parents) if path in kinds), None)


def _config(path: Path) -> Config:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{path}: can't be read ({' '.join(str(error).split())})") from None
    return read_config(raw)


def _disk(config: Config, scans: int, results: Path) -> Iterator[str]:
    masks = any(source.mask for source in config.data)
    voxels = math.prod(config.prepare.window)
    prepared = scans * voxels * (2 * len(config.channels) + masks)
    runs = 0.0
    for name, experiment in config.experiments.items():
        cost = plan.COSTS.get(experiment.train.network)
        runs += RUN_BYTES * (cost.weights if cost else 0) * len(config.folds(name))
    room = space(results).room
    said = (
        f"{scans} scans: prepared volumes take {gigabytes(prepared)}, the runs about "
        f"{gigabytes(int(runs))}; {results.resolve()} has room for {gigabytes(room)}"
    )
    fits = prepared + runs <= room
    yield f"  {said}" if fits else f"{MEND}{said}; set `results` to a larger disk"


def _experiment(
    config: Config, name: str, network: str, place: machine.Place, scans: int
) -> Iterator[str]:
    train, window = config.experiments[name].train, config.prepare.window
    if network not in plan.COSTS:
        yield f"  {name}: {network} is your own; its memory is not known"
        return
    classes = len(config.classes) if config.experiments[name].task == "segmentation" else 0
    memory = plan.training_memory(
        network, train.network_arguments, window, train.batch_size, classes
    )
    said = (
        f"{name}: {network}, {train.batch_size} windows of {'x'.join(map(str, window))} in a step "
        f"fill about {memory / 1e9:.1f} GB of {place.memory / 1e9:.1f} GB"
    )
    if memory > place.memory:
        yield f"{MEND}{said}; take a smaller batch_size or a larger voxel_size"
        return
    if scans and not place.card:
        share = (1 - config.split.test) * (1 - 1 / config.split.folds) * (1 - config.split.inner)
        seconds = plan.epoch_seconds(network, train.network_arguments, window, int(scans * share))
        hours = train.epochs * seconds / min(train.threads, place.cores) / 3600
        said += f"; {train.epochs} epochs take about {plan.duration(hours)} on free cores"
    yield f"  {said}"


def _version(library: str) -> str | None:
    try:
        return version(library).split("+")[0]
    except PackageNotFoundError:
        return None
