"""Say whether this machine, or a cluster, has what the workflow needs."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from pathlib import Path

import headstart
from headstart.parts import gridengine
from headstart.parts.errors import UserError

LIBRARIES = ("snakemake", "torch", "monai", "torchio", "nibabel", "numpy", "pandas")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--profile", choices=["sge"], help="ask a Grid Engine cluster as well")
    parser.add_argument("--project", type=Path, default=Path(), help="folder of the checkout")


def run(arguments: argparse.Namespace) -> None:
    """Print what there is.

    Raises:
        UserError: If something is missing that the workflow can't do without.
    """
    print("\n".join(machine(arguments.project)))
    if arguments.profile:
        print("\n".join(cluster(arguments.project / "profiles" / arguments.profile)))


def machine(project: Path) -> list[str]:
    """Describe the environment, the disk and the cards of this machine."""
    gib = 2**30
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / gib
    disk = shutil.disk_usage(project)
    return [
        f"headstart {headstart.__version__}, Python {platform.python_version()}",
        ", ".join(f"{name} {_version(name)}" for name in LIBRARIES),
        f"{os.cpu_count()} cores, {memory:.0f} GB of memory, "
        f"{disk.free / gib:.0f} GB free in {project.resolve()}",
        *(cards() or ["no card: trainings run on the CPU"]),
    ]


def cards() -> list[str]:
    """Describe each card, and say whether torch can use it."""
    if shutil.which("nvidia-smi") is None:
        return []
    words = ["nvidia-smi", "--query-gpu=name,compute_cap,memory.total", "--format=csv,noheader"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    found = [line.split(", ") for line in done.stdout.splitlines() if line.count(", ") == 2]
    if not found:
        return []
    import torch

    # the wheel's architectures, e.g. sm_86; code for one of them runs on later minor versions
    known = [int(name[3:]) for name in torch.cuda.get_arch_list() if name.startswith("sm_")]
    lines = []
    for name, capability, memory in found:
        number = int(capability.replace(".", ""))
        usable = any(number // 10 == arch // 10 and number >= arch for arch in known)
        verdict = "usable" if usable else f"torch {torch.__version__} has no code for it"
        lines.append(f"{name}, compute capability {capability}, {memory}: {verdict}")
    return lines


def cluster(profile: Path) -> list[str]:
    """Describe what the cluster would make of the workflow's requests."""
    site = os.environ.get("HEADSTART_SITE", "ucl-cs")
    lines = [f"Site {site} (HEADSTART_SITE chooses another one of {profile / 'sites'}):"]
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


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError as error:
        raise UserError(
            f"{library} is not installed; `make demo` or `make cluster-env` does that"
        ) from error
