"""What a rule asks for, and what Grid Engine is asked for."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from cluster import CLONE
from cluster import PYTHON
from cluster import USER
from cluster import Grid
from cluster import Study
from cluster import note
from cluster import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def request_of(study: Study, rules: str, **config: object) -> dict[str, str]:
    """Submit one job and return what `qstat -j` says of it."""
    run = study.start(mode="wait", rules=rules, count=1, seconds=0, **config)
    wait_until(lambda: run.submitted() != [], 60)
    said = study.grid.run("qstat", "-j", run.submitted()[0])
    study.go(rules)
    assert run.end() == 0, run.text
    return dict(re.split(r":\s+", line, maxsplit=1) for line in said.splitlines() if ": " in line)


def test_cpu_job(study: Study) -> None:
    said = request_of(study, "shard", mem_mb=1001, threads=2)
    asked = set(said["hard resource_list"].split(","))
    # two slots: half of the memory each
    assert asked == {"h_rt=300", "tmem=501M", "h_vmem=501M"}
    assert said["parallel environment"] == "smp range: 2"
    assert said["reserve"] == "y"
    assert said["notify"] == "TRUE"
    assert "mail_options" not in said


def test_one_gpu(study: Study) -> None:
    said = request_of(study, "one_gpu")
    asked = set(said["hard resource_list"].split(","))
    assert asked == {"h_rt=300", "tmem=4000M", "gpu=true", "gpu_type=!(gtx1080ti|titanx|p100|v100)"}
    assert "parallel environment" not in said
    told = study.result("one_gpu/0.txt").read_text()
    # the site's own prolog chose the GPU
    assert re.search(r"CUDA_VISIBLE_DEVICES=\d\n", told)
    assert "HEADSTART_DEVICE=cuda" in told
    [log] = study.result(".snakemake/sge/jobs").glob("*.log")
    first = log.read_text().splitlines()[0]
    assert re.fullmatch(
        r"hs\.one_gpu\.0\.\w+, job \d+ on \w+: (no GPU to be seen by nvidia-smi|.+, \d+\.\d)",
        first,
    )


def test_two_gpus(study: Study) -> None:
    said = request_of(study, "two_gpus")
    asked = set(said["hard resource_list"].split(","))
    assert asked >= {"h_rt=300", "tmem=2501M", "gpu=true"}
    assert not any(word.startswith("h_vmem") for word in asked)
    assert said["parallel environment"] == "gpu range: 2"
    assert said["reserve"] == "y"
    told = study.result("two_gpus/0.txt").read_text()
    assert re.search(r"CUDA_VISIBLE_DEVICES=\d,\d\n", told)


def test_local_disk(study: Study) -> None:
    said = request_of(study, "shard", scratch_mb=200)
    assert "tscratch=200M" in said["hard resource_list"]
    told = study.result("shard/0.txt").read_text()
    folder = re.search(r"HEADSTART_SCRATCH=(.+)\n", told)
    assert folder
    assert f"TMPDIR={folder[1]}" in told
    assert not Path(folder[1]).exists()


def test_mail_on_request(study: Study) -> None:
    mail = {"HEADSTART_MAIL": "me@example.org"}
    run = study.start(mode="wait", count=1, environment=mail)
    wait_until(lambda: run.submitted() != [], 60)
    said = study.grid.run("qstat", "-j", run.submitted()[0])
    study.go()
    assert re.search(r"mail_options:\s+ae", said)
    assert re.search(r"mail_list:\s+me@example.org", said)
    assert run.end() == 0, run.text


def test_unknown_site(study: Study) -> None:
    run = study.start("--retries", "0", count=1, environment={"HEADSTART_SITE": "nowhere"})
    assert run.end() != 0
    assert "choose one of gpu-count, rsmap, ucl-cs, ucl-myriad" in run.text


def test_few_calls_of_qstat(study: Study) -> None:
    """However many jobs there are (GRID_JOBS), the queue is looked at once per GRID_INTERVAL."""
    jobs, interval = (
        int(os.environ.get("GRID_JOBS", "20")),
        int(os.environ.get("GRID_INTERVAL", "2")),
    )
    calls = study.folder / "calls"
    study.shim("qstat", f'echo >>{calls}\nexec {{real}} "$@"')
    study.set_site(interval=interval)
    run = study.start(count=jobs, seconds=0)
    assert run.end(1800) == 0, run.text
    asked = len(calls.read_text())
    assert asked <= run.seconds / interval + 2
    per_minute = 60 * asked / run.seconds
    note(f"{jobs} jobs of 0 s", f"{asked} qstat calls, {per_minute:.1f} per minute", run.seconds)


def test_doctor(grid: Grid) -> None:
    doctor = (
        *("env", f"PATH={PYTHON.parent}:/usr/bin:/bin", f"PYTHONPATH={CLONE}/workflow"),
        *("headstart", "doctor", "--profile", "sge", "--project", CLONE),
    )
    said = grid.run(*doctor)
    assert said.count("accepted") == 4
    assert "compute nodes may submit jobs: profiles/sge/head.sh works" in said
    said = grid.run("env", "HEADSTART_SITE=ucl-myriad", *doctor)
    assert said.count("REFUSED") == 4
    assert 'unknown resource "mem"' in said


def test_head_job_is_stopped_and_resumed(study: Study) -> None:
    """Snakemake's main process reaches its time limit while its jobs are at work."""
    words = " ".join(study.words(count=4, seconds=20))
    # head.sh calls `snakemake --profile sge`: here, with the toy workflow's words
    study.shim(
        "snakemake",
        f'[ "$3" != --unlock ] || unlock=--unlock\n'
        f"echo $HEADSTART_HEAD_JOB >head-job\nexec {words} $unlock",
    )
    path = f"{study.folder}/shims:{study.tools}:{PYTHON.parent}:/usr/bin:/bin"
    said = subprocess.run(
        study.grid.command(
            *("env", f"PATH={path}", f"HEADSTART_SITE={study.folder}/quick.conf"),
            *("HEADSTART_HEAD_MINUTES=1", study.folder / "profiles/sge/head.sh", "all"),
        ),
        cwd=study.folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    job = re.search(r"runs as job (\d+)", said)
    assert job
    record = study.folder / f".snakemake/sge/jobs/{job[1]}"
    wait_until(lambda: "exit" in record.read_text(), 240)
    log = record.with_suffix(".log").read_text()
    assert "exit 0" in record.read_text(), log
    assert record.read_text().count("started") >= 2
    assert all(len(study.starts(f"shard/{number}.txt")) == 1 for number in range(4)), log
    # what fetch asks, for compute nodes must not download
    assert (study.folder / "head-job").read_text() == "1\n"


def test_example_job_script(study: Study) -> None:
    """One training without Snakemake, which puts itself back into the queue until it is done."""
    tools = study.folder / ".venv/bin"
    tools.mkdir(parents=True)
    (tools / "activate").write_text(f"PATH={tools}:$PATH\n")
    (tools / "headstart").write_text(
        "#!/bin/bash\n"
        'echo "$@" $HEADSTART_DEVICE >>rounds; [ "$(wc -l <rounds)" -lt 3 ] || exit 0\n'
        "touch $HEADSTART_OUT_OF_TIME; exit 1\n"
    )
    (tools / "headstart").chmod(0o755)
    (tools / "nvidia-smi").write_text("#!/bin/bash\necho A GPU, 8.6\n")
    (tools / "nvidia-smi").chmod(0o755)
    subprocess.run(["chown", "-R", f"{USER}:", study.folder], check=True)
    words = ("profiles/sge/example.sh", "--settings", "{}")
    job = subprocess.run(
        study.grid.command("qsub", "-terse", "-q", study.grid.queues, *words),
        cwd=study.folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    wait_until(lambda: job not in study.grid.jobs(), 90)
    assert (study.folder / "rounds").read_text() == "train --settings {} cuda\n" * 3
    [log] = study.folder.glob("example.*.log")
    assert "A GPU, 8.6" in log.read_text()
