"""A study's settings, and the parts of them that commands are given."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headstart.cohort.settings import AuditSettings
from headstart.cohort.settings import CheckScansSettings
from headstart.cohort.settings import PrepareSettings
from headstart.cohort.settings import SplitSettings
from headstart.common.errors import UserError
from headstart.common.schema import Section
from headstart.common.schema import read_settings
from headstart.common.schema import settings_text
from headstart.data.settings import FetchSettings
from headstart.data.settings import LabelSettings
from headstart.evaluation.settings import CompareSettings
from headstart.evaluation.settings import EvaluateSettings
from headstart.figures.settings import CohortPlotSettings
from headstart.figures.settings import ExperimentPlotSettings
from headstart.imaging.config import Check
from headstart.study.config import read_config
from headstart.study.run_settings import run_settings
from headstart.study.settings import Settings
from headstart.study.targets import check_targets
from headstart.training.settings import PredictSettings
from headstart.training.settings import Run
from headstart.training.target import Targets

RAW: dict[str, Any] = {
    "study": "small",
    "data": [
        {"source": "msd-task04", "modality": ["Task04_Hippocampus"]},
        {"source": "own", "channels": {"T1": "{subject}.nii.gz"}, "mask": "{subject}-mask.nii.gz"},
    ],
    "classes": {"white": [2, 3], "grey": 1},
    "check": {"accept": [{"subject": "a", "code": "constant", "reason": "seen"}]},
    "split": {"same": [{"subjects": ["a", "b"], "reason": "twins"}], "stratify": ["site"]},
    "experiments": {
        "tissue": {
            "task": "segmentation",
            "target": "mask",
            "train": {
                "network": "unet",
                "augment": [{"RandomFlip": {"axes": ["LR"]}}],
                "flip_reason": "tissue has no sides",
            },
        }
    },
    "final": ["tissue"],
}
ONE = {"experiment": "tissue"}
RUN = {**ONE, "fold": 0, "seed": 0}
PARTS: list[tuple[str, dict[str, Any], type[Section]]] = [
    ("fetch", {}, FetchSettings),
    ("label", {}, LabelSettings),
    ("check-scans", {}, CheckScansSettings),
    ("check", {}, Check),
    ("split", {}, SplitSettings),
    ("audit", {}, AuditSettings),
    ("prepare", {"shard": 0}, PrepareSettings),
    ("prepare", {}, PrepareSettings),
    ("train", RUN, Run),
    ("predict", RUN, PredictSettings),
    ("evaluate", ONE, EvaluateSettings),
    ("compare", {}, CompareSettings),
    ("plot", {}, CohortPlotSettings),
    ("plot", ONE, ExperimentPlotSettings),
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(read_config(RAW), tmp_path, codes={}, listing="", package="", networks={})


@pytest.mark.parametrize(("stage", "choice", "part"), PARTS, ids=lambda value: str(value)[:30])
def test_a_command_reads_the_settings_that_were_written(
    settings: Settings, stage: str, choice: dict[str, Any], part: type[Section]
) -> None:
    written = settings.slice(stage, **choice)
    assert settings_text(read_settings(part, written)) == written


def test_a_job_reads_what_the_main_process_wrote(settings: Settings, tmp_path: Path) -> None:
    written = replace(
        settings,
        codes={"train": "version-2"},
        listing="files",
        package="0123",
        networks={"net.py:Net": "4567"},
        split_file="89ab",
    )
    (tmp_path / "net.py").touch()
    _ = written.slices, written.synthetic  # what was worked out meanwhile is not written
    written.write()
    assert Settings.read(written.snapshot) == written
    assert written.snapshot.name == replace(written).snapshot.name
    later = json.loads(written.snapshot.read_text()) | {"listing": "others"}
    text = json.dumps(later, sort_keys=True, separators=(",", ":"))
    written.snapshot.write_text(text)
    with pytest.raises(UserError, match="damaged or edited"):
        Settings.read(written.snapshot)


def test_a_snapshot_of_another_version_is_refused(tmp_path: Path) -> None:
    text = '{"config":{},"more":1}'
    snapshot = tmp_path / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    snapshot.write_text(text)
    with pytest.raises(UserError, match="another version of headstart"):
        Settings.read(snapshot)


def test_the_targets_are_read_as_they_were_written(settings: Settings) -> None:
    (target,) = read_settings(Targets, settings.targets).targets
    assert (target.target, target.augment) == ("mask", ())  # the flip has its reason
    assert settings_text(Targets(targets=(target,))) == settings.targets


def test_a_reason_in_other_words_changes_no_job(settings: Settings) -> None:
    raw = RAW["experiments"]["tissue"]
    train = raw["train"] | {"flip_reason": "both hemispheres are labelled alike"}
    other = read_config(RAW | {"experiments": {"tissue": raw | {"train": train}}})
    again = Settings(other, settings.project, codes={}, listing="", package="", networks={})
    for stage, choice, _ in PARTS:
        assert again.slice(stage, **choice) == settings.slice(stage, **choice)


def test_objects_of_masks_are_counted_without_another_training(settings: Settings) -> None:
    asked = RAW["experiments"]["tissue"] | {"instances": True}
    other = read_config(RAW | {"experiments": {"tissue": asked}})
    again = Settings(other, settings.project, codes={}, listing="", package="", networks={})
    changed = {
        (stage, *choice)
        for stage, choice, _ in PARTS
        if again.slice(stage, **choice) != settings.slice(stage, **choice)
    }
    judged = {("evaluate", "experiment"), ("plot", "experiment")}
    assert changed == {("predict", "experiment", "fold", "seed"), *judged}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "--settings: is no JSON"),
        ("[]", "--settings: config"),
        ('{"split": {"fold": 5}}', "--settings: split.fold: unknown key"),
        ('{"together": []}', "--settings: split: this key is missing"),
    ],
)
def test_settings_that_no_command_wrote_are_named(text: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        read_settings(SplitSettings, text)
    assert str(error.value).startswith(said)


def test_a_project_with_braces_in_its_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has braces in its name"):
        run_settings([], {}, tmp_path / "proj {é}", command=[], main=True)


@pytest.mark.parametrize("below", ["", "/below"])
def test_results_that_can_not_be_a_folder_are_refused(tmp_path: Path, below: str) -> None:
    study = tmp_path / "study.yaml"
    experiment = {"task": "regression", "target": "age", "train": {"network": "sfcn"}}
    source = {
        "source": "own",
        "channels": {"T1": "{subject}.nii.gz"},
        "table": {"path": "a.csv", "column": "ID"},
        "labels": {"age": "Age"},
    }
    raw = {
        "study": "one",
        "data": [source],
        "results": f"{study}{below}",
        "experiments": {"age": experiment},
    }
    study.write_text(json.dumps(raw))
    with pytest.raises(UserError, match=r"^results: .*study\.yaml.* name another one$"):
        run_settings([study], {}, tmp_path, command=[], main=True)


def test_a_target_that_no_source_has_is_named_before_anything_runs(tmp_path: Path) -> None:
    table = {"path": "a.csv", "column": "ID", "key": "{subject}"}
    source = {"source": "own", "channels": {"T1": "{subject}.nii.gz"}, "table": table}
    age = {"task": "regression", "target": "age", "train": {"network": "sfcn"}}
    study = {"study": "small", "data": [source], "experiments": {"old": age}}
    labelled = [{**source, "labels": {"age": "Age"}}]
    check_targets(read_config({**study, "data": labelled}), tmp_path)
    with pytest.raises(UserError, match=r"old\.target: no source has the label 'age'"):
        check_targets(read_config(study), tmp_path)
