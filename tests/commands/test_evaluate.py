from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluated import Study
from evaluated import make_study
from evaluated import reject
from prepared_shards import write_digests

from headstart.cli import main
from headstart.cohort.prepared import read_cohort
from headstart.cohort.shards import ShardCard
from headstart.cohort.splits import SplitRow
from headstart.cohort.splits import read_splits
from headstart.cohort.splits import write_splits
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.records import read_rows
from headstart.common.records import write_rows
from headstart.common.run_id import RunId
from headstart.common.schema import settings_text
from headstart.data.label_table import LabelRow
from headstart.evaluation.bench import Bench
from headstart.evaluation.estimates import HeldOut
from headstart.evaluation.evaluate import _groups
from headstart.evaluation.openings import read_openings
from headstart.evaluation.predictions import read_image
from headstart.evaluation.predictions import read_run
from headstart.evaluation.predictions import seal
from headstart.evaluation.results import OURS
from headstart.evaluation.settings import EvaluateSettings
from headstart.tasks import TASKS
from headstart.tasks.segmentation import Segmentation

# one group: what they share is made once, not once per process
pytestmark = pytest.mark.xdist_group("evaluate")

# Of our networks alone, as something is fitted to other folds' answers first.
FITTED = {
    *(f"{name}_M" for name in ("threshold", "sensitivity", "specificity", "ppv", "npv")),
    *("corrected_gap", "corrected_gap_r"),
}
TARGETS = {"regression": "age", "classification": "sex", "segmentation": "mask"}


def write_sealed_table(path: Path, table: pd.DataFrame) -> None:
    """Write a predictions.csv as a predict that is at fault would have written it."""
    files.write_csv(path, table)
    seal(path, weights="0" * 64)


def evaluate(study: Study, task: str, *more: str, test: bool = True) -> int:
    settings = EvaluateSettings(
        experiment="exp",
        task=task,
        target=TARGETS[task],
        classes={"rim": (1,), "core": (2,)} if task == "segmentation" else {},
        primary=TASKS[task].metrics[0],
        test=test,
        folds=(0, 1),
        seeds=(0, 1),
    )
    words = ["evaluate", "--settings", settings_text(settings), *study.tables, *study.data]
    words += ["--predictions", *map(str, study.predictions)]
    words += ["--openings", str(study.root / "test-openings.csv")]
    return main([*words, *more, "--output", str(study.root / "evaluate/exp")])


def tables(study: Study) -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = study.root / "evaluate/exp"
    return pd.read_csv(folder / "metrics.csv"), pd.read_csv(folder / "comparison.csv")


@pytest.fixture(scope="module", params=sorted(TARGETS))
def judged(request, tmp_path_factory) -> tuple[str, Study]:
    task = request.param
    study = make_study(tmp_path_factory.mktemp(task), task=task)
    assert evaluate(study, task) == 0
    return task, study


def test_every_model_has_the_very_same_rows(judged):
    metrics, _ = tables(judged[1])
    keys = ["metric", "group", "protocol"]
    fitted = metrics["metric"].isin(FITTED)
    assert fitted.any() == (judged[0] != "segmentation")
    assert set(metrics["model"][fitted]) <= {"ensemble"}
    metrics = metrics[~fitted]
    of_model = {m: set(rows[keys].itertuples(index=False)) for m, rows in metrics.groupby("model")}
    assert len(of_model) >= 3
    assert all(rows == of_model["ensemble"] for rows in of_model.values())


def test_columns_and_protocols_are_as_promised(judged):
    metrics, comparison = tables(judged[1])
    assert list(metrics) == [
        *("model", "metric", "group", "protocol", "value", "ci_low", "ci_high"),
        *("ci_method", "n", "seed_sd", "fold_sd", "folds"),
    ]
    assert list(comparison) == [
        *("metric", "protocol", "baseline", "difference", "ci_low", "ci_high", "ci_method", "n")
    ]
    assert set(metrics["protocol"]) == {"cross-validation", "test"}
    folds = {"fold=0", "fold=1"}
    assert {"all", "site=Guys", "site=HH"} | folds >= set(metrics["group"]) >= {"all"} | folds
    assert not (set(metrics["group"][metrics["protocol"] == "test"]) & folds)


