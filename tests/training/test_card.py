"""The model card as it is written and read."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cards import make_card
from cards import make_identity
from cards import make_run
from cards import make_start
from hypothesis import given
from hypothesis import strategies as st
from small_study import PREPARE
from small_study import SmallStudy

import headstart
from headstart.cohort.covariates import NO_COVARIATES
from headstart.cohort.prepared import Cohort
from headstart.cohort.prepared import read_cohort
from headstart.common import files
from headstart.common import integrity
from headstart.common.errors import UserError
from headstart.imaging.config import Preparation
from headstart.tasks.classification import Classification
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation
from headstart.training.card import Computation
from headstart.training.card import Count
from headstart.training.card import ModelCard
from headstart.training.card import describe_run
from headstart.training.config import Train
from headstart.training.history import History
from headstart.training.predict_new import predict_new
from headstart.training.spent import Spent
from headstart.training.start import StartCard
from headstart.training.training_scans import digests_of

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TASKS = {
    "regression": st.builds(Regression, FLOATS, FLOATS),
    "classification": st.builds(
        Classification, st.just(("F", "M")), st.just(()) | st.tuples(FLOATS, FLOATS)
    ),
    "segmentation": st.builds(Segmentation, st.just(("grey", "white"))),
}


@given(data=st.data(), name=st.sampled_from(sorted(TASKS)), chosen=st.integers(1, 99))
def test_what_is_written_is_read(
    data: Any, name: str, chosen: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    task = data.draw(TASKS[name])
    spent = data.draw(st.lists(st.builds(Spent, FLOATS, FLOATS, FLOATS), max_size=3))
    classes = {"white": (2, 3), "grey": (1,)}  # in this order
    card = make_card(
        make_run(task=name, classes=classes),
        state=task.state(),
        chosen_epoch=chosen,
        chosen_by=data.draw(st.sampled_from(["mae", None])),
        spent=spent,
    )
    folder = tmp_path_factory.mktemp("model")
    card.write(folder)
    read = ModelCard.read(folder)
    assert read.model_dump(mode="json") == card.model_dump(mode="json")
    assert read.task == task
    assert list(read.run.classes) == ["white", "grey"]


def test_a_card_is_plain_json_and_names_what_chose_the_epoch(tmp_path: Path) -> None:
    make_card(make_run()).write(tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    assert (card["chosen_epoch"], card["chosen_by"]) == (1, "mae")
    assert card["state"] == {"mean": 0.0, "standard_deviation": 1.0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"run": {"experiment": "age"}}, "run.task: Field required"),
        ({"state": {"mean": 40.0}}, "standard_deviation: is missing"),
        ({"state": {"classes": ["F", "M"]}}, "state.classes"),
        ({"chosen_epoch": None}, "chosen_epoch"),
        ({"target_mean": 40.0}, "target_mean: Extra inputs are not permitted"),
    ],
)
def test_a_card_of_another_kind_is_refused_by_name(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = tmp_path / "model.json"
    card = make_card(make_run()).model_dump(mode="json")
    integrity.write_sealed(path, card | change)
    with pytest.raises(UserError, match=f"{path}: does not describe a network .*{said}"):
        ModelCard.read(tmp_path)


def test_a_folder_without_a_card_is_told_what_to_name(tmp_path: Path) -> None:
    said = rf"^{tmp_path / 'model.json'}: is not there; name a folder that the stage train publish"
    with pytest.raises(UserError, match=said):
        ModelCard.read(tmp_path)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Subjects 0 to 19, subject 0 with two scans; 2 and 18 lack their age, 3 has a brain mask."""
    study = SmallStudy(tmp_path_factory.mktemp("cards") / "study")
    study.change_table("age", {3: "", 19: ""})  # subject 0 has the first two rows
    study.change_table("brain_mask", {4: "mask.nii.gz"})
    return read_cohort(**study.inputs, target="age")


@pytest.fixture
def describe(tmp_path: Path, cohort: Cohort) -> Callable[..., ModelCard]:
    """Describe a training of fold 1, which is subjects 1, 4, 7, 10, 13 and 16."""
    (tmp_path / "history.csv").write_text("the epochs")
    (tmp_path / "model.safetensors").write_text("the weights")

    def described(start: StartCard | None = None, **train: Any) -> ModelCard:
        run = make_run(fold=1, train=Train(network="sfcn", **train))
        spent = [Spent(1.0, 2.0, 4.0), Spent(8.0, 16.0, 32.0)]
        progress: Any = SimpleNamespace(history=History("mae", (), chosen=7), spent=spent)
        computation = Computation(device="a GPU", precision="bf16", micro_batch=3)
        identity, task = make_identity(run, parent="whence"), Regression(40.0, 10.0)
        return describe_run(
            identity, cohort, task, NO_COVARIATES, progress, tmp_path, computation, 12, start
        )

    return described


