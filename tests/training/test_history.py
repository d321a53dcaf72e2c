"""history.csv as it is written and read."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from cards import make_card
from cards import make_run

from headstart.common import files
from headstart.common.errors import UserError
from headstart.training.history import Epoch
from headstart.training.history import History
from headstart.training.history import read_history

HISTORIES = {
    "validated": History(
        "mae",
        (
            Epoch(1, 5e-4, 0.1 + 0.2, 1 / 3, {"mae": 4.0, "r": -0.1}),
            Epoch(2, 1e-3, 0.25, 0.3, {"mae": 5.0, "r": 0.2}),
        ),
        chosen=1,
    ),
    "with metrics of training": History(
        "auroc",
        (Epoch(1, 0.1, 0.5, 0.6, {"auroc": 0.75}, {"auroc": 0.8, "accuracy": 1 / 3}),),
        chosen=1,
    ),
    "with nobody to validate": History("dice", (Epoch(1, 0.1, 0.5),), chosen=1),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    HISTORIES[name].write(tmp_path / "history.csv")
    assert History.read(tmp_path / "history.csv") == HISTORIES[name]


def test_the_file_names_its_key_metric_and_the_chosen_epoch(tmp_path: Path) -> None:
    HISTORIES["validated"].write(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text().splitlines() == [
        "epoch,learning_rate,train_loss,val_loss,val_mae,val_r,key_metric,chosen",
        "1,0.0005,0.30000000000000004,0.3333333333333333,4.0,-0.1,mae,1",
        "2,0.001,0.25,0.3,5.0,0.2,mae,0",
    ]


def test_metrics_of_training_stand_beside_those_of_validation(tmp_path: Path) -> None:
    HISTORIES["with metrics of training"].write(tmp_path / "history.csv")
    names = (tmp_path / "history.csv").read_text().splitlines()[0].split(",")
    assert names[2:7] == ["train_loss", "train_auroc", "train_accuracy", "val_loss", "val_auroc"]
    assert HISTORIES["with metrics of training"].measures_training
    assert not HISTORIES["validated"].measures_training


def test_the_order_of_the_columns_means_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(
        "chosen,val_r,val_mae,key_metric,val_loss,epoch,train_loss,learning_rate\n"
        "1,0.5,4.0,mae,3.0,1,2.0,0.1\n"
    )
    history = History.read(path)
    assert (history.best, history.chosen) == (4.0, 1)


def test_a_metric_that_is_not_defined_is_an_empty_cell(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    History("log_loss", (Epoch(1, 0.1, 2.0, 3.0, {"log_loss": 1.0, "auroc": math.nan}),), 1).write(
        path
    )
    assert "1,0.1,2.0,3.0,1.0,,log_loss,1" in path.read_text()
    assert math.isnan(History.read(path).epochs[0].metrics["auroc"])


def test_an_epoch_more_is_the_last_one_and_chosen_or_not() -> None:
    """The history that it is added to stays what it was."""
    epochs = [Epoch(number, 0.1, 1.0, 1.0, {"mae": 9.0 - number}) for number in (1, 2, 3)]
    none = History("mae")
    one = none.with_epoch(epochs[0], chosen=True)
    two = one.with_epoch(epochs[1], chosen=True)
    three = two.with_epoch(epochs[2], chosen=False)
    histories = (none, one, two, three)
    assert [history.chosen for history in histories] == [0, 1, 2, 2]
    assert [list(history.epochs) for history in histories] == [epochs[:n] for n in range(4)]
    assert [history.best for history in histories[1:]] == [8.0, 7.0, 7.0]
    assert three.key_metric == "mae"


def test_it_validates_where_there_is_a_loss_of_validation_scans() -> None:
    assert HISTORIES["validated"].validates
    assert not HISTORIES["with nobody to validate"].validates
    assert not History("mae").validates


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch,learning_rate,train_loss,chosen\n1,0.1,2.0,1\n", "key_metric is missing"),
        ("epoch,learning_rate,train_loss,key_metric,chosen\n1,0.1,low,mae,1\n", "'low'"),
        ("", "No columns"),
    ],
)
def test_a_damaged_history_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"{path}: is damaged.*{said}"):
        History.read(path)


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