def test_answers_have_a_row_for_each_held_out_scan_of_each_protocol(judged):
    task, study = judged
    answers = pd.read_csv(study.root / "evaluate/exp/answers.csv", dtype={"session": str})
    assert list(answers)[:6] == ["subject", "session", "protocol", "fold", "repeats", "target"]
    assert (answers["repeats"] == 1).all()
    assert not answers.duplicated(["subject", "session", "protocol"]).any()
    metrics, _ = tables(study)
    ours = metrics[metrics["model"].isin(OURS) & (metrics["group"] == "all")]
    people = ours[~ours["metric"].isin(FITTED)].groupby("protocol")["n"].first()
    assert answers.groupby("protocol")["subject"].nunique().to_dict() == people.to_dict()
    assert (answers["fold"].isna() == (answers["protocol"] == "test")).all()
    if task == "classification":
        assert np.allclose(answers["p_F"] + answers["p_M"], 1)


@pytest.mark.parametrize("task", TARGETS)
def test_a_scan_without_a_prediction_is_named_and_in_no_metric(
    task: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study(tmp_path, task=task)
    assert evaluate(study, task) == 0
    before = pd.read_csv(study.root / "evaluate/exp/answers.csv", dtype=str)
    of_folds = before[before["protocol"] == "cross-validation"]
    subject = of_folds["subject"].value_counts().index[-1]  # who has one scan alone
    key = (subject, of_folds.set_index("subject").loc[subject, "session"])
    for path in study.predictions:
        reject(path, key, "not finite")
        if any(row.key == key for row in read_run(path).rows):
            break  # of one of the seeds
    assert evaluate(study, task) == 0
    after = pd.read_csv(study.root / "evaluate/exp/answers.csv", dtype=str)
    assert len(after) == len(before)
    (row,) = after[after["rejected"].notna()].to_dict("records")
    assert (row["subject"], row["session"], row["rejected"]) == (*key, "not finite")
    assert pd.isna(row[before.columns[-1]])
    said = f"1 of {len(of_folds)} scans has no prediction, and is in no metric: not finite"
    assert said in capsys.readouterr().err
    metrics, _ = tables(study)
    of_all = metrics[(metrics["group"] == "all") & (metrics["metric"] == TASKS[task].metrics[0])]
    counts = of_all.set_index("protocol")["n"].groupby("protocol").max()
    assert counts["cross-validation"] == of_folds["subject"].nunique() - 1


def test_a_gap_is_corrected_by_a_line_through_answers_for_other_subjects(judged):
    task, study = judged
    if task != "regression":
        return
    answers = pd.read_csv(study.root / "evaluate/exp/answers.csv")
    assert np.allclose(answers["gap"], answers["prediction"] - answers["target"])
    of_folds = answers[answers["protocol"] == "cross-validation"]
    share = 1 / of_folds.groupby("subject")["session"].transform("size")
    for fold in (0.0, 1.0, np.nan):  # nan: the test
        asked = answers[answers["fold"].isna() if np.isnan(fold) else answers["fold"] == fold]
        known = of_folds["fold"] != fold
        # polyfit's weights are those of residuals, before they are squared
        line = np.polyfit(
            of_folds["target"][known], of_folds["prediction"][known], 1, w=share[known] ** 0.5
        )
        expected = asked["prediction"] - np.polyval(line, asked["target"])
        assert np.allclose(asked["corrected_gap"], expected)


def test_one_fold_is_a_hold_out_and_one_network_is_no_ensemble(tmp_path: Path):
    study = make_study(tmp_path, folds=(0,), seeds=(0,))
    assert evaluate(study, "regression") == 0
    metrics, comparison = tables(study)
    assert set(metrics["protocol"]) == set(comparison["protocol"]) == {"hold-out", "test"}
    assert "network" in set(metrics["model"])
    assert "ensemble" not in set(metrics["model"])
    assert not metrics["ci_method"].str.contains("for folds").any()
    assert metrics[["fold_sd", "folds"]].isna().all(axis=None)
    assert not metrics["group"].str.startswith("fold=").any()
    answers = pd.read_csv(study.root / "evaluate/exp/answers.csv").set_index("protocol")
    assert answers.loc["hold-out", "corrected_gap"].isna().all()
    assert answers.loc["test", "corrected_gap"].notna().all()
    gap = metrics[metrics["metric"] == "corrected_gap"].set_index("protocol")
    assert "other folds hold out fewer than 10" in gap["ci_method"]["hold-out"]
    assert gap["value"]["test"] > 0


def test_of_several_networks_the_test_asks_the_ensemble_and_each_fold_its_own(tmp_path: Path):
    study = make_study(tmp_path, seeds=(0,))
    assert evaluate(study, "regression") == 0
    metrics, _ = tables(study)
    ours = metrics[metrics["model"].isin(["network", "ensemble"])]
    of_part = ours.groupby("protocol")["model"].unique().map(list).to_dict()
    assert of_part == {"cross-validation": ["network"], "test": ["ensemble"]}
    # half of the subjects are held out by each of two folds: 1 + 2 x 1
    of_all = metrics[metrics["ci_low"].notna() & (metrics["group"] == "all")]
    known = of_all.groupby("protocol")["ci_method"]
    assert known.get_group("cross-validation").str.endswith("; variance x 3 for folds").all()
    assert not known.get_group("test").str.contains("folds").any()


def test_a_correlation_over_folds_is_the_mean_of_the_folds_own(tmp_path: Path):
    study = make_study(tmp_path, subjects=24, seeds=(0,))
    assert evaluate(study, "regression", test=False) == 0
    assert not (study.root / "test-openings.csv").exists()
    each = []
    for path in study.predictions:
        rows = pd.read_csv(path)
        rows = rows[rows["part"] == "fold"]
        weights = 1 / rows.groupby("subject")["session"].transform("size")
        covariance = np.cov(rows[["target", "prediction"]].T, aweights=weights, ddof=0)
        each.append(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))
    metrics = tables(study)[0]
    row = metrics[(metrics["model"] == "network") & (metrics["metric"] == "r")].iloc[0]
    assert row["value"] == pytest.approx(np.mean(each), rel=1e-5)


