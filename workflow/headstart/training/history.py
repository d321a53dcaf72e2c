"""The history of a training, epoch by epoch: history.csv."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel
from pydantic import ValidationError

from headstart.common import files
from headstart.common import integrity
from headstart.common.errors import UserError
from headstart.common.run_id import CARD

# Beside these: train_METRIC, where it is measured; val_loss and val_METRIC, where there are
# validation scans.
COLUMNS = ("epoch", "learning_rate", "train_loss", "key_metric", "chosen")
REMEDY = (
    "copy the network's whole folder again; if it is this study's own, delete the file and type "
    "the same command, which brings it back from the run store"
)


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave.

    Attributes:
        number: The first is 1.
        learning_rate: That of its last step.
        train_loss: Mean loss of the training scans.
        val_loss: Mean loss of the validation scans; None where there are none.
        metrics: The task's metrics of the validation scans, by name; NaN where one is not defined.
        train_metrics: Those of the training scans as they were learnt from, augmented and by the
            weights of each step; {} where that is not measured.
    """

    number: int
    learning_rate: float
    train_loss: float
    val_loss: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    train_metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class History:
    """The epochs of a training, so far.

    Attributes:
        key_metric: The task's metric that compares epochs, a name in their `metrics`.
        epochs: The epochs, the first one first.
        chosen: Number of the epoch whose weights are kept; 0 before the first.
    """

    key_metric: str
    epochs: tuple[Epoch, ...] = ()
    chosen: int = 0

    @classmethod
    def read(cls, path: Path) -> History:
        """Read a history.csv, live or finished.

        Raises:
            UserError: If it is damaged.
        """
        table = files.read_csv(path, COLUMNS)
        rows = table.to_dict("records")
        try:
            epochs = tuple(map(_epoch, rows))
        except ValueError as error:
            raise UserError(f"{path}: is damaged ({error}); {files.MADE_AGAIN}") from error
        chosen = [int(row["epoch"]) for row in rows if row["chosen"] == "1"]
        return cls(rows[0]["key_metric"] if rows else "", epochs, *chosen)

    def write(self, path: Path) -> None:
        """Write it as history.csv."""
        chosen = (self.table["epoch"] == self.chosen).astype(int)
        files.write_csv(path, self.table.assign(key_metric=self.key_metric, chosen=chosen))

    def with_epoch(self, epoch: Epoch, *, chosen: bool) -> History:
        """Return the history with one epoch more, whose weights are kept or not."""
        number = epoch.number if chosen else self.chosen
        return replace(self, epochs=(*self.epochs, epoch), chosen=number)

    @property
    def validates(self) -> bool:
        """Whether there are validation scans."""
        return bool(self.epochs) and self.epochs[0].val_loss is not None

    @property
    def measures_training(self) -> bool:
        """Whether the key metric of the training scans is known, as they were learnt from."""
        return f"train_{self.key_metric}" in self.table

    @property
    def best(self) -> float:
        """The key metric of the epoch whose weights are kept."""
        return self.epochs[self.chosen - 1].metrics[self.key_metric]

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row for each epoch: epoch, learning_rate, and loss and metrics, train_ and val_NAME."""
        return pd.DataFrame([_cells(epoch) for epoch in self.epochs])


class _Card(BaseModel):
    """What a model card says of the history beside it; figures rest on no more of it."""

    history_sha256: str


def read_history(path: Path) -> History:
    """Read a history.csv, live or finished; a finished one as the card beside it describes it.

    Raises:
        UserError: If it is damaged, or was edited since its training ended.
    """
    card = path.parent / CARD
    if card.is_file():
        try:
            said = _Card.model_validate(integrity.read_sealed(card, REMEDY))
        except ValidationError as error:
            raise UserError(f"{card}: is of another version of headstart; {REMEDY}") from error
        integrity.read_bytes(path, said.history_sha256, REMEDY)
    return History.read(path)


def _cells(epoch: Epoch) -> dict[str, float]:
    cells = {
        "epoch": epoch.number,
        "learning_rate": epoch.learning_rate,
        "train_loss": epoch.train_loss,
    }
    cells |= {f"train_{name}": value for name, value in epoch.train_metrics.items()}
    if epoch.val_loss is not None:
        cells["val_loss"] = epoch.val_loss
    return cells | {f"val_{name}": value for name, value in epoch.metrics.items()}


def _epoch(row: Mapping[Any, str]) -> Epoch:
    training, validation = _told(row, "train_"), _told(row, "val_")
    return Epoch(
        int(row["epoch"]),
        float(row["learning_rate"]),
        training.pop("loss"),
        validation.pop("loss", None),
        validation,
        training,
    )


def _told(row: Mapping[Any, str], of: str) -> dict[str, float]:
    """Loss and metrics of some scans, by name."""
    return {
        name.removeprefix(of): float(cell or "nan")
        for name, cell in row.items()
        if name.startswith(of)
    }
