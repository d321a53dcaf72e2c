"""What goes wrong on a cluster, and what `snakemake --profile sge` makes of it.

Each test notes how long it took in the file that GRID_FIGURES names.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time

import pytest
from cluster import CLONE
from cluster import GRID
from cluster import LIMITS
from cluster import PYTHON
from cluster import USER
from cluster import Snakemake
from cluster import Study
from cluster import note
from cluster import wait_until
from small_study import SmallStudy

from headstart.common.schema import settings_text

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def kill_main(study: Study, run: Snakemake) -> None:
    """Kill Snakemake's main process, as a crash would, and free what it had locked."""
    os.killpg(run.process.pid, signal.SIGKILL)
    run.end()
    study.start("--unlock").end()


def test_rule_fails(study: Study) -> None:
    run = study.start(mode="fail", count=1)
    assert run.end() != 0
    assert "failed by itself" in run.text
    assert "would fail again, so it is not tried again" in run.text
    assert len(study.starts("shard/0.txt")) == 1
    note("rule fails", "failed, not tried again", run.seconds)


def test_time_limit(study: Study) -> None:
    deaf = study.start(count=1, runtime=1, seconds=600)
    study.wait_for_start("shard/0.txt")
    listens = study.start(
        "--nolock", rules="one_gpu", mode="listen", count=1, runtime=1, seconds=600
    )
    assert deaf.end() != 0
    assert "was killed by its time limit of 60 s" in deaf.text
    assert len(study.starts("shard/0.txt")) == 1
    note("killed by h_rt (60 s)", "failed, not tried again", deaf.seconds)
    assert listens.end() != 0
    assert study.result("runs/one_gpu/0.heard").exists()


def test_memory(study: Study) -> None:
    run = study.start(mode="eat", count=1, mem_mb=400)
    assert run.end() != 0
    assert "needed more memory" in run.text or "probably for its memory" in run.text
    asked = [study.record(job).split("submitted ")[1].split()[2] for job in run.submitted()]
    assert asked == ["400", "800", "1600"]
    note("killed for its memory (400 MB)", "tried with 800 and 1600 MB, failed", run.seconds)


def test_killed_by_the_kernel(study: Study) -> None:
    run = study.start("--retries", "1", mode="crash", count=1)
    assert run.end() != 0
    assert "needed more memory than the 500 MB" in run.text
    assert "needed more memory than the 1000 MB" in run.text


def test_deleted_by_hand(study: Study) -> None:
    run = study.start(count=1, seconds=600)
    study.wait_for_start("shard/0.txt")
    began = time.monotonic()
    study.grid.run("qdel", run.submitted()[0])
    assert run.end() != 0
    assert "by hand or by the administrators" in run.text
    assert len(run.submitted()) == 1
    note("qdel by hand, running", "failed, not tried again", time.monotonic() - began)


def test_deleted_while_waiting(study: Study) -> None:
    study.set_site(always=f"{study.grid.always} -h")
    run = study.start(count=1)
    wait_until(lambda: run.submitted() != [], 60)
    began = time.monotonic()
    study.grid.run("qdel", run.submitted()[0])
    assert run.end() != 0
    assert "was deleted before it started" in run.text
    note("qdel by hand, waiting", "failed, not tried again", time.monotonic() - began)


def test_error_state(study: Study) -> None:
    study.set_site(scratch_folder="/proc/nowhere")
    run = study.start("--retries", "0", count=1, scratch_mb=100)
    assert run.end() != 0
    assert "could not be started" in run.text
    wait_until(lambda: not study.jobs(), 20)
    note("Eqw", "failed with the reason, job deleted", run.seconds)


def test_impossible_request(study: Study) -> None:
    run = study.start("--retries", "0", count=1, mem_mb=640_000)
    assert run.end() != 0
    assert "Grid Engine refuses a job" in run.text
    assert "no suitable queues" in run.text
    assert "tmem=640000M" in run.text
    note("impossible request (640 GB)", "refused at submission", run.seconds)


