"""history.csv as it is written and read."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from headstart.common.errors import UserError
from headstart.training.history import Epoch
from headstart.training.history import History

HISTORIES = {
    "validated": History(
        "mae",
        (
            Epoch(1, 5e-4, 0.1 + 0.2, 1 / 3, {"mae": 4.0, "r": -0.1}),
            Epoch(2, 1e-3, 0.25, 0.3, {"mae": 5.0, "r": 0.2}),
        ),
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
