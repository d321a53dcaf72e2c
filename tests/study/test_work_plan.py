"""The plan that a dry run ends with: stages, jobs, hours, bytes, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cards import make_card

from headstart.common import files
from headstart.common.records import write_rows
from headstart.common.run_id import RunId
from headstart.data.inventory import FileRow
from headstart.data.label_table import LabelRow
from headstart.study import provenance
from headstart.study.config import read_config
from headstart.study.jobs import Job
from headstart.study.provenance import Version
from headstart.study.settings import Settings
from headstart.study.stages import STAGES
from headstart.study.stages import Stage
from headstart.study.work_plan import work_plan
from headstart.study.work_plan import work_totals
from headstart.training.spent import Spent

NEW = "Missing output files: s/label/labels.csv"
CHANGED = "Params have changed since last execution"
TRAIN = {"network": "sfcn", "epochs": 60, "threads": 1}


def settings(folder: Path, count: int = 1, **changes: Any) -> Settings:
    own = {"source": "own", "channels": {"T1": "{subject}.nii"}}
    config = {
        "study": "s",
        "data": [own],
        "prepare": {"window": [100, 100, 100], "shards": 2},
        "experiments": {
            f"e{number}": {"task": "regression", "target": "age", "train": dict(TRAIN)}
            for number in range(count)
        },
        **changes,
    }
    return Settings(read_config(config), folder, codes={}, listing="", package="", networks={})


def training(experiment: str = "e0", fold: int = 0, reason: str = NEW) -> Job:
    return Job("train", {"experiment": experiment, "fold": str(fold), "seed": "0"}, reason)


def rows(lines: list[str]) -> dict[str, list[str]]:
    """Return the cells of each row of a plan, by its name."""
    cells = [[cell for cell in line.split("  ") if cell] for line in lines[1:]]
    return {first.strip(): [cell.strip() for cell in rest] for first, *rest in cells}


def test_a_new_study(tmp_path: Path) -> None:
    (tmp_path / "data/own").mkdir(parents=True)
    for number in range(50):
        (tmp_path / f"data/own/{number}.nii").touch()
    jobs = [
        *(Job(rule, {}, NEW) for rule in ("all", "label", "check", "split", "audit")),
        *(Job(rule, {"shard": str(k)}, NEW) for rule in ("check_scans", "prepare") for k in (0, 1)),
        training(),
    ]
    lines = work_plan(settings(tmp_path), jobs)
    found = rows(lines)
    assert [*found][:6] == ["stage", "label", "check", "split", "prepare", "train e0"]
    assert found["check"][0] == "3"
    # 50 scans of 10^6 voxels at two bytes
    assert found["prepare"] == ["2", "< 1 min", "100 MB", "new"]
    # 60 epochs, 1.2 microseconds a voxel: 27 scans to learn from; a third of the time for those
    # again, and for 5 of validation
    assert found["train e0"] == ["1", "~31 min", "47.2 MB", "new"]
    assert found["all"][0] == "9"
    assert "a rough figure" in "\n".join(lines)


@pytest.mark.parametrize(
    ("train", "size"),
    [({"epochs": 60}, "47.2 MB"), ({"epochs": 60, "save_every": 20}, "118 MB")],
)
def test_networks_that_are_saved_on_the_way_take_disk(
    tmp_path: Path, train: dict[str, Any], size: str
) -> None:
    """Three of them, each of 2.95 million weights, in the run store and published."""
    e0 = {"task": "regression", "target": "age", "train": {"network": "sfcn"} | train}
    made = settings(tmp_path, experiments={"e0": e0})
    assert rows(work_plan(made, [training()]))["train e0"][2] == size


def test_iterations_take_the_time_of_the_epochs_that_they_are(tmp_path: Path) -> None:
    """Of 27 scans, four at a time: seven steps, so that 420 are 60 epochs."""
    (tmp_path / "data/own").mkdir(parents=True)
    for number in range(50):
        (tmp_path / f"data/own/{number}.nii").touch()
    train = {key: value for key, value in TRAIN.items() if key != "epochs"} | {"iterations": 420}
    experiments = {"e0": {"task": "regression", "target": "age", "train": train}}
    made = settings(tmp_path, experiments=experiments)
    assert rows(work_plan(made, [training()]))["train e0"][1] == "~31 min"


def test_times_of_earlier_runs_count_more_than_rough_ones(tmp_path: Path) -> None:
    made = settings(tmp_path)
    run = made.results / "s" / RunId("e0", 1, 0).trained
    make_card(made.slices.train("e0", 1, 0), spent=[Spent(computing=600)]).write(run)
    benchmark = made.results / "s/benchmarks/check/0.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\th:m:s\n7200.0\t2:00:00\n")
    jobs = [Job("check_scans", {}, NEW, benchmark=f"s/benchmarks/check/{k}.tsv") for k in (0, 1)]
    found = rows(work_plan(made, [*jobs, training()]))
    assert found["train e0"][1] == "10 h"
    assert found["check"][1] == "4.0 h"
    assert found["all"][1] == "14 h"


def test_why_is_the_key_that_changed(tmp_path: Path) -> None:
    before = settings(tmp_path)
    files.write_json(before.resolved, before.config.model_dump(mode="json"))
    train = {**TRAIN, "epochs": 80}
    now = settings(
        tmp_path,
        split={"test": 0.3},
        experiments={"e0": {"task": "regression", "target": "age", "train": train}},
    )
    follows = "Input files updated by another job: s/check/passed.csv"
    jobs = [Job("split", {}, CHANGED), Job("label", {}, CHANGED), training(reason=CHANGED)]
    found = rows(work_plan(now, [*jobs, Job("evaluate", {"experiment": "e0"}, follows)]))
    assert found["split"][-1] == "test 0.2 -> 0.3"
    assert found["label"][-1] == "what it rests on is another one"
    assert found["train e0"][-1] == "train.epochs 60 -> 80"
    assert found["evaluate"][-1] == "follows from the above"


def test_a_stage_of_other_code_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"check-scans": Version(2, "", ["zeros count"]), "plot": Version(1, "", [])}
    monkeypatch.setattr(provenance, "versions", lambda: versions)
    codes = {"check-scans": "version-2", "plot": "0" * 16, "evaluate": "version-1"}
    made = replace(settings(tmp_path), codes=codes)
    reason = f"{CHANGED}: before: 'f00','version-1' now: 'version-2','f11' "
    jobs = [Job("check_scans", {"shard": str(number)}, reason) for number in (0, 1)]
    jobs.append(Job("evaluate", {"experiment": "e0"}, reason))  # the version of what it rests on
    jobs.append(Job("plot_flow", {}, f"{CHANGED}: before: 'version-1' now: '{'0' * 16}' "))
    lines = work_plan(made, jobs)
    assert "  check-scans gives other results since zeros count" in lines
    assert "  the code of plot was edited" in lines
    assert sum("other results" in line for line in lines) == 1
    found = rows(lines)
    assert found["check"][-1] == found["plot"][-1] == "its code is another one"
    assert found["evaluate"][-1] == "what it rests on is another one"


def test_why_is_a_file_that_was_replaced(tmp_path: Path) -> None:
    made = settings(tmp_path)
    gone = FileRow("1", "1", "1.nii", size=7, modified=7)
    write_rows(made.results / "s/label/files/0.csv", FileRow, [gone])
    jobs = [Job("label", {}, CHANGED), Job("evaluate", {"experiment": "e0"}, CHANGED)]
    found = rows(work_plan(made, jobs))
    assert found["label"][-1] == "files in the data folder, such as 1.nii"
    assert found["evaluate"][-1] == "what it rests on is another one"


def test_why_is_a_table_that_changed(tmp_path: Path) -> None:
    made, scans = settings(tmp_path), tmp_path / "data/own"
    scans.mkdir(parents=True)
    (scans / "1.nii").touch()
    write_rows(made.results / "s/label/labels.csv", LabelRow, [])
    job = Job("label", {}, CHANGED)
    assert rows(work_plan(made, [job]))["label"][-1] == "what it rests on is another one"
    table, labels = scans / "ages.csv", made.results / "s/label/labels.csv"
    table.touch()
    while table.stat().st_ctime_ns <= labels.stat().st_ctime_ns:  # the clock of files is coarse
        table.touch()
    made = settings(tmp_path)
    said = rows(work_plan(made, [job]))["label"][-1]
    assert said == "files in the data folder, such as own/ages.csv"


def test_why_is_the_users_own_split_that_changed(tmp_path: Path) -> None:
    made = replace(settings(tmp_path, split={"file": "mine.csv"}), split_file="d" * 16)
    other = f'{CHANGED}: before: \'{{"file":"{"c" * 16}"}}\' now: \'{{"file":"{"d" * 16}"}}\' '
    found = rows(work_plan(made, [Job("split", {}, other), Job("label", {}, CHANGED)]))
    assert found["split"][-1] == "mine.csv is another one"
    assert found["label"][-1] == "what it rests on is another one"


def test_what_is_downloaded_is_told(tmp_path: Path) -> None:
    made = settings(tmp_path, data=[{"source": "ixi", "modality": "T1"}])
    found = rows(work_plan(made, [Job("fetch_ixi", {}, NEW), Job("prepare", {}, NEW)]))
    assert found["fetch"][1:] == ["?", "4.51 GB", "new: download"]
    assert found["prepare"][1:] == ["?", "?", "new"]


@pytest.mark.parametrize("experiments", [1, 8, 9, 40])
def test_never_more_than_a_screen(experiments: int, tmp_path: Path) -> None:
    stages = ("fetch_x", "label", "check", "split", "prepare", "predict", "evaluate", "manifest")
    names = [f"e{number}" for number in range(experiments)]
    jobs = [Job(rule, {}, CHANGED) for rule in stages]
    jobs += [training(name, fold) for name in names for fold in range(5)]
    lines = work_plan(settings(tmp_path, experiments), jobs)
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 100
    assert sum(int(cells[0]) for name, cells in rows(lines).items() if "train" in name) == len(
        jobs
    ) - len(stages)


def test_nothing_to_do(tmp_path: Path) -> None:
    for jobs in ([], [Job("all", {}, NEW)]):
        (line,) = work_plan(settings(tmp_path), jobs)
        assert line == "s: nothing to do, all is there: `headstart status s`"


def test_the_numbers_of_a_quiet_dry_run(tmp_path: Path) -> None:
    made = settings(tmp_path)
    rules = {"all": 1, "label": 1, "check_scans": 2, "gather": 1, "prepare": 2, "total": 7}
    assert work_totals(made, rules) == ["s: what would run: 6 jobs: 1 label, 2 check, 3 prepare"]
    assert "nothing to do" in work_totals(made, {"all": 1, "total": 1})[0]


def test_a_stage_more_is_planned_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, "count-sites", Stage("count", "count-sites/sites.json"))
    monkeypatch.setitem(STAGES, "weigh-sites", Stage("weigh", "weigh/sites.json", (), "prepare"))
    rules = {"count_sites": 1, "weigh_sites": 1, "gather": 1, "manifest": 2, "plot_near-x": 1}
    assert work_totals(settings(tmp_path), rules) == [
        "s: what would run: 6 jobs: 2 prepare, 3 plot, 1 count-sites"
    ]
