"""One way to name a study, an experiment and a run, in every command."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from cards import make_identity
from cards import make_run

from headstart.cli import main
from headstart.common.errors import UserError
from headstart.common.run_id import RunId
from headstart.study.config import read_config
from headstart.study.named import Named
from headstart.study.named import called
from headstart.study.named import find
from headstart.study.named import newest_history
from headstart.study.named import runs_of
from headstart.training import run_store

KNOWN = ("age", "sex")
EXPERIMENTS = "experiments: {age: {}, sex: {}}\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two studies with files, of which one has results, and one of which only results are left."""
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/config.yaml").write_text(f"study: demo\n{EXPERIMENTS}")
    Path("config/mine.yaml").write_text(f"study: my-study\n{EXPERIMENTS}")
    Path("config/far.yaml").write_text(f"study: far\nresults: {tmp_path}/disk\n{EXPERIMENTS}")
    Path("config/broken.yaml").write_text("study: [")
    Path("config/pull.yaml").write_text("user: ada\n")
    for results in (Path("results/my-study"), Path("results/old"), Path("disk/far")):
        results.mkdir(parents=True)
        train = {"network": "sfcn"}
        asked = {name: {"task": "regression", "target": "age", "train": train} for name in KNOWN}
        own = {"source": "own", "channels": {"T1": "{subject}.nii"}}
        config = read_config({"study": results.name, "data": [own], "experiments": asked})
        (results / "config.json").write_text(config.model_dump_json())
    return tmp_path


def publish(run: RunId, time: int) -> Path:
    return write_run(Path("results/my-study", run.trained), time)


def write_run(folder: Path, time: int) -> Path:
    folder.mkdir(parents=True)
    for name in ("history.csv", "model.json"):
        (folder / name).write_text("{}")
    os.utime(folder / "history.csv", (time, time))
    return folder


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("my-study", ()),
        ("my-study/", ()),
        ("config/mine.yaml", ()),
        ("results/my-study", ()),
        ("results/my-study/", ()),
        ("results/my-study/train", ()),
        ("my-study/age", ("age",)),
        ("config/mine.yaml/age", ("age",)),
        ("results/my-study/train/age", ("age",)),
        ("results/my-study/train/age/main", ("age",)),
        ("results/my-study/config.json", ()),
        ("my-study/age/fold-2", ("age", 2)),
        ("my-study/age/fold-2/seed-1", ("age", 2, 1)),
        ("my-study/age/seed-1", ("age", None, 1)),
        ("config/mine.yaml/age/fold-2/seed-1", ("age", 2, 1)),
        (f"results/my-study/{RunId('age', 2, 1).trained}", ("age", 2, 1)),
        (f"results/my-study/{RunId('age', 2, 1).trained}/history.csv", ("age", 2, 1)),
    ],
)
def test_all_ways_lead_to_the_same(name: str, what: tuple[object, ...], project: Path) -> None:
    publish(RunId("age", 2, 1), 1)
    found = Named("my-study", Path("config/mine.yaml"), Path("results"), *what)  # type: ignore[arg-type]
    assert find(name) == found
    if name.startswith("results"):
        assert find(f"{project}/{name}").folder == project / "results/my-study"
        assert find(f"{project}/{name}").experiment == found.experiment


def test_a_study_whose_results_lie_elsewhere() -> None:
    assert find("far/age").folder == Path.cwd() / "disk/far"
    assert find("disk/far").file == Path("config/far.yaml")
    assert find("demo", Path("other")).folder == Path("other/demo")


def test_it_is_called_what_finds_it_from_the_project(project: Path) -> None:
    (project / "away/results/a b").mkdir(parents=True)
    Path("away/results/a b/config.json").write_text(Path("results/old/config.json").read_text())
    Path("elsewhere").mkdir()
    Path("results/my-study").rename("elsewhere/my-study")
    for study, root, name in (
        ("old", "results", "old"),
        ("far", "disk", "far"),
        ("my-study", "elsewhere", "elsewhere/my-study"),
        ("a b", "away/results", "'away/results/a b'"),
    ):
        assert called(study, Path(root)) == name
        (typed,) = shlex.split(name)
        assert find(typed).folder.resolve() == project / root / study
    outside = project / "away"
    assert called("far", project / "disk", outside) == str(project / "disk/far")
    assert called("a b", outside / "results", outside) == "'a b'"


def test_an_experiment_is_named_below_the_results_folder_too() -> None:
    assert find("disk/far/age/fold-1") == Named(
        "far", Path("config/far.yaml"), Path("disk"), "age", 1
    )
    with pytest.raises(UserError, match="has no experiment 'height'; there are: age, sex"):
        find("disk/far/height")