def test_n_counts_subjects_not_scans(judged):
    metrics, _ = tables(judged[1])
    everyone = metrics[metrics["group"] == "all"]
    n = everyone[~everyone["metric"].isin(FITTED)].groupby("protocol")["n"].unique()
    assert n["cross-validation"].tolist() == [30]
    assert n["test"].tolist() == [10]
    for one, other in (("sensitivity_M", "specificity_M"), ("ppv_M", "npv_M")) * (
        judged[0] == "classification"
    ):
        of = everyone[everyone["metric"].isin([one, other])].groupby("protocol")["n"].sum()
        # a subject may be called both, in two sessions
        assert of["test"] >= 10
        assert of["cross-validation"] >= 30


def test_intervals_hold_the_value_and_seeds_have_a_spread(judged):
    metrics, comparison = tables(judged[1])
    known = metrics.dropna(subset=["value", "ci_low"])
    assert (known["ci_low"] <= known["ci_high"]).all()
    network = known[(known["model"] == "ensemble") & (known["group"] == "all")]
    assert (
        (network["ci_low"] <= network["value"]) & (network["value"] <= network["ci_high"])
    ).all()
    assert (network["seed_sd"] > 0).any()
    assert metrics.loc[metrics["model"] != "ensemble", "seed_sd"].isna().all()
    value = metrics[metrics["group"] == "all"].set_index(["protocol", "metric", "model"])["value"]
    for row in comparison.dropna(subset=["difference"]).itertuples():
        expected = value[row.protocol, row.metric, "ensemble"]
        expected -= value[row.protocol, row.metric, row.baseline]
        assert row.difference == pytest.approx(expected, abs=1e-4, rel=1e-5)


def test_the_same_files_give_the_same_bytes(judged):
    task, study = judged
    paths = [study.root / "evaluate/exp" / name for name in ("metrics.csv", "comparison.csv")]
    before = [path.read_bytes() for path in paths]
    assert evaluate(study, task) == 0
    assert [path.read_bytes() for path in paths] == before


def test_the_mean_error_is_that_of_the_mean_over_seeds(tmp_path: Path):
    study = make_study(tmp_path, subjects=24)
    assert evaluate(study, "regression", test=False) == 0
    metrics, _ = tables(study)
    assert set(metrics["protocol"]) == {"cross-validation"}
    runs = pd.concat([pd.read_csv(path) for path in study.predictions])
    runs = runs[runs["part"] == "fold"].groupby(["subject", "session"])
    scans = runs[["target", "prediction"]].mean()
    error = (scans["prediction"] - scans["target"]).abs().groupby("subject").mean()
    row = metrics[(metrics["model"] == "ensemble") & (metrics["metric"] == "mae")].iloc[0]
    assert row["value"] == pytest.approx(error.mean(), rel=1e-5)