def test_host_lost(spare_host: str, study: Study) -> None:
    study.set_site(always=f"{LIMITS} -soft -q all.q@{spare_host} -hard")
    run = study.start(count=1, seconds=25)
    study.wait_for_start("shard/0.txt")
    assert study.starts("shard/0.txt")[0].split()[2] == spare_host
    began = time.monotonic()
    subprocess.run([GRID, "kill", spare_host], check=True)
    try:
        wait_until(lambda: f"lost its host {spare_host}" in run.text, 120)
        noticed = time.monotonic() - began
        assert run.end() == 0, run.text
    finally:
        subprocess.run([GRID, "boot", spare_host], check=True)
    assert study.starts("shard/0.txt")[1].split()[2] != spare_host
    note("host lost (lost=20 s)", "noticed, done on another host, rc 0", noticed)


def test_two_live_copies_of_one_training(spare_host: str, study: Study) -> None:
    """A host is cut off and comes to a standstill; after the verdict `lost`, it lives on."""
    study.set_site(always=f"{LIMITS} -soft -q all.q@{spare_host} -hard")
    small = SmallStudy(study.folder / "small")
    store, output = study.folder / "runs", study.folder / "published"
    options = {**small.inputs, "networks": small.folder, "store": store, "output": output}
    words = [PYTHON, "-m", "headstart", "train", "--device", "cpu"]
    words += ["--settings", settings_text(small.run(epochs=6))]
    words += [word for name, path in options.items() for word in (f"--{name}", path)]
    script = f"export PYTHONPATH={CLONE}/workflow SLOW=1\n{shlex.join(map(str, words))}\n"
    (study.folder / "script.sh").write_text(script)
    subprocess.run(["chown", "-R", f"{USER}:", study.folder], check=True)

    def epochs(attempt: int) -> int:
        [*histories] = store.glob(f"*/attempt-{attempt}/history.csv")
        return len(histories[0].read_text().splitlines()) - 1 if histories else 0

    run = study.start(mode="script", count=1, mem_mb=8000)
    wait_until(lambda: epochs(1) >= 1, 90)
    began = time.monotonic()
    subprocess.run([GRID, "freeze", spare_host], check=True)
    try:
        wait_until(lambda: epochs(2) >= 2, 150)
        subprocess.run([GRID, "thaw", spare_host], check=True)
        assert run.end() == 0, run.text
        # the copy that was given up goes on, and ends as well
        wait_until(lambda: len(list(store.glob("*/attempt-*/model.json"))) == 2, 60)
    finally:
        subprocess.run([GRID, "thaw", spare_host], check=True)
        subprocess.run([GRID, "plug", spare_host], check=True)
    assert f"lost its host {spare_host}" in run.text
    [key] = store.iterdir()
    assert {path.name for path in key.glob("attempt-*")} == {"attempt-1", "attempt-2"}
    first, second, published = (
        [(folder / name).read_bytes() for name in ("model.safetensors", "history.csv")]
        for folder in (key / "attempt-1", key / "attempt-2", output)
    )
    assert first == second
    assert published[0] == first[0]
    told = study.result("logs/shard/0.log").read_text()
    assert "waiting: " in told
    assert "attempt-1 is at work on this run" in told
    note(
        "two live copies of one training",
        "the second waited until the first was silent for 60 s, went on from its checkpoint in "
        "a folder of its own; both ended, with the same bytes",
        time.monotonic() - began,
    )


@pytest.mark.alone
def test_qmaster_away(study: Study) -> None:
    run = study.start("--jobs", "2", count=4, seconds=8)
    study.wait_for_start("shard/0.txt")
    subprocess.run([GRID, "qmaster", "15"], check=True)
    assert run.end() == 0, run.text
    assert all(len(study.starts(f"shard/{number}.txt")) == 1 for number in range(4))
    note("qmaster away for 15 s", "all done, nothing run twice, rc 0", run.seconds)


def test_killed_main_takes_its_jobs_back(study: Study) -> None:
    # of which there are four: some run, the others wait
    study.set_site(always=f"{study.grid.always} -l few=1")
    run = study.start("--jobs", "12", mode="wait", count=12, seconds=8)
    wait_until(lambda: len(run.submitted()) == 12 and "r" in study.jobs().values(), 60)
    before = study.jobs()
    kill_main(study, run)
    study.go()
    # some end while nobody looks
    wait_until(lambda: len(study.jobs()) < 12, 60)
    again = study.start("--jobs", "12", mode="wait", count=12, seconds=8)
    assert again.end() == 0, again.text
    assert set(again.submitted()) <= set(before)
    assert all(len(study.starts(f"shard/{number}.txt")) == 1 for number in range(12))
    note(
        f"kill -9 with {len(before)} jobs, run again",
        "same 12 jobs, nothing run twice",
        again.seconds,
    )


