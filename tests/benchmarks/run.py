"""Run the benchmarks of training one after the other, and write results.md.

PYTHONPATH=workflow:tests python tests/benchmarks/run.py
"""

from __future__ import annotations

import ast
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

import torch

from headstart.common import files
from headstart.training.device import device_name

FOLDER = Path(__file__).parent
TABLES = {
    "peers": "Epoch against network alone, ours and others'",
    "epoch_time": "Epoch against network alone, the shipped studies",
    "augmentation_cost": "Augmentation, CPU milliseconds a scan",
}
VERSIONS = ("torch", "torchio", "monai", "fastMONAI", "nnunetv2")


def table(name: str) -> str:
    """Run a benchmark; what it measures and what it found."""
    path = FOLDER / f"{name}.py"
    said = ast.get_docstring(ast.parse(path.read_text())) or ""
    paragraphs = [part for part in said.split("\n\n") if not part.startswith("PYTHONPATH")]
    print(f"{name} …", file=sys.stderr, flush=True)
    found = subprocess.run(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    return "\n\n".join([f"## {TABLES[name]}", *paragraphs, f"```\n{found.stdout.rstrip()}\n```"])


def main() -> None:
    """Write the page."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS)
    machine = f"{device_name(torch.device('cpu'))}, {os.cpu_count()} cores, {platform.system()}"
    head = f"# Benchmarks\n\nWritten by `make bench`. {machine}; {versions}."
    files.write_text(FOLDER / "results.md", "\n\n".join([head, *map(table, TABLES)]) + "\n")


if __name__ == "__main__":
    main()
