"""What init, a dry run, label and check say of made trees: `python tests/tree_table.py OUT.md`.

For every tree of trees.py and 6 to 40 subjects one line each; dry runs for 12. No test: it takes
minutes.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import yaml
from trees import TREES
from trees import Tree

from headstart import cli

COUNTS = (6, 8, 12, 20, 21, 40)
DRY = (12,)  # a dry run takes seconds
ROOT = Path(__file__).parents[1]


def _said(call: list[str]) -> tuple[int, str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = cli.main(call)
    return code, out.getvalue()


def _dry_run(study: Path, work: Path) -> str:
    words = ["--cores", "1", "--configfile", str(study), "--config", f"results={work}"]
    dry = subprocess.run(
        ["snakemake", "-n", "-q", *words], cwd=ROOT, capture_output=True, check=False
    )
    return str(dry.returncode)


def _line(tree: Tree, count: int, work: Path) -> list[str]:
    scans, study = work / "scans", work / "study.yaml"
    tree.make(scans, count)
    code, text = _said(["init", str(scans), "--output", str(study)])
    if code:
        return [text.strip().splitlines()[-1], "", "", ""]
    config = yaml.safe_load(study.read_text())
    found = re.search(r"scans +(.*)", text)
    init = f"{found and found[1]}; {next(iter(config['experiments']))}"
    dry_run = _dry_run(study, work) if count in DRY else ""
    settings = {"data": config["data"], "shards": 1, "max_rejected": 1}
    words = ["--settings", json.dumps(settings), "--data", str(scans), "--output", str(work / "l")]
    code, text = _said(["label", *words])
    label = next((line[7:] for line in text.splitlines() if line.startswith("label: ")), text)
    if code:
        return [init, dry_run, label, ""]
    classes = list(config.get("classes", {}).items())
    judged = {"masks": "mask" in config["data"][0], "classes": classes}
    words = ["--settings", json.dumps(judged), "--scans", str(work / "l/shards/0.csv")]
    code, text = _said(
        ["check-scans", *words, "--data", str(scans), "--output", str(work / "c.csv")]
    )
    if code:
        return [init, dry_run, label, text.strip().splitlines()[-1]]
    reasons = pd.read_csv(work / "c.csv", keep_default_na=False)["reason"]
    against = ", ".join(f"{n} {code}" for code, n in reasons[reasons != ""].value_counts().items())
    return [init, dry_run, label, f"{sum(reasons == '')} passed {against}"]


def main(output: Path) -> None:
    """Write the table, a line as soon as it is known."""
    with output.open("w", encoding="utf-8") as file:
        file.write("| tree | n | init | -n | label | check |\n|---|---|---|---|---|---|\n")
        for name, tree in TREES.items():
            for count in COUNTS:
                with tempfile.TemporaryDirectory() as work:
                    cells = [name, str(count), *_line(tree, count, Path(work))]
                file.write(f"| {' | '.join(cells)} |\n")
                file.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