def test_job_that_was_taken_back_fails(study: Study) -> None:
    run = study.start(mode="wait-and-fail", count=1)
    study.wait_for_start("shard/0.txt")
    kill_main(study, run)
    again = study.start(mode="wait-and-fail", count=1)
    wait_until(lambda: again.submitted() == run.submitted(), 60)
    study.go()
    assert again.end() != 0
    assert "would fail again, so it is not tried again" in again.text
    assert len(study.starts("shard/0.txt")) == 1


def test_killed_main_and_deleted_jobs(study: Study) -> None:
    """The next run takes a job back before it can know that it was deleted."""
    run = study.start(mode="wait", count=1)
    study.wait_for_start("shard/0.txt")
    kill_main(study, run)
    study.grid.run("qdel", *run.submitted())
    wait_until(lambda: not study.jobs(), 60)
    study.go()
    again = study.start(mode="wait", count=1)
    assert again.end() == 0, again.text
    assert len(study.starts("shard/0.txt")) == 2


def test_two_runs_share_a_job(study: Study) -> None:
    first = study.start(mode="wait", count=2)
    study.wait_for_start("shard/1.txt")
    second = study.start("--nolock", mode="wait", count=2)
    wait_until(lambda: len(second.submitted()) == 2, 60)
    study.go()
    assert first.end() == 0, first.text
    assert second.end() == 0, second.text
    assert set(second.submitted()) == set(first.submitted())
    assert len(study.starts("shard/0.txt")) == 1
    note("two runs side by side, same jobs", "each job run once, both rc 0", second.seconds)


def test_two_runs_with_other_settings(study: Study) -> None:
    first = study.start(mode="wait", count=1, seconds=1)
    study.wait_for_start("shard/0.txt")
    second = study.start("--nolock", "--retries", "0", mode="wait", count=1, seconds=2)
    assert second.end() != 0
    study.go()
    assert "still making the same files with other settings" in second.text
    assert first.end() == 0, first.text
    note("two runs side by side, other settings", "the second is refused", second.seconds)


def test_out_of_time_for_five_rounds(study: Study) -> None:
    # a round has 15 s of its 60 for its start and its epochs
    run = study.start(mode="rounds", count=1, runtime=1, seconds=80)
    assert run.end() == 0, run.text
    rounds = len(study.starts("shard/0.txt"))
    assert rounds >= 5
    assert len(run.submitted()) == 1
    epochs = study.result("shard/0.txt").read_text().split("\n")
    assert epochs == [*(f"epoch {number + 1}" for number in range(80)), ""]
    note("80 epochs of 1 s under a limit of 60 s", f"{rounds} rounds of one job, rc 0", run.seconds)


def test_second_experiment_while_the_first_one_trains(study: Study) -> None:
    first = study.start(mode="wait", rules="shard", count=1)
    study.wait_for_start("shard/0.txt")
    second = study.start(mode="wait", rules="one_gpu", count=1)
    study.wait_for_start("one_gpu/0.txt")
    twin = study.start(mode="wait", rules="shard", count=1)
    assert twin.end() != 0
    assert "cannot be locked" in twin.text
    study.go("shard")
    # the first to end leaves the second its locks
    assert first.end() == 0, first.text
    twin = study.start(mode="wait", rules="one_gpu", count=1)
    assert twin.end() != 0
    assert "cannot be locked" in twin.text
    study.go("one_gpu")
    assert second.end() == 0, second.text
    assert len(study.starts("one_gpu/0.txt")) == 1
    note("a second experiment while the first trains", "both done, rc 0", second.seconds)


def test_queued_jobs_keep_their_rules(study: Study) -> None:
    study.set_site(always=f"{study.grid.always} -h")
    cache = study.folder / "cache"
    run = study.start(count=1, environment={"XDG_CACHE_HOME": str(cache)})
    wait_until(lambda: run.submitted() != [], 60)
    # an edit in mid-run, and nodes that share no home folder
    (study.folder / "toy.smk").write_text("this is no workflow\n")
    shutil.rmtree(cache)
    study.grid.run("qrls", run.submitted()[0])
    assert run.end() == 0, run.text
    # what lies in the home folder of the master, where Snakemake runs
    assert ".bashrc" not in study.result("shard/0.txt").read_text() or len(study.grid.hosts) == 1
