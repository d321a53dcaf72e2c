"""Say whether changed code gives the same results, and keep the answer in versions.json.

    python tests/same_results.py                        the same: shown, then written down
    python tests/same_results.py --new train "WHY"      other results, in words for users

The first runs a small demo twice, by the code of the last commit that wrote versions.json and by
the code that lies here, and compares all that they leave.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from cut import cut
from fresh import PROJECT
from fresh import borrow_packages
from fresh import copy_project

sys.path.insert(0, str(PROJECT / "workflow"))

from headstart.common import files
from headstart.study import provenance
from headstart.study.stages import STAGES

FILE = PROJECT / "workflow/headstart/study/versions.json"
# What a study leaves that its scans, settings and code decide; the rest tells of clocks and paths.
RESULTS = (
    *("label/*.csv", "check/*.csv", "split/*.csv", "split/audit.json", "prepare/*.npy"),
    *("prepare/*.csv", "near-duplicates/*.csv", "train/**/*.csv", "train/**/*.safetensors"),
    *("predict/**/*.csv", "predict/**/*.nii.gz", "evaluate/**/*.csv", "figures/**/*.pdf"),
    *("explain/**/*.csv", "explain/**/*.nii.gz"),
)
CLOCKS = ("seconds",)  # columns that tell of them


def differences(one: Path, other: Path) -> Iterator[str]:
    """Yield each result that two studies do not share.

    Args:
        one: Results folder of a study.
        other: Results folder of the other one.
    """
    for name in sorted(_results(one) | _results(other)):
        if not ((one / name).is_file() and (other / name).is_file()):
            yield f"{name}: only one has it"
        elif _content(one / name) != _content(other / name):
            yield f"{name}: differs"


def _results(study: Path) -> set[Path]:
    return {path.relative_to(study) for pattern in RESULTS for path in study.glob(pattern)}


def _content(path: Path) -> bytes:
    if path.name != "history.csv":
        return path.read_bytes()
    table = pd.read_csv(path, dtype=str)
    return table.drop(columns=[name for name in CLOCKS if name in table]).to_csv().encode()


def run_demo(project: Path) -> Path:
    """Run a small demo in a copy of the project; return its results."""
    borrow_packages(project)
    cut(project / "config/config.yaml")
    subprocess.run([project / ".venv/bin/snakemake", "--cores", "2"], cwd=project, check=True)
    return project / "results/demo"


def recorded_code(folder: Path) -> Path:
    """Unpack the code of the commit that wrote versions.json last."""
    git = ["git", "-C", str(PROJECT)]
    asked = [*git, "log", "-1", "--format=%H", "--", str(FILE)]
    commit = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    packed = subprocess.run([*git, "archive", commit], check=True, capture_output=True).stdout
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    return folder


def write(new: str = "", why: str = "") -> None:
    """Write down the digests of the code that lies here, and a stage's new version."""
    known = provenance.versions() if FILE.exists() else {}
    table = {}
    for stage in STAGES:
        number, _, changes = known.get(stage, provenance.Version(1, "", []))
        if stage == new:
            number, changes = number + 1, [*changes, why]
        digest = provenance.code_digest(stage)
        table[stage] = provenance.Version(number, digest, changes)._asdict()
    files.write_text(FILE, json.dumps(table, indent=2) + "\n")


def main() -> None:
    """Compare, or take the person's word that results differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--new", nargs=2, metavar=("STAGE", "WHY"), help="results differ, and why")
    new = parser.parse_args().new
    if new is not None:
        write(*new)
        return
    with tempfile.TemporaryDirectory(prefix="same-results-") as scratch:
        before = run_demo(recorded_code(Path(scratch, "before")))
        after = run_demo(copy_project(Path(scratch, "after")))
        found = list(differences(before, after))
    if found:
        sys.exit("\n".join(["The results are others: give the stage a new version.", *found]))
    write()


if __name__ == "__main__":
    main()