def test_baselines_never_see_the_held_out_fold(tmp_path: Path):
    study = make_study(tmp_path, subjects=24, folds=(0,), seeds=(0,))
    assert evaluate(study, "regression", test=False) == 0
    before, _ = tables(study)
    passed = pd.read_csv(study.root / "check/passed.csv")
    splits = pd.read_csv(study.root / "split/splits.csv").set_index("subject")
    known = passed[passed["subject"].map(splits["fold"]) == 1]
    mean = known.groupby("subject")["age"].mean().mean()
    held = passed[passed["subject"].map(splits["fold"]) == 0]
    expected = (held["age"] - mean).abs().groupby(held["subject"]).mean().mean()
    row = before[(before["model"] == "mean") & (before["metric"] == "mae")].iloc[0]
    assert row["value"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_no_baseline_ever_sees_what_is_true_of_the_test_subjects(tmp_path: Path, task: str):
    """With other targets of theirs, every baseline says of them what it said."""
    study = make_study(tmp_path, task=task, subjects=24)
    tables = [study.root / name for name in ("check/passed.csv", "split/splits.csv", "prepare")]
    cohort = read_cohort(*tables, TARGETS[task])
    runs = [read_run(path) for path in study.predictions]
    said = []
    for other in (False, True):
        lies = {"F": "M", "M": "F"} if task == "classification" else {}
        scans = [
            replace(scan, target=lies.get(scan.target, "99")) if other and scan.test else scan
            for scan in cohort.scans
        ]
        changed = replace(cohort, scans=tuple(scans))
        asked = TASKS[task].from_cohort(changed, ())
        sites = {(scan.subject, scan.session): "A" for scan in scans}
        bench = Bench(asked, changed, sites, data=tmp_path, classes={}, tolerance=1.0)
        said.append(bench.trial(runs, "test"))
    before, after = said
    assert (before.truth != after.truth).all()
    assert {"voxels", "head-size"} < set(before.models)
    for name, prediction in before.models.items():
        np.testing.assert_array_equal(prediction, after.models[name], err_msg=name)


def test_volumes_of_masks_are_a_baseline_where_every_scan_has_one(tmp_path: Path):
    study = make_study(tmp_path, subjects=60)
    assert evaluate(study, "regression") == 0
    assert not {"mask-volumes", "brain-size"} & set(tables(study)[0]["model"])
    volumes = {"core": lambda age: np.expm1(age / 20), "none": lambda _: 0.0}
    set_volumes(study, "millilitres", lambda age: ({n: of(age) for n, of in volumes.items()},) * 2)
    set_volumes(study, "brain_ml", lambda age: 2000 - age)
    assert evaluate(study, "regression") == 0
    metrics, comparison = tables(study)
    mae = metrics[(metrics["metric"] == "mae") & (metrics["group"] == "all")]
    assert (mae.loc[mae["model"] == "mask-volumes", "value"] < 0.1).all()
    assert (mae.loc[mae["model"] == "brain-size", "value"] < 0.5).all()
    assert {"mask-volumes", "brain-size"} < set(comparison["baseline"])
    set_volumes(study, "millilitres", lambda age: ({"core": 1.0},) * 2 if age > 30 else None)
    set_volumes(study, "brain_ml", lambda age: 1.0 if age > 30 else None)
    assert evaluate(study, "regression") == 0
    assert not {"mask-volumes", "brain-size"} & set(tables(study)[0]["model"])


def set_volumes(study: Study, key: str, volumes: Any) -> None:
    """Write volumes that follow the age into the shards' cards."""
    passed = read_rows(study.root / "check/passed.csv", LabelRow)
    age = {row.key: float(row.labels["age"]) for row in passed}
    for path in (study.root / "prepare").glob("shard-?.json"):
        card = ShardCard.read(path)
        of_scans = [(scan, volumes(age[scan.key])) for scan in card.scans]
        scans = [scan.model_copy(update={key: found}) for scan, found in of_scans]
        card.model_copy(update={"scans": tuple(scans)}).write(path)


def test_a_constant_is_not_said_to_rank_anyone(tmp_path: Path):
    study = make_study(tmp_path, task="classification")
    assert evaluate(study, "classification") == 0
    metrics, _ = tables(study)
    majority = metrics[metrics["model"] == "majority"].set_index(["protocol", "group", "metric"])
    assert majority.loc[("cross-validation", "all", "auroc"), "value"] == 0.5
    assert majority.loc[("cross-validation", "all", "balanced_accuracy"), "value"] == 0.5


def test_a_network_that_knows_beats_the_baselines_and_one_that_guesses_does_not(tmp_path: Path):
    good = make_study(tmp_path / "good", subjects=60, noise=3)
    bad = make_study(tmp_path / "bad", subjects=60, noise=60)
    for study in (good, bad):
        assert evaluate(study, "regression") == 0
    high = {}
    for name, study in (("good", good), ("bad", bad)):
        comparison = tables(study)[1]
        mae = comparison[(comparison["metric"] == "mae") & (comparison["protocol"] == "test")]
        # age is all that these scans differ in: a linear model of their voxels knows it, too
        mae = mae[mae["baseline"] != "voxels"]
        high[name] = mae["ci_high"].max()
    assert high["good"] < 0 < high["bad"]


def test_a_scan_of_another_fold_is_an_error_with_a_mend(tmp_path: Path, capsys):
    study = make_study(tmp_path, subjects=24)
    splits = study.root / "split/splits.csv"
    other = {0: 1, 1: 0, None: None}
    write_splits(splits, [replace(row, fold=other[row.fold]) for row in read_splits(splits)])
    assert evaluate(study, "regression") == 2
    assert "predict makes it again" in capsys.readouterr().err
    assert not (study.root / "evaluate").exists()


def test_a_missing_target_is_left_out(tmp_path: Path):
    study = make_study(tmp_path, subjects=24)
    passed = study.root / "check/passed.csv"
    rows = read_rows(passed, LabelRow)
    rows = [
        replace(r, labels=r.labels | {"age": ""}) if r.subject == "sub-000" else r for r in rows
    ]
    write_rows(passed, LabelRow, rows)
    assert evaluate(study, "regression") == 0
    metrics, _ = tables(study)
    everyone = metrics[(metrics["group"] == "all") & (metrics["protocol"] == "cross-validation")]
    assert everyone["n"].unique().tolist() == [17]
    assert np.isfinite(everyone.loc[everyone["metric"] == "mae", "value"]).all()


def test_a_model_never_differs_from_itself(tmp_path: Path):
    """Differences are paired: a network that says the mean is the mean, whoever is left out."""
    study = make_study(tmp_path, subjects=40, seeds=(0,))
    passed = pd.read_csv(study.root / "check/passed.csv")
    splits = pd.read_csv(study.root / "split/splits.csv").set_index("subject")
    for fold, path in enumerate(study.predictions):
        known = passed[passed["subject"].map(splits["fold"]) == 1 - fold]
        table = pd.read_csv(path, dtype=str)
        sessions = known.groupby("subject")["age"].transform("size")
        table["prediction"] = repr(float(np.average(known["age"], weights=1 / sessions)))
        write_sealed_table(path, table)
    assert evaluate(study, "regression") == 0
    _, comparison = tables(study)
    rows = comparison[
        (comparison["baseline"] == "mean") & comparison["metric"].isin(["mae", "rmse"])
    ]
    assert len(rows) == 4
    assert rows["difference"].abs().max() < 1e-9
    assert rows[["ci_low", "ci_high"]].isna().all(axis=None)
    assert set(rows["ci_method"]) == {"none: it is the same whoever is left out"}


def test_the_spread_over_seeds_is_that_of_a_sample(tmp_path: Path):
    study = make_study(tmp_path, subjects=24, seeds=(0, 1, 2))
    assert evaluate(study, "regression", test=False) == 0
    metrics, _ = tables(study)
    by_seed = []
    for seed in range(3):
        paths = [path for path in study.predictions if RunId.of(path).seed == seed]
        scans = pd.concat([pd.read_csv(path) for path in paths])
        scans = scans[scans["part"] == "fold"]
        error = (scans["prediction"] - scans["target"]).abs().groupby(scans["subject"]).mean()
        by_seed.append(error.mean())
    row = metrics[(metrics["model"] == "ensemble") & (metrics["metric"] == "mae")].iloc[0]
    assert row["seed_sd"] == pytest.approx(np.std(by_seed, ddof=1), rel=1e-5)


def test_the_spread_over_folds_is_that_of_their_values(tmp_path: Path):
    study = make_study(tmp_path, subjects=24, seeds=(0,))
    assert evaluate(study, "regression") == 0
    metrics, _ = tables(study)
    of_folds = []
    for path in study.predictions:
        scans = pd.read_csv(path)
        scans = scans[scans["part"] == "fold"]
        error = (scans["prediction"] - scans["target"]).abs().groupby(scans["subject"]).mean()
        of_folds.append(error.mean())
    mae = metrics[(metrics["model"] == "network") & (metrics["metric"] == "mae")]
    rows = mae.set_index("group")
    assert rows["value"][["fold=0", "fold=1"]].tolist() == pytest.approx(of_folds, rel=1e-5)
    assert rows["fold_sd"]["all"] == pytest.approx(np.std(of_folds, ddof=1), rel=1e-4)
    assert rows["folds"]["all"] == 2
    assert rows["n"][["fold=0", "fold=1"]].sum() == rows["n"]["all"]
    # a fold by itself is a held-out set, whose network learnt from none of it
    of_one = metrics["ci_method"][metrics["group"].str.startswith("fold=")]
    assert not of_one.str.contains("for folds").any()
    others = metrics[(metrics["group"] != "all") | (metrics["protocol"] == "test")]
    assert others[["fold_sd", "folds"]].isna().all(axis=None)


def test_on_the_test_set_every_fold_and_seed_has_a_say(tmp_path: Path):
    study = make_study(tmp_path, subjects=24)
    assert evaluate(study, "regression") == 0
    metrics, _ = tables(study)
    runs = pd.concat([pd.read_csv(path) for path in study.predictions])
    runs = runs[runs["part"] == "test"].groupby(["subject", "session"])
    assert (runs.size() == 4).all()
    scans = runs[["target", "prediction"]].mean()
    error = (scans["prediction"] - scans["target"]).abs().groupby("subject").mean()
    row = metrics[(metrics["model"] == "ensemble") & (metrics["metric"] == "mae")]
    row = row[row["protocol"] == "test"].iloc[0]
    assert row["value"] == pytest.approx(error.mean(), rel=1e-5)


def edited(lines: list[str], row: int, change: dict[int, str]) -> list[str]:
    cells = lines[row].split(",")
    for column, text in change.items():
        cells[column] = text
    return [*lines[:row], ",".join(cells), *lines[row + 1 :]]


# columns: subject, session, part, target, prediction
BY_HAND = {
    "half of the rows": lambda lines: lines[: len(lines) // 2],
    "a row twice": lambda lines: [*lines, lines[1]],
    "a changed number": lambda lines: edited(lines, 1, {4: "12.5"}),
    "a blank": lambda lines: edited(lines, 1, {4: ""}),
    "text": lambda lines: edited(lines, 1, {4: "old"}),
    "infinity": lambda lines: edited(lines, 1, {4: "inf"}),
    "an unknown subject": lambda lines: [*lines, edited(lines, 1, {0: "nobody"})[1]],
    "a fold's subject as a test subject": lambda lines: edited(lines, 1, {2: "test"}),
    "another part": lambda lines: edited(lines, 1, {2: "training"}),
    "no header": lambda lines: lines[1:],
    "semicolons": lambda lines: [line.replace(",", ";") for line in lines],
    "nothing": lambda _: [],
}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Study:
    return make_study(tmp_path_factory.mktemp("small"), subjects=24, seeds=(0,))


@pytest.fixture
def judge(small, tmp_path, capsys):
    """Judge the small study with the first predictions.csv changed; return the last line said."""

    def go(change, *, sealed, test=True):
        study = Study(Path(shutil.copytree(small.root, tmp_path / "study")), [], [])
        study.predictions.extend(study.root / p.relative_to(small.root) for p in small.predictions)
        path = study.predictions[0]
        path.write_bytes(change(path.read_bytes()))
        if sealed:  # a fault of predict itself
            seal(path, "")
        code = evaluate(study, "regression", test=test)
        said = capsys.readouterr().err
        assert (study.root / "evaluate").exists() == (code == 0)
        return code, said.splitlines()[-1] if code else ""

    return go


def on_lines(change):
    return lambda content: "".join(f"{x}\n" for x in change(content.decode().splitlines())).encode()


@pytest.mark.parametrize("name", BY_HAND)
def test_predictions_edited_by_hand_are_refused(judge, name):
    code, said = judge(on_lines(BY_HAND[name]), sealed=False)
    assert code == 2
    assert "predictions.csv: was edited or damaged" in said
    assert "predict makes it again" in said


@pytest.mark.parametrize(
    "name",
    [n for n in BY_HAND if n not in {"a changed number", "no header", "semicolons", "nothing"}],
)
def test_predictions_that_are_not_whole_are_refused(judge, name):
    code, said = judge(on_lines(BY_HAND[name]), sealed=True)
    assert code == 2
    assert "predict makes it again" in said


def test_missing_test_subjects_are_missed_only_where_they_are_judged(judge):
    def without(lines):
        return [line for line in lines if ",test," not in line]

    assert judge(on_lines(without), sealed=True, test=True)[0] == 2


def test_predictions_without_a_test_part_are_enough_without_a_test(judge):
    def without(lines):
        return [line for line in lines if ",test," not in line]

    assert judge(on_lines(without), sealed=True, test=False)[0] == 0


@pytest.mark.parametrize(
    "resave",
    [
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.rstrip(b"\n"),
    ],
    ids=["CRLF", "byte order mark", "no last newline"],
)
def test_a_table_that_was_only_saved_again_is_the_same(judge, resave):
    assert judge(resave, sealed=False)[0] == 0


def test_predictions_without_their_seal_are_refused(small, tmp_path, capsys):
    root = Path(shutil.copytree(small.root, tmp_path / "study"))
    study = Study(root, [root / p.relative_to(small.root) for p in small.predictions], [])
    study.predictions[1].with_suffix(".json").unlink()
    assert evaluate(study, "regression") == 2
    assert "predictions.json: is not there" in capsys.readouterr().err


def change_cells(path: Path, row: int, cells: dict[str, str]) -> None:
    table = files.read_csv(path)
    for column, text in cells.items():
        table.loc[row, column] = text
    write_sealed_table(path, table)


@pytest.mark.parametrize(
    ("task", "cells", "said"),
    [
        ("classification", {"p_F": "1.2", "p_M": "-0.2"}, "no probabilities"),
        ("classification", {"p_F": "0.9", "p_M": "0.9"}, "no probabilities"),
        ("classification", {"p_F": "nan"}, "no probabilities"),
        ("classification", {"p_F": ""}, "no probabilities"),
        ("segmentation", {"dice_rim": "5"}, "no Dice"),
        ("segmentation", {"dice_core": "-0.1"}, "no Dice"),
        ("regression", {"prediction": "1_0"}, "no number"),
    ],
)
def test_answers_that_cannot_be_are_refused(tmp_path: Path, capsys, task, cells, said):
    study = make_study(tmp_path, task=task, subjects=24, seeds=(0,))
    change_cells(study.predictions[0], 0, cells)
    assert evaluate(study, task) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("column", "said"),
    [("part", "the column part is missing"), ("prediction", "has no column prediction")],
)
def test_a_column_that_predict_left_out_is_named(tmp_path: Path, capsys, column, said):
    study = make_study(tmp_path, subjects=24, seeds=(0,))
    path = study.predictions[0]
    write_sealed_table(path, files.read_csv(path).drop(columns=column))
    assert evaluate(study, "regression") == 2
    assert said in capsys.readouterr().err


def test_answers_of_other_weights_are_refused(tmp_path: Path, capsys):
    study = make_study(tmp_path, subjects=24, seeds=(0,))
    weights = [tmp_path / f"{fold}.safetensors" for fold in range(2)]
    for path, network in zip(study.predictions, weights, strict=True):
        network.write_text("weights")
        seal(path, files.sha256(network))
    assert evaluate(study, "regression", "--weights", *map(str, weights)) == 0
    weights[1].write_text("others")
    assert evaluate(study, "regression", "--weights", *map(str, weights)) == 2
    said = capsys.readouterr().err
    assert f"{study.predictions[1]}: are answers of other weights" in said
    assert "predict makes it again" in said


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_prepared_volume_that_is_not_finite_is_refused(tmp_path: Path, capsys, value):
    study = make_study(tmp_path, subjects=24, seeds=(0,))
    path = study.root / "prepare/shard-0.npy"
    volumes = np.load(path)
    volumes[3, 0, 5, 5, 5] = value
    np.save(path, volumes)
    write_digests(path.with_suffix(".json"))
    assert evaluate(study, "regression") == 2
    assert "is not finite" in capsys.readouterr().err


@pytest.mark.parametrize("task", sorted(TARGETS))
def test_one_subject_has_a_value_but_no_interval(task, tmp_path: Path):
    study = make_study(tmp_path, task=task, subjects=24, seeds=(0,))
    splits = read_splits(study.root / "split/splits.csv")
    away = {row.subject for row in [row for row in splits if row.test][1:]}
    for table, kind in (("split/splits.csv", SplitRow), ("check/passed.csv", LabelRow)):
        left = [r for r in read_rows(study.root / table, kind) if r.subject not in away]
        write_rows(study.root / table, kind, left)
    for path in study.predictions:
        rows = files.read_csv(path)
        write_sealed_table(path, rows[~rows["subject"].isin(away)])
    assert evaluate(study, task) == 0
    for table, value in zip(tables(study), ("value", "difference"), strict=True):
        alone = table["protocol"] == "test"
        # of one class, nobody is of the other
        every = alone & ~table["metric"].isin(FITTED)
        assert table.loc[every, "n"].unique().tolist() == [1]
        assert table.loc[alone, value].notna().any()
        assert table.loc[alone, ["ci_low", "ci_high"]].isna().all(axis=None)
        assert table.loc[~alone, "ci_low"].notna().any()


def test_a_class_of_one_subject_has_no_interval(tmp_path: Path):
    study = make_study(tmp_path, task="segmentation", subjects=24, seeds=(0,))
    for path in study.predictions:
        rows = files.read_csv(path)
        rows.loc[rows["subject"] != "sub-000", "dice_rim"] = ""
        write_sealed_table(path, rows)
    assert evaluate(study, "segmentation") == 0
    metrics = tables(study)[0]
    of = (metrics["model"] == "network") & (metrics["protocol"] == "cross-validation")
    rows = metrics[of & (metrics["group"] == "all")].set_index("metric")
    # the mean over classes leaps as the one subject of a class is left out
    missing = rows["ci_low"].isna().filter(like="dice").to_dict()
    assert missing == {"dice": True, "dice_rim": True, "dice_core": False}
    assert rows.loc["dice_rim", "ci_method"] == "none: fewer than 10 subjects"


def test_masks_are_not_believed_by_name(tmp_path: Path, capsys):
    """A mask takes another one's place: nothing is judged, and nothing drawn."""
    study = make_study(tmp_path, task="segmentation", subjects=24, seeds=(0,))
    assert evaluate(study, "segmentation") == 0
    one, two = sorted((study.predictions[1].parent / "masks").iterdir())[:2]
    two.write_bytes(one.read_bytes())
    assert evaluate(study, "segmentation") == 2
    said = capsys.readouterr().err
    assert f"{two}: was damaged or edited" in said
    assert f"delete {study.predictions[1]} and type the same command" in said
    run = read_run(study.predictions[1])
    keys = [tuple(path.name.removesuffix(".nii.gz").split("_")) for path in (one, two)]
    assert read_image(run, keys[0], Segmentation(("rim", "core"))) is not None
    with pytest.raises(UserError, match="was damaged or edited"):
        read_image(run, keys[1], Segmentation(("rim", "core")))
    assert read_image(run, ("nobody", "1"), Segmentation(("rim", "core"))) is None
    two.unlink()
    assert evaluate(study, "segmentation") == 2
    assert f"{two}: is not there" in capsys.readouterr().err


def test_a_site_of_five_people_has_a_row_and_one_of_four_or_the_only_one_has_none():
    """People are counted, not scans; where no site is known there is none."""
    people = [*"abcde", *"fghif", *"jklmn"]
    trial: Any = SimpleNamespace(
        sample=HeldOut(np.array(people), np.zeros(15, int)),
        sites=np.array([*"A" * 5, *"B" * 5, *[""] * 5]),
    )
    groups = dict(_groups(trial))
    assert list(groups) == ["all", "site=A"]
    assert groups["site=A"].tolist() == [True] * 5 + [False] * 10
    only: Any = SimpleNamespace(
        sample=HeldOut(np.array([*"abcde"]), np.zeros(5, int)), sites=np.array([*"AAAAA"])
    )
    assert [name for name, _ in _groups(only)] == ["all"]


def test_a_look_at_the_test_is_written_down_before_its_result(tmp_path: Path) -> None:
    study = make_study(tmp_path, subjects=44)
    ledger = study.root / "test-openings.csv"
    assert evaluate(study, "regression", "--rests-on", "ab" * 8) == 0
    (row,) = read_openings(ledger)
    metrics, _ = tables(study)
    asked = "protocol == 'test' and metric == 'mae' and group == 'all' and model == 'ensemble'"
    assert row.value == pytest.approx(metrics.query(asked)["value"].item(), rel=1e-5)
    assert (row.experiment, row.n, row.settings) == ("exp", 11, "ab" * 8)
    assert len(row.networks) == 4