def test_hints_name_the_results_folder_where_the_name_is_not_found(project: Path) -> None:
    Path("results/old").rename(project / "old")
    for command in (runs_of, newest_history):
        with pytest.raises(UserError, match="`headstart status old` says why"):
            command(str(project / "old/age"))
    Path("elsewhere").mkdir()
    (project / "old").rename("elsewhere/old")
    for command in (runs_of, newest_history):
        with pytest.raises(UserError, match="`headstart status elsewhere/old` says why"):
            command("elsewhere/old/age")
    with pytest.raises(UserError, match="which experiment: elsewhere/old/age, elsewhere/old/sex"):
        runs_of("elsewhere/old")


def test_a_study_of_which_only_results_are_left() -> None:
    assert find("old/sex") == Named("old", None, Path("results"), "sex")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("other", "no study 'other'; there are: demo, far, my-study, old"),
        ("", "there are: demo, far, my-study, old"),
        ("config/gone.yaml", "config/gone.yaml: there is no such file"),
        ("/far/gone.yaml", "/far/gone.yaml: there is no such file"),
        ("my-study/height", "has no experiment 'height'; there are: age, sex"),
        ("old/height", "has no experiment 'height'; there are: age, sex"),
        ("config/mine.yaml/height", "has no experiment 'height'"),
        ("my-study/age/2", "'2' is no run; write fold-0/seed-0"),
        ("config/broken.yaml", "config/broken.yaml: line 1: not YAML"),
    ],
)
def test_what_is_not_there_is_answered_by_what_is(name: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        find(name)
    assert said in str(caught.value)


def test_experiments_of_a_sweep_are_named_like_others() -> None:
    swept = "experiments: {age: {sweep: {train.epochs: [10, 30]}}}\n"
    Path("config/swept.yaml").write_text(f"study: swept\n{swept}")
    assert find("swept/age-epochs-10").experiment == "age-epochs-10"
    with pytest.raises(UserError, match="no experiment 'age'; there are: age-epochs-10, age-epo"):
        find("swept/age")


def test_runs() -> None:
    with pytest.raises(UserError, match="no finished training; `headstart status my-study`"):
        runs_of("my-study/age")
    with pytest.raises(UserError, match="which experiment: my-study/age, my-study/sex"):
        runs_of("my-study")
    first = publish(RunId("age", 0, 0), 2)
    second = publish(RunId("age", 1, 0), 3)
    other = publish(RunId("sex", 0, 0), 4)
    assert runs_of("my-study/age") == [first, second]
    assert runs_of("config/mine.yaml/age/fold-1") == [second]
    assert runs_of(str(other)) == [other]


def test_results_of_another_version_are_one_sentence() -> None:
    Path("results/old/config.json").write_text('{"study": "old"}')
    with pytest.raises(UserError, match=r"old/config\.json: is damaged, or of another version"):
        find("old/age")
    run = Path("results/my-study/runs/key")
    run.mkdir(parents=True)
    (run / "run.json").write_text("{")
    with pytest.raises(UserError, match=r"run\.json: is damaged"):
        newest_history("my-study/age")


def test_the_newest_history_is_live_or_finished() -> None:
    with pytest.raises(UserError, match="no epoch yet"):
        newest_history("my-study/age")
    done = publish(RunId("age", 0, 0), 2)
    other = publish(RunId("sex", 0, 0), 3)
    assert newest_history("my-study/age") == done / "history.csv"
    assert newest_history("my-study") == other / "history.csv"
    live = write_run(Path("results/my-study/runs/key/attempt-1"), 4)
    run_store.write_identity(live.parent, make_identity(make_run(fold=1)))
    assert newest_history("my-study/age") == live / "history.csv"
    assert newest_history("my-study/age/fold-0") == done / "history.csv"


@pytest.mark.parametrize(
    "words",
    [
        ["status", "other"],
        ["methods", "other"],
        ["plot", "other/age"],
        ["predict", "other/age", "--scans", "a.nii", "--output", "new.csv"],
        ["vary", "other/age", "--set", "train.epochs=3"],
        ["try", "other"],
    ],
)
def test_every_command_says_which_studies_there_are(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert "there are: demo, far, my-study, old" in capsys.readouterr().err


def test_what_a_command_needs_besides_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vary", "my-study", "--set", "train.epochs=3"]) == 2
    assert "which experiment to start from: my-study/age" in capsys.readouterr().err
    assert main(["vary", "old/age", "--set", "train.epochs=3"]) == 2
    assert "has no file in config/" in capsys.readouterr().err
    assert main(["try", "my-study"]) == 2
    said = capsys.readouterr().err
    assert "snakemake --cores 2 cohort --configfile config/mine.yaml" in said
    assert main(["try", "old"]) == 2
    said = capsys.readouterr().err
    assert "snakemake --cores 2 cohort --configfile results/old/config.json" in said
    Path("away.yaml").write_text(Path("config/mine.yaml").read_text().replace("my-study", "away"))
    assert main(["vary", "away.yaml", "--set", "train.epochs=3"]) == 2
    assert "which experiment to start from: away.yaml/age" in capsys.readouterr().err
