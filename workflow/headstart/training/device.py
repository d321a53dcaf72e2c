"""Where a network computes, and on how many threads."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from pathlib import Path

import torch

from headstart.common.errors import UserError


def keep_to(threads: int) -> None:
    """Let torch and SimpleITK, which TorchIO computes with, have so many threads here."""
    torch.set_num_threads(threads)
    with contextlib.suppress(RuntimeError):  # said before, or at work already
        torch.set_num_interop_threads(threads)
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
    if "SimpleITK" in sys.modules:
        sys.modules["SimpleITK"].ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


def choose_device(name: str) -> torch.device:
    """Choose where to compute.

    Args:
        name: cpu, cuda, or auto: what `HEADSTART_DEVICE` says, as a job with a GPU is told; without
            it, cuda where there is a GPU.

    Raises:
        UserError: If a GPU is asked for and torch sees none; says why.
    """
    wanted = os.environ.get("HEADSTART_DEVICE", "auto") if name == "auto" else name
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        built = torch.version.cuda
        why = f"its driver may be too old for CUDA {built}" if built else "torch is the CPU build"
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        raise UserError(
            f"a GPU is asked for, but torch {torch.__version__} sees none: {why} "
            f"(CUDA_VISIBLE_DEVICES is {visible}); `headstart doctor` says more"
        )
    return torch.device("cuda" if there and wanted != "cpu" else "cpu")


def device_name(place: torch.device) -> str:
    """Name the GPU or the processor."""
    if place.type == "cuda":
        return torch.cuda.get_device_name(place)
    names = Path("/proc/cpuinfo")  # Linux alone has it
    for line in names.read_text().splitlines() if names.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
