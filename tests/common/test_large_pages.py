"""How often the system has to bring in memory that torch takes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fresh import PROJECT

GIVEN = Path("/sys/kernel/mm/transparent_hugepage/enabled")
# A convolution that takes 95 MB, ten times, in a command's process.
SCRIPT = """
import resource
from headstart.cli import main
try: main(["predict", "--help"])
except SystemExit: pass
import torch
layer, tile = torch.nn.Conv3d(8, 8, 3, padding=1), torch.zeros(1, 8, 48, 48, 48)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
with torch.inference_mode():
    for _ in range(10):
        layer(tile)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(
    not GIVEN.exists() or "[never]" in GIVEN.read_text(), reason="the system has no large pages"
)
def test_a_large_tile_is_not_brought_in_by_small_pages() -> None:
    environment = {key: value for key, value in os.environ.items() if "THP" not in key}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment | {"PYTHONPATH": str(PROJECT / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout.splitlines()[-1]) < 10 * 95e6 / 4096 / 4
