"""The model card as it is written and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cards import make_card
from cards import make_run
from hypothesis import given
from hypothesis import strategies as st

from headstart.common import files
from headstart.common import integrity
from headstart.common.errors import UserError
from headstart.tasks.classification import Classification
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation
from headstart.training.card import ModelCard
from headstart.training.history import Epoch
from headstart.training.history import History
from headstart.training.history import read_history
from headstart.training.spent import Spent

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


def test_a_finished_history_is_the_one_that_its_card_describes(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    history = History("mae", (Epoch(1, 0.1, 3.0, 4.0, {"mae": 4.5}),), chosen=1)
    history.write(path)
    assert read_history(path) == history  # a live one
    make_card(make_run(), history_sha256=files.sha256(path)).write(tmp_path)
    assert read_history(path) == history
    path.write_text(path.read_text().replace("4.5", "3.5"))
    said = rf"{path}: was damaged or edited .*delete the file and type the same command"
    with pytest.raises(UserError, match=said):
        read_history(path)


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
