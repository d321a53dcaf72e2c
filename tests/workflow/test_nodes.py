"""The workflow's jobs on the nodes of a cluster: qsub is a stub that runs a job at once.

A node here has 64 pretended cores, gives each process the address space of the request and no more,
a home that can't be written to, and a site's module on PYTHONPATH with a pandas of its own.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from fresh import PROJECT
from pretended import many_cores
from study import Checkout

from headstart.figures.registry import FIGURES

QSUB = """#!/bin/bash
cd {folder}
id=$(($(cat id 2>/dev/null || echo 100) + 1)); echo $id >id
cat >$id.sh
slots=1
while [ $# -gt 0 ]; do
  case $1=$2 in
    -o=*) log=${{2/\\$JOB_ID/$id}} ;;
    -l=h_vmem=*) memory=${{2#h_vmem=}} ;;
    -pe=*) slots=$3 ;;
  esac
  shift
done
(
  [ -z "$memory" ] || ulimit -v $((${{memory%M}} * slots * 1024))
  cd "$OLDPWD" && env -i HOME=/proc/nohome USER=me PATH=/usr/bin:/bin LANG=C LD_PRELOAD={shim} \\
    PYTHONPATH={module} HEADSTART_DEVICE=cpu JOB_ID=$id bash {folder}/$id.sh >"$log" 2>&1 </dev/null
)
echo $id
"""


@pytest.mark.slow
def test_every_rule_keeps_to_its_request(new_checkout: Checkout, tmp_path: Path) -> None:
    grid, module = tmp_path / "grid", tmp_path / "module"
    (module / "pandas").mkdir(parents=True)
    (module / "pandas/__init__.py").write_text("raise ImportError('for another Python')\n")
    grid.mkdir()
    shim = many_cores(grid)
    qsub = grid / "qsub"
    qsub.write_text(QSUB.format(folder=grid, shim=shim, module=module))
    qsub.chmod(0o755)
    config = new_checkout.config()
    del config["experiments"]["sex"]
    age = config["experiments"]["age"]
    age["train"]["augment"] = [{"RandomAffine": {}}, {"RandomNoise": {}}]
    config["experiments"]["slow"] = age | {"train": age["train"] | {"learning_rate": 1e-5}}
    age |= {"controls": ["background", "injected"], "explain": ["occlusion"]}
    new_checkout.configure(config)

    def on_a_login_node() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000, resource.RLIM_INFINITY))

    pauses = ("--seconds-between-status-checks", "1", "--latency-wait", "5")
    words = ("--profile", "profiles/sge", *pauses, "--configfile", "config/tiny.yaml")
    path = f"{grid}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    kept = {name: text for name, text in os.environ.items() if not name.endswith("_NUM_THREADS")}
    given = {"PATH": path, "LD_PRELOAD": str(shim), "PYTHONPATH": str(module), "USER": "me"}
    # as install.sh writes it for whoever activates the environment: Snakemake loads numpy itself
    given["OPENBLAS_NUM_THREADS"] = "1"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *words],
        cwd=new_checkout.folder,
        env=kept | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        preexec_fn=on_a_login_node,
    )
    records = sorted((new_checkout.folder / "results/.snakemake/sge/jobs").glob("[0-9][0-9][0-9]"))
    ends = {}
    for record in records:
        said = record.read_text()
        name = re.search(r"submitted \d+ \d+ \d+ (\S+)", said)
        assert name, said
        ends[name[1]] = re.findall(r"exit (\S+)", said)
    assert done.returncode == 0, done.stdout
    assert set(map(tuple, ends.values())) == {("0",)}, ends
    # every rule ran, and no job a second time
    jobs = [name.rpartition(".")[0] for name in ends]
    assert len(set(jobs)) == len(jobs)
    text = "".join(file.read_text() for file in (PROJECT / "workflow/rules").glob("*.smk"))
    rules = set(re.findall(r"(?m)^(?:rule|checkpoint) (\w+):", text))
    rules |= {f"plot_{name.replace('-', '_')}" for name in FIGURES}
    # this study fetches nothing, sweeps nothing, knows of no brain, aligns no channel, predicts in
    # one job and has no new scans
    elsewhere = {"fetch_demo", "fetch_weights", "plot_sweep", "plot_preparation", "plot_channels"}
    elsewhere |= {"new_scans", "predict_shard", "predict_new", "predict_held_out"}
    assert {job.split(".")[1] for job in jobs} == rules - elsewhere