def test_a_card_says_what_was_trained_and_how(
    tmp_path: Path, describe: Callable[..., ModelCard]
) -> None:
    card = describe()
    assert (card.run.fold, card.cohort_digest, card.parent) == (1, "cohort", "whence")
    assert card.task == Regression(40.0, 10.0)
    assert (card.prepare, card.brain_masks) == (PREPARE, "some")
    assert card.chosen_epoch == 7
    assert card.history_sha256 == files.sha256(tmp_path / "history.csv")
    assert card.weights_sha256 == files.sha256(tmp_path / "model.safetensors")
    assert card.parameters == 12
    assert (card.device, card.precision, card.micro_batch) == ("a GPU", "bf16", 3)
    assert [epoch.seconds for epoch in card.spent] == [7, 56]
    assert card.seconds == 63
    assert card.versions["headstart"] == headstart.__version__
    assert card.versions["python"] == platform.python_version()
    others = {name: version(name) for name in ("torch", "monai", "torchio", "numpy")}
    assert card.versions.items() >= others.items()


def test_a_card_counts_who_was_learnt_from_and_who_was_not(
    describe: Callable[..., ModelCard],
) -> None:
    """Folds 0 and 2 without 2, who has no age; of them 6 and 11 choose the epoch."""
    counts = describe().counts
    assert counts.training == Count(scans=9, subjects=8)  # 0 (twice), 3, 5, 8, 9, 12, 14, 15
    assert counts.validation == Count(scans=2, subjects=2)
    assert counts.held_out == Count(scans=6, subjects=6)
    assert counts.test == Count(scans=3, subjects=3)  # 17, 18 and 19
    assert counts.without_target == 2


@pytest.mark.parametrize(("keep", "chosen_by"), [("best", "mae"), ("last", None), ("ema", None)])
def test_a_metric_chose_the_epoch_where_the_best_is_kept(
    describe: Callable[..., ModelCard], keep: str, chosen_by: str | None
) -> None:
    assert describe(keep=keep).chosen_by == chosen_by


LEARNT = ("s00", "s03", "s05", "s06", "s08", "s09", "s11", "s12", "s14", "s15")


def test_weights_have_seen_who_chose_the_epoch_and_whom_their_start_had_seen(
    cohort: Cohort, describe: Callable[..., ModelCard]
) -> None:
    theirs = (digests_of(scan) for scan in cohort.scans if scan.subject in LEARNT)
    seen = set().union(*theirs)
    assert len(seen) == 11
    assert describe().seen == seen
    assert describe(make_start(seen=("before",))).seen == seen | {"before"}
    card = make_card(make_run())
    scans = card.training_scans.model_copy(update={"digests": ("prepared",), "raw": ("raw",)})
    assert card.model_copy(update={"training_scans": scans}).seen == {"prepared", "raw"}


def test_weights_are_read_as_the_card_describes_them(
    tmp_path: Path, describe: Callable[..., ModelCard]
) -> None:
    card = describe()
    assert card.read_weights(tmp_path) == b"the weights"
    (tmp_path / "model.safetensors").write_text("others")
    with pytest.raises(UserError, match=r"model\.safetensors: was damaged or edited"):
        card.read_weights(tmp_path)


def test_a_network_of_other_volumes_answers_for_no_new_scan(tmp_path: Path) -> None:
    card = make_card(make_run(), volumes=2, versions={"headstart": "0.7"})
    card.write(tmp_path)
    with pytest.raises(UserError, match=r"another way; train it again, or .* headstart 0\.7"):
        predict_new(runs=[tmp_path], scans=[tmp_path / "s.nii"], output=tmp_path / "a.csv")


@pytest.mark.parametrize(("brain", "said"), [("deepbet", "model.safetensors"), ("none", "mask")])
def test_where_deepbet_finds_brains_new_scans_need_no_masks(
    tmp_path: Path, brain: str, said: str
) -> None:
    made = Preparation(window=(48, 48, 48), brain=brain)
    make_card(make_run(), prepare=made, brain_masks="all").write(tmp_path)
    with pytest.raises(UserError, match=said):
        predict_new(runs=[tmp_path], scans=[tmp_path / "s.nii"], output=tmp_path / "a.csv")
