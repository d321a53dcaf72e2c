"""What config/first-week.md does on the cluster, line by line, as an ordinary user."""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest
import yaml
from cluster import CLONE
from cluster import PYTHON
from cluster import USER
from cluster import Study
from cluster import note
from pages import read_script
from pages import script_of

from headstart.common.run_id import RunId

# `qdel 'hs.*'` deletes the jobs of every test that runs beside
pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.alone]

# What the page's hidden lines wait for.
WAITS = """
wait_for_second_epoch() {
  for _ in {1..240}; do
    if cat results/first/runs/*/attempt-1/history.csv 2>/dev/null | grep -q ^2,; then return; fi
    sleep 1
  done
  cat first.log; exit 1
}
wait_for_empty_queue() {
  for _ in {1..60}; do if [ -z "$(qstat)" ]; then return; fi; sleep 1; done
  exit 1
}
set -m
"""
# A network that takes a second a step: time to be killed in.
SLOW = """
import time
from headstart.training.sfcn import SFCN

class Slow(SFCN):
    def forward(self, volumes):
        time.sleep(self.training)
        return super().forward(volumes)
"""


def test_first_week(study: Study) -> None:
    project = study.folder / "headstart"
    shutil.copytree(CLONE, project, symlinks=True)
    (project / ".venv").symlink_to(PYTHON.parent.parent)
    (project / "slow.py").write_text(SLOW)
    before = "before='export HEADSTART_DEVICE=cpu'\n"  # the GPUs are make-believe
    (project / "quick.conf").write_text((study.folder / "quick.conf").read_text() + before)
    profile = project / "profiles/sge/config.yaml"
    hasty = {"seconds-between-status-checks": 2, "latency-wait": 10}
    profile.write_text(yaml.safe_dump(yaml.safe_load(profile.read_text()) | hasty))
    subprocess.run(["chown", "-R", "--no-dereference", f"{USER}:", project], check=True)
    environment = (
        *("env", f"PATH={PYTHON.parent}:/usr/bin:/bin", f"HEADSTART_SITE={project}/quick.conf"),
        "HEADSTART_DEVICE=cpu",
    )

    def bash(script: str) -> str:
        done = subprocess.run(
            study.grid.command(*environment, "bash", "-euo", "pipefail", "-c", script),
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    bash(
        "headstart demo --output data/demo --subjects 20\n"
        "headstart init data/demo/subjects --target age --name first\n"
        "python tests/cut.py config/first.yaml\n"
        "sed -i 's/network: sfcn/network: slow.py:Slow/; s/epochs: 3/epochs: 12/' config/first.yaml"
    )
    began = time.monotonic()
    said = bash(WAITS + script_of(read_script(), "cluster"))
    assert (
        "going on after epoch" in (project / "results/first" / RunId("age", 0, 0).log).read_text()
    )
    assert "1 training: 1 running" in said
    assert "1 training: 1 finished" in said
    assert (project / "results/first/report.html").exists()
    note("the first week", "killed, resumed, done", time.monotonic() - began)
