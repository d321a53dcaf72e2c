"""Measure how long label takes for 1,000, 10,000 and 100,000 scans, in two layouts.

PYTHONPATH=workflow python tests/benchmarks/label_speed.py
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

from headstart.data.config import Source
from headstart.study.labels import label

SCANS = (1_000, 10_000, 100_000)
LABELS = {"age": "age"}
SOURCES = {
    "files": {
        "channels": {"T1": "{sex}/sub-{subject}_T1w.nii.gz"},
        "table": {"path": "participants.tsv", "column": "participant_id", "key": "sub-{subject}"},
    },
    "bids": {"layout": "bids", "channels": {"T1": "T1w"}},
}


def make(folder: Path, layout: str, scans: int) -> None:
    """Make empty files with the names of so many scans, and their table."""
    rows = ["participant_id\tage"]
    for number in range(scans):
        name = f"sub-{number:06d}"
        home = "FM"[number % 2] if layout == "files" else f"{name}/anat"
        (folder / home).mkdir(parents=True, exist_ok=True)
        (folder / home / f"{name}_T1w.nii.gz").touch()
        rows.append(f"{name}\t{20 + number % 60}")
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")


def main() -> None:
    """Print a table: layout, scans, seconds of one core, seconds, peak memory so far."""
    print("| layout | scans | CPU, s | wall, s | peak memory, MB |")
    print("| --- | --- | --- | --- | --- |")
    for layout, keys in SOURCES.items():
        source = Source.model_validate({"source": "ours", "labels": LABELS} | keys)
        for scans in SCANS:
            with tempfile.TemporaryDirectory() as folder:
                root = Path(folder)
                make(root / "ours", layout, scans)
                cpu, wall = time.process_time(), time.perf_counter()
                label(sources=[source], shards=16, data=root, output=root / "label")
                cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"| {layout} | {scans} | {cpu:.1f} | {wall:.1f} | {memory} |", flush=True)


if __name__ == "__main__":
    main()
