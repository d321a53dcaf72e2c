"""The report's page: what it says stands in the files, and what is missing is said."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import evaluated
import pandas as pd
import pytest
from html_seen import Seen
from reported import evaluate_study
from reported import make_finished
from reported import page_of

from headstart.cli import main
from headstart.common.records import read_rows
from headstart.common.records import write_rows
from headstart.common.run_id import CARD
from headstart.common.text import decimals_of
from headstart.common.text import number_with_interval
from headstart.data.found_scans import RejectedRow
from headstart.evaluation import experiment_words
from headstart.evaluation.baseline_rows import ROWS
from headstart.evaluation.judgement import judge
from headstart.evaluation.judgement import sentence
from headstart.evaluation.predictions import read_run
from headstart.evaluation.predictions import write_predictions
from headstart.evaluation.results import OURS
from headstart.evaluation.results import AnswerRow
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import ExperimentRow
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import having
from headstart.study.methods.chapters import TextTable
from headstart.study.methods.study_files import StudyFiles
from headstart.study.methods.tell import chapters
from headstart.study.status import Study

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_finished(tmp_path_factory.mktemp("finished"), subjects=44)


def copied(study: Study, to: Path) -> Study:
    folder = Path(shutil.copytree(study.folder, to / study.folder.name))
    return Study.read(to, folder.name, to)


def text_of(page: str) -> str:
    """Return what a person reads, without styles, scripts and folds."""
    shown = re.sub(r"<(style|script)\b.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(Seen(shown.replace("<", " <")).text.split())


def headline_of(page: str) -> str:
    """Return what the page opens with, after its menu."""
    _, _, headline = text_of(page).split("Results in short")
    return headline.split("Results beside baselines")[0]


def test_the_headline_has_the_numbers_of_the_files(finished: Study, tmp_path: Path) -> None:
    study = copied(finished, tmp_path)
    metrics = pd.read_csv(study.folder / "evaluate/exp/metrics.csv")
    rows = metrics.query("metric == 'mae' and group == 'all' and protocol == 'test'")
    network = rows[rows["model"] == "ensemble"].iloc[0]
    best = rows[~rows["model"].isin(OURS)].sort_values("value").iloc[0]
    comparison = study.folder / "evaluate/exp/comparison.csv"
    compared = [
        replace(row, difference=-5.125, ci_low=-7.5, ci_high=-3.25)
        if (row.metric, row.protocol, row.baseline) == ("mae", "test", best.model)
        else row
        for row in read_rows(comparison, DifferenceRow)
    ]
    write_rows(comparison, DifferenceRow, compared)
    headline = headline_of(page_of(study))
    number, ends = number_with_interval(network.value, network.ci_low, network.ci_high).split(" [")
    assert f"{number} years" in headline
    assert f"95 % interval {ends[:-1].replace(', ', ' to ')}, n = {network.n} subjects" in headline
    # rounded as the network's number is, however far the baseline's interval reaches
    decimals = decimals_of(network.value, network.ci_low, network.ci_high)
    beside = number_with_interval(best.value, best.ci_low, best.ci_high, decimals)
    assert f"Best baseline: {ROWS[best.model].words}, {beside}." in headline
    than = f"the best baseline ({ROWS[best.model].words})"
    assert f"The ensemble beats {than} by 5.12 years [3.25, 7.50]." in headline


def test_scans_without_a_prediction_are_counted(finished: Study, tmp_path: Path) -> None:
    study = copied(finished, tmp_path)
    assert "no prediction" not in text_of(page_of(study))
    path = study.folder / "evaluate/exp/answers.csv"
    rows = read_rows(path, AnswerRow)
    last = [row for row in rows if row.protocol == "test"][-1]
    none = dict.fromkeys(last.answer, "") | {"rejected": "its volume is not finite"}
    write_rows(path, AnswerRow, [replace(r, answer=none) if r == last else r for r in rows])
    number = len(having(rows, protocol="test"))
    said = f"1 of {number} scans has no prediction, and is in no metric: its volume is not finite"
    page = page_of(study)
    assert said in headline_of(page)
    assert said in (study.folder / "methods.md").read_text()
    assert f"{number - 1} scans)" in (study.folder / "methods.md").read_text()


def test_a_dice_is_said_of_the_subjects_that_have_one(tmp_path: Path) -> None:
    """Most scans have no lesion, and none a core: neither mask has any, and there is no Dice."""
    study = make_finished(tmp_path, "segmentation", folds=(0,))
    runs, few = study.slices.config.runs("exp"), "37"  # the last digits of who has a lesion
    for path in (study.folder / run.predicted / "predictions.csv" for run in runs):
        rows = []
        for row in read_run(path).rows:
            gone = {
                f"{kind}_{name}": ""
                for name in ("rim", "core")
                for kind in ("dice", "nsd", "hd95", "assd")
                if name == "core" or row.subject[-1] not in few
            }
            rows.append(replace(row, answer=row.answer | gone))
        write_predictions(path, rows, weights="0" * 64)
    evaluate_study(study.folder, study.slices, "exp")
    metrics = pd.read_csv(study.folder / "evaluate/exp/metrics.csv")
    of_test = metrics.query("protocol == 'test' and group == 'all' and model == 'ensemble'")
    n = of_test.set_index("metric")["n"]
    answers = pd.read_csv(study.folder / "evaluate/exp/answers.csv").query("protocol == 'test'")
    told = {who for who in answers["subject"] if who[-1] in few}
    assert n["dice"] == n["dice_rim"] == len(told) < answers["subject"].nunique()
    assert n["dice_core"] == 0
    said = headline_of(page_of(study))
    assert f"n = {len(told)} of {answers['subject'].nunique()} subjects (it is not defined" in said
    assert f"No interval from {len(told)} subjects would hold" in said
    assert f"No Dice of core, which is in none of these {len(answers)} scans" in said


def test_the_primary_metric_is_the_headline_everywhere(tmp_path: Path) -> None:
    study = make_finished(tmp_path, subjects=44, primary="rmse")
    metrics = pd.read_csv(study.folder / "evaluate/exp/metrics.csv")
    mine = "metric == 'rmse' and group == 'all' and protocol == 'test' and model == 'ensemble'"
    (row,) = metrics.query(mine).itertuples()
    number, _ = number_with_interval(row.value, row.ci_low, row.ci_high).split(" [")
    page = page_of(study)
    assert f"{number} years root mean squared error" in headline_of(page)
    assert "Experiments against each other" not in page  # there is but one
    assert "The test set was opened once, by exp on " in text_of(page)
    assert "secondary metrics: mean absolute error, Pearson's r and R²" in text_of(page)
    asked = {"metric": "rmse", "protocol": "test"}
    models = having(read_rows(study.folder / "evaluate/exp/metrics.csv", MetricRow), **asked)
    against = having(
        read_rows(study.folder / "evaluate/exp/comparison.csv", DifferenceRow), **asked
    )
    (told,) = [stage.told for stage in study.stages() if stage.name == "evaluate"]
    assert sentence(judge(having(models, group="all"), against), "years") in told


def test_two_experiments_of_one_question_stand_against_each_other(tmp_path: Path) -> None:
    names = ("small", "large")
    study = make_finished(tmp_path, subjects=44, experiments=names)
    rows = read_rows(study.folder / "evaluate/experiments.csv", ExperimentRow)
    first = having(rows, role="primary", protocol="test")[0]
    page = text_of(page_of(study))
    assert "Experiments against each other" in page
    methods = (study.folder / "methods.md").read_text()
    (told,) = [stage.told for stage in study.stages() if stage.name == "evaluate"]
    for text in (page, methods, told):
        assert experiment_words.sentence(first) in text.replace("\\", "")
        assert "The test set was opened 2 times, once each by small and large, " in text
    # one of them is trained again: the table still holds what it was before
    (study.folder / study.slices.config.runs("large")[0].trained / CARD).unlink()
    again = Study.read(study.folder.parent, study.folder.name, study.folder.parent)
    page = text_of(page_of(again))
    (told,) = [stage.told for stage in again.stages() if stage.name == "evaluate"]
    assert "They are not compared yet." in page
    for text in (page, (study.folder / "methods.md").read_text(), told):
        assert experiment_words.sentence(first) not in text.replace("\\", "")
    assert "Holm 1979" in methods
    one = having(rows, role="primary", protocol="cross-validation")[0]
    assert experiment_words.sentence(one) not in told  # by one protocol, the test


@pytest.mark.parametrize("noise", [30.0, 90.0])
def test_a_network_that_is_no_better_is_not_said_to_beat_anything(tmp_path: Path, noise) -> None:
    headline = headline_of(page_of(make_finished(tmp_path, subjects=44, noise=noise)))
    assert " does not beat the best" in headline or " is worse than the best" in headline
    assert " beats " not in headline


def test_the_page_is_a_whole_that_fetches_nothing(finished: Study) -> None:
    seen = Seen(page_of(finished))
    sources = [value for name, value in seen.attributes if name in ("src", "srcset", "action")]
    assert all(str(value).startswith("data:") for value in sources)
    assert not {"link", "iframe", "object", "embed", "base"} & set(seen.tags)
    anchors = {value for name, value in seen.attributes if name == "id"}
    links = [str(value) for name, value in seen.attributes if name == "href"]
    assert {link[1:] for link in links if link.startswith("#")} <= anchors
    assert {"header", "nav", "main", "footer"} <= set(seen.tags)
    ids = [value for name, value in seen.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    beside = {"methods.md", "references.bib", "config.json"}
    assert beside <= set(links)
    assert all((finished.folder / name).is_file() for name in beside)


def test_a_reader_finds_who_was_rejected_and_the_worst_cases(finished: Study) -> None:
    text = text_of(page_of(finished))
    assert "sub-900 1 file ends too early ends early; copy it again" in text
    assert "sub-006 / 1" in text  # a pair of near-duplicates
    worst = re.search(r"worst 1\s+(sub-\d+)", text)
    assert worst is not None
    tables = [pd.read_csv(path) for path in finished.folder.glob("predict/**/predictions.csv")]
    rows = pd.concat(tables).query("part == 'test'")
    mean = rows.groupby(["subject", "session"])[["target", "prediction"]].mean()
    assert (mean["target"] - mean["prediction"]).abs().idxmax()[0] == worst[1]


def test_each_fold_is_told_below_the_table_of_all(finished: Study) -> None:
    metrics = pd.read_csv(finished.folder / "evaluate/exp/metrics.csv")
    (row,) = metrics.query(
        "metric == 'mae' and group == 'all' and model == 'ensemble' and folds == 2"
    ).itertuples()
    text = text_of(page_of(finished))
    decimals = decimals_of(row.value, row.ci_low, row.ci_high)
    assert f"SD over folds (n) {row.fold_sd:.{decimals}f} (2)" in text
    assert "exp, cross-validation: the ensemble by fold group subjects" in text
    assert "It is no interval" in text
    means = "eans over folds, each of which has networks of its own: Pearson's r"
    for said in (text, (finished.folder / "methods.md").read_text()):
        assert means in said.replace("\\", "")
    assert "fold" not in headline_of(page_of(finished))


def test_what_is_not_there_yet_is_said(finished: Study, tmp_path: Path) -> None:
    study = copied(finished, tmp_path)
    shutil.rmtree(study.folder / "train/exp/main/fold-1/seed-0")
    text = text_of(page_of(study))
    assert "NOT COMPLETE : no result yet of exp." in text
    assert "No result yet: 3 of 4 trainings finished." in text
    assert "fold 1, seed 0: queued" in text
    assert " beats the best baseline" not in text
    assert "The figure exp/evaluation is not there yet." not in text
    assert "The figure exp/curves is not there yet." in text


def test_a_figure_that_the_study_does_not_have_is_not_missed(finished: Study) -> None:
    page = page_of(finished)
    assert "The figure cohort/contact-sheet is not there yet." in page
    assert "preparation is not there yet" not in page  # no brains were asked for
    assert "Brains, as they were found" not in page


def test_a_page_without_the_volumes_says_so(finished: Study, tmp_path: Path) -> None:
    study = copied(finished, tmp_path)
    shutil.rmtree(study.folder / "prepare")
    assert "The prepared volumes are not here." in text_of(page_of(study))


def test_names_of_subjects_sites_and_units_are_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = evaluated._people

    def hostile(*of):
        table = people(*of)
        table["subject"] = table["subject"].where(table.index != 3, SCRIPT)
        table["site"] = table["site"].replace("HH", SCRIPT)
        return table

    monkeypatch.setattr(evaluated, "_people", hostile)
    study = make_finished(tmp_path, subjects=24, unit=SCRIPT)
    rejected = study.folder / "check/rejected.csv"
    rows = read_rows(rejected, RejectedRow)
    hostile_row = RejectedRow(SCRIPT, "1", SCRIPT, "truncated", SCRIPT)
    write_rows(rejected, RejectedRow, [hostile_row, *rows])
    page = page_of(study)
    assert SCRIPT not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 10
    seen = Seen(page)
    kinds = [value for name, value in seen.attributes if value == "application/json"]
    assert seen.tags.count("script") == len(kinds) + 1
    (policy,) = [v for name, v in seen.attributes if name == "content" and "default-src" in str(v)]
    assert str(policy).startswith("default-src 'none'; ")


def test_the_command_writes_the_page_and_says_where(
    finished: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = copied(finished, tmp_path)
    assert main(["report", str(study.folder)]) == 0
    assert capsys.readouterr().out.strip() == str(study.folder / "report.html")
    (study.folder / "split/splits.csv").unlink()
    assert main(["report", str(study.folder)]) == 2
    assert "split/splits.csv: is not there yet" in capsys.readouterr().err


def test_the_page_comes_with_a_list_by_which_it_is_brought_home(
    finished: Study, tmp_path: Path
) -> None:
    study = copied(finished, tmp_path)
    page_of(study)
    listed = json.loads((study.folder / "manifest.json").read_text())["files"]
    assert {one["file"] for one in listed} == {"report.html", "methods.md", "references.bib"}
    for one in listed:
        content = (study.folder / one["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == one["sha256"]


def test_the_methods_describe_the_subjects_of_each_part(finished: Study) -> None:
    passed = pd.read_csv(finished.folder / "check/passed.csv").drop_duplicates("subject")
    people = passed.merge(pd.read_csv(finished.folder / "split/splits.csv"), on="subject")
    (table,) = [
        one
        for chapter in chapters(StudyFiles(finished.folder, finished.slices.config, False))
        for one in chapter.paragraphs
        if isinstance(one, TextTable) and one.title == "Who is in each part"
    ]
    assert table.head == ["part", "subjects", "scans", "age", "sex"]
    parts = {row[0]: row[1:] for row in table.rows}
    assert [*parts] == [
        "fold 0, without those for validation",
        "fold 1, without those for validation",
        "validation, of all folds",
        "test",
    ]
    assert sum(int(row[0]) for row in parts.values()) == len(people)
    test = people[people["test"] == 1]
    n, _, age, sex = parts["test"]
    assert int(n) == len(test)
    assert age.startswith(f"mean {test['age'].mean():.1f}, standard deviation ")
    assert f"{test['age'].std():.1f}, {test['age'].min():g} to " in age
    assert f"{(test['sex'] == 'F').sum()} F" in sex
