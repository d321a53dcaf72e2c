"""The memory that a training may have: on this machine, or on the GPUs of a cluster's site."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from headstart.common.errors import UserError

SITE = "HEADSTART_SITE"
DEFAULT_SITE = "ucl-cs"
# Shares that a training may fill: a GPU also holds CUDA's own workspaces, and the memory of a
# computer is other programs' too.
GPU_SHARE = 0.85
COMPUTER_SHARE = 0.5


@dataclass(frozen=True)
class Place:
    """Where trainings will run.

    Attributes:
        name: In words, for the reasons.
        memory: What one training may fill, bytes.
        gpu: Whether that is memory of a GPU.
        cores: CPU cores.
    """

    name: str
    memory: float
    gpu: bool
    cores: int


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name, its compute capability such as 8.6, its memory in bytes."""

    name: str
    capability: str
    memory: float


def this_machine() -> Place:
    """Return the smallest GPU of this machine, or its main memory where there is none."""
    found = gpus()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    if found:
        smallest = min(found, key=lambda gpu: gpu.memory)
        name = f"this machine's {smallest.name}, {smallest.memory / 1e9:.0f} GB"
        return Place(name, GPU_SHARE * smallest.memory, True, cores)
    memory = main_memory()
    name = f"this machine, {memory / 1e9:.0f} GB and {cores} cores, no GPU"
    return Place(name, COMPUTER_SHARE * memory, False, cores)


def site(profile: Path) -> Place:
    """Return the smallest GPU that a job may get at a cluster's site.

    Args:
        profile: Folder of the profile, with `sites/`; `HEADSTART_SITE` chooses one of them.

    Raises:
        UserError: If there is no such site, or its file does not name the GPUs' memory.
    """
    chosen = os.environ.get(SITE, DEFAULT_SITE)
    path = Path(chosen) if Path(chosen).is_file() else profile / "sites" / f"{chosen}.conf"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in path.parent.glob("*.conf")))
        raise UserError(f"{SITE}={chosen}: no such site; choose one of {names or 'profiles/sge'}")
    line = re.search(r"^gpu_gb=(\d+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    if line is None:
        raise UserError(f"{path}: has no line gpu_gb=…; sites/ucl-cs.conf says what it means")
    memory = float(line[1]) * 1e9
    return Place(f"the smallest GPU of site {path.stem}, {line[1]} GB", GPU_SHARE * memory, True, 2)


def main_memory() -> int:
    """Return this machine's memory in bytes: of the container, where it is in one."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = Path("/sys/fs/cgroup", name)
        text = limit.read_text().strip() if limit.is_file() else ""
        if text.isdecimal():
            memory = min(memory, int(text))
    return memory


def gpus() -> list[Gpu]:
    """Return the GPUs that NVIDIA's driver lists."""
    if shutil.which("nvidia-smi") is None:
        return []
    asked = "--query-gpu=name,compute_cap,memory.total"
    words = ["nvidia-smi", asked, "--format=csv,noheader,nounits"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    found = [line.split(", ") for line in done.stdout.splitlines() if line.count(", ") == 2]
    return [Gpu(name, capability, float(mib) * 2**20) for name, capability, mib in found]
