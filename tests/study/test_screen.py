"""The lines of a run, from what Snakemake does; tests/workflow has them with Snakemake itself."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headstart.common.run_id import RunId
from headstart.study.config import read_config
from headstart.study.jobs import Job
from headstart.study.screen import EpochLines
from headstart.study.screen import Screen
from headstart.study.settings import Settings
from headstart.study.work_plan import work_plan

AGE = {"experiment": "age", "fold": "0", "seed": "0"}
LOG = f"s/{RunId('age', 0, 0).log}"
TRAIN = Job("train", AGE, log=LOG)
WORDS = ["--cores", "2", "--configfile", "config/my study.yaml"]


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[tuple[Screen, list[str]]]:
    train = {"network": "sfcn"}
    config = read_config(
        {
            "study": "s",
            "data": [{"source": "own", "channels": {"T1": "{subject}.nii"}}],
            "experiments": {"age": {"task": "regression", "target": "age", "train": train}},
        }
    )
    settings = Settings(config, tmp_path, codes={}, listing="", package="", networks={})
    said: list[str] = []
    made = Screen(settings, WORDS, said.append)
    yield made, said
    list(made.end([], stopped=False))


def log(screen: Screen, text: str, name: str = LOG) -> None:
    path = screen.settings.results / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    # another time than that of the last one, whatever the file system's clock
    os.utime(path, ns=(time.time_ns(), time.time_ns()))


def test_the_lines_of_a_run(screen: tuple[Screen, list[str]]) -> None:
    shown, said = screen
    log(shown, "epoch 1/9  of an earlier run\n")
    shown.planned({"manifest": 1, "train": 1, "check": 1, "check_scans": 2, "all": 1, "total": 5})
    assert said == ["s: 5 jobs: 3 check, 1 train, 1 plot"]
    for number in range(3):
        shown.job_began(number, Job("check" if number == 2 else "check_scans", {}))
        shown.job_finished(number)
    assert said[-1][10:].startswith("check: 3 jobs in 0 s")
    shown.job_began(3, TRAIN)
    lines = "warning: few\nepoch 1/2  train loss 1\nepoch 2/2  train loss 0.5\nepoch 3"
    log(shown, f"torch says\n{lines}")
    shown.job_finished(3)
    assert [line[10:] for line in said[-5:-1]] == [
        "train age, fold 0, seed 0: warning: few",
        "train age, fold 0, seed 0: epoch 1/2  train loss 1",
        "train age, fold 0, seed 0: epoch 2/2  train loss 0.5",
        "train age, fold 0, seed 0: done in 0 s",
    ]
    assert not any("earlier" in line for line in said)
    (line,) = shown.end([], stopped=False)
    assert line == "done in 0 s: `headstart status s`"


def test_a_study_whose_name_is_not_found_is_hinted_at_by_its_results(tmp_path: Path) -> None:
    far = tmp_path / "disk/res"
    project = tmp_path / "project"
    own = {"source": "own", "channels": {"T1": "{subject}.nii"}}
    train = {"network": "sfcn"}
    config = read_config(
        {
            "study": "s",
            "results": str(far),
            "data": [own],
            "experiments": {"age": {"task": "regression", "target": "age", "train": train}},
        }
    )
    settings = Settings(config, project, codes={}, listing="", package="", networks={})
    shown = Screen(settings, WORDS, lambda _: None)
    (line,) = shown.end([], stopped=False)
    assert line == f"s: nothing to do, all is there: `headstart status {far}/s`"
    assert work_plan(settings, []) == [line]
    (line,) = shown.end([("LockException", "")], stopped=False)
    assert f"; `headstart status {far}/s` says which" in line
    shown.job_began(1, TRAIN)
    shown.job_finished(1)
    (line,) = shown.end([], stopped=False)
    assert line == f"done in 0 s: `headstart status {far}/s`"
    (project / "config").mkdir(parents=True)
    (project / "config/s.yaml").write_text(f"study: s\nresults: {far}\n")
    (line,) = shown.end([], stopped=False)
    assert line == "done in 0 s: `headstart status s`"


def test_a_failure_is_said_last_with_the_command(screen: tuple[Screen, list[str]]) -> None:
    shown, said = screen
    shown.job_began(1, TRAIN)
    log(shown, "torch says\nheadstart: the loss is nan; lower it\n")
    shown.job_failed(1, None)
    assert said[-1][10:] == "train age, fold 0, seed 0: FAILED: the loss is nan; lower it"
    *above, command = shown.end([("WorkflowError", "whatever")], stopped=False)
    assert above[0] == "headstart: train age, fold 0, seed 0: the loss is nan; lower it"
    assert above[1] == f"  its log: results/{LOG}"
    assert command == "  snakemake --cores 2 --configfile 'config/my study.yaml'"


SIGINT = "headstart: stopped (SIGINT); what is finished stays, the same command goes on\n"


def test_what_the_user_stops_has_not_failed(screen: tuple[Screen, list[str]]) -> None:
    shown, said = screen
    shown.job_began(1, TRAIN)
    log(shown, SIGINT)
    shown.job_failed(1, None)
    assert "stopped (SIGINT)" in said[-1]
    assert "FAILED" not in said[-1]
    shown.job_began(2, Job("label", {}))
    shown.job_failed(2, None)  # it had no time for a word
    first, command = shown.end([], stopped=True)
    assert first.startswith("headstart: stopped by you")
    assert command == "  snakemake --cores 2 --configfile 'config/my study.yaml'"


def test_a_mistake_is_said_though_the_user_stops_the_rest(screen: tuple[Screen, list[str]]) -> None:
    shown, _ = screen
    for number, text in ((1, SIGINT), (2, "headstart: the disk is full\n")):
        name = f"s/logs/check/{number}.log"
        shown.job_began(number, Job("check_scans", {"shard": str(number)}, log=name))
        log(shown, text, name)
        shown.job_failed(number, None)
    lines = list(shown.end([], stopped=True))
    assert lines[0] == "headstart: check, shard 2: the disk is full"
    assert not any("SIGINT" in line for line in lines)


def test_the_time_of_a_stage_is_that_of_its_own_jobs(screen: tuple[Screen, list[str]]) -> None:
    shown, said = screen
    shown.planned({"prepare": 2})
    for shard in (0, 1):
        benchmark = f"s/benchmarks/prepare/{shard}.tsv"
        path = shown.settings.results / benchmark
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("s\th:m:s\n1200.0\t0:20:00\n")
        shown.job_began(shard, Job("prepare", {"shard": str(shard)}, benchmark=benchmark))
        shown.job_finished(shard)
    assert said[-1][10:] == "prepare: 2 jobs in 40 min"


def test_one_mistake_of_many_jobs_is_said_once(screen: tuple[Screen, list[str]]) -> None:
    shown, _ = screen
    for number in range(12):
        name = f"s/logs/check/{number}.log"
        shown.job_began(number, Job("check_scans", {"shard": str(number)}, log=name))
        log(shown, "headstart: the disk is full\n" if number else "Killed\n", name)
        shown.job_failed(number, None)
    lines = list(shown.end([], stopped=False))
    assert "headstart: check, shard 1 and 10 jobs more: the disk is full" in lines
    assert "headstart: check, shard 0: it was killed, or ended without a word" in lines


def test_a_job_that_never_began_does_not_say_what_an_earlier_one_said(
    screen: tuple[Screen, list[str]],
) -> None:
    shown, said = screen
    log(shown, "headstart: an old mistake\n")
    shown.job_began(1, TRAIN)
    shown.job_failed(1, "qsub: no such queue")
    assert "qsub: no such queue" in said[-1]


def test_a_job_that_is_tried_again_has_not_failed(screen: tuple[Screen, list[str]]) -> None:
    shown, _ = screen
    shown.job_began(1, TRAIN)
    shown.job_failed(1, None)
    shown.job_began(1, TRAIN)
    shown.job_finished(1)
    assert list(shown.end([], stopped=False))[-1].startswith("done in")


@pytest.mark.parametrize(
    ("refusal", "last"),
    [
        (("LockException", "Error: directory cannot be locked."), "headstart: s is locked: "),
        (
            ("MissingRuleException", "MissingRuleException:\nNo rule to produce x (if you use"),
            "headstart: No rule to produce x; leave this target out",
        ),
        (("WorkflowError", "WorkflowError:\nOne line."), "headstart: One line."),
        (
            ("MissingInputException", "Missing input files for rule x:\n    a\n    b"),
            "headstart: snakemake stopped for what stands above (MissingInputException)",
        ),
        (
            (
                "ValueError",
                "Traceback (most recent call last):\n  File x\nValueError: Invalid config "
                "definition: Config entries have to be defined as name=value pairs. (Unparsable "
                "value: 'cohort')",
            ),
            "headstart: --config takes KEY=VALUE, and 'cohort' is none; a target comes before it",
        ),
        (
            ("KeyError", "Traceback (most recent call last):\n  File x\nKeyError: 'a'"),
            "headstart: our mistake, not yours: KeyError: 'a'",
        ),
    ],
)
def test_refusals(refusal: tuple[str, str], last: str, screen: tuple[Screen, list[str]]) -> None:
    assert list(screen[0].end([refusal], stopped=False))[-1].startswith(last)


def test_a_run_that_was_stopped_and_one_with_nothing_to_do(
    screen: tuple[Screen, list[str]],
) -> None:
    assert "  snakemake --cores 2" in list(screen[0].end([], stopped=True))[-1]
    (line,) = screen[0].end([], stopped=False)
    assert line.startswith("s: nothing to do")


def test_epochs_are_said_while_a_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.study.screen.POLL", 0.01)
    said: list[str] = []
    epochs, path = EpochLines(said.append), tmp_path / "a.log"
    epochs.follow("a", path)
    for number in (1, 2):
        with path.open("a") as file:
            file.write(f"epoch {number}/2\n")
        end = time.monotonic() + 30
        while len(said) < number:
            assert time.monotonic() < end
            time.sleep(0.01)
    epochs.stop()
    assert said == ["a: epoch 1/2", "a: epoch 2/2"]


def test_a_stage_that_left_no_table_has_nothing_to_tell(
    screen: tuple[Screen, list[str]],
) -> None:
    this, lines = screen
    folder = this.settings.results / this.settings.config.study / "check"
    folder.mkdir(parents=True)
    for name in ("passed.csv", "rejected.csv"):
        (folder / name).touch()
    this.planned({"check": 1})
    this.job_began(1, Job("check", {}, "", LOG, ""))
    this.job_finished(1)
    assert not any("mistake" in line for line in [*lines, *this.end([], stopped=False)])
