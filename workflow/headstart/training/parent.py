"""The network that a training starts from: its weights, and whom it has seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headstart.cohort.prepared import Cohort
from headstart.common.errors import UserError
from headstart.common.run_id import CARD
from headstart.common.run_id import WEIGHTS
from headstart.common.text import counted
from headstart.training.card import ModelCard
from headstart.training.settings import Run
from headstart.training.start import Start
from headstart.training.training_scans import digests_of
from headstart.training.weights_catalogue import PublishedWeights
from headstart.training.weights_catalogue import read_weights_catalogue

SHOWN = 5


@dataclass(frozen=True)
class Parent:
    """The network that a training starts from.

    Attributes:
        start: How the study names it.
        weights: File of its weights.
        sha256: Digest of that file.
        card: What is known of it, if headstart trained it.
        entry: What is known of it, if the catalogue has it.
    """

    start: Start
    weights: Path
    sha256: str
    card: ModelCard | None = None
    entry: PublishedWeights | None = None

    @classmethod
    def of(cls, start: Start, run: Run, place: Path) -> Parent:
        """Find the network that a run starts from.

        Args:
            start: How the run's settings name it.
            run: The run's settings.
            place: Folder of a finished training of ours, or a file of weights.

        Raises:
            UserError: If it is not there, or another one than the study names.
        """
        if place.is_dir():
            return cls._trained(start, run, place)
        sha256 = start.digest(place, "train.start")
        entry = None if start.is_file else read_weights_catalogue()[start.origin]
        return cls(start, place, sha256, _card_beside(place, sha256), entry)

    @classmethod
    def _trained(cls, start: Start, run: Run, folder: Path) -> Parent:
        card = ModelCard.read(folder)
        asked = {"experiment": start.origin, "fold": run.fold, "seed": run.seed}
        for key, value in asked.items():
            if (found := getattr(card.run, key)) != value:
                raise UserError(
                    f"train.start: {folder} has a network of {key} {found}, not {value}; delete "
                    "that folder and type the same command, which puts the right one there"
                )
        card.read_weights(folder)  # are they those that the card describes?
        return cls(start, folder / WEIGHTS, card.weights_sha256, card)

    @property
    def kind(self) -> Literal["experiment", "file", "catalogue"]:
        """What the study names."""
        if self.start.is_file:
            return "file"
        return "experiment" if self.entry is None else "catalogue"

    @property
    def identity(self) -> str:
        """What a network that starts from it rests on: its key, or the digest of its file."""
        ours = self.card if self.kind == "experiment" else None
        return self.sha256 if ours is None else ours.key

    @property
    def seen(self) -> frozenset[str]:
        """Digests of the scans that its weights have seen, as far as that is known."""
        return frozenset() if self.card is None else self.card.seen

    @property
    def known(self) -> bool:
        """Whether it is known whom its weights have seen."""
        if self.card is None:
            return self.entry is not None
        return self.card.start is None or self.card.start.known

    @property
    def cohorts(self) -> str:
        """Whom its weights were trained on, in words; "" if that is not known."""
        if self.entry is not None:
            return self.entry.trained_on
        return "" if self.card is None or self.card.start is None else self.card.start.cohorts

    def check_unseen(self, cohort: Cohort, fold: int) -> None:
        """Refuse a network that has seen somebody who is to judge the one that starts from it.

        Scans are told by the digest of their raw voxels, or of the prepared ones; a scan that was
        stored with other values since, or another scan of the same person, can't be known.

        Args:
            cohort: The cohort.
            fold: The fold that is held out.

        Raises:
            UserError: If it has seen a scan of the held-out fold or of the test.
        """
        judges = [*cohort.held_out(fold), *cohort.test()] if self.seen else []
        seen = list(dict.fromkeys(s.subject for s in judges if self.seen & digests_of(s)))
        if not seen:
            return
        more = f" and {len(seen) - SHOWN} more" if len(seen) > SHOWN else ""
        everybody = len({scan.subject for scan in judges})
        raise UserError(
            f"train.start: {self.start.origin} has seen {len(seen)} of the "
            f"{counted(everybody, 'subject')} that fold {fold} or the test holds out "
            f"({', '.join(seen[:SHOWN])}{more}): what it would be judged by it knows already. "
            "Start from an experiment of this study (`start: EXPERIMENT`: the same fold's "
            "network, which has seen none of them), or take train.start out"
        )


def _card_beside(weights: Path, sha256: str) -> ModelCard | None:
    """Read the model card that lies beside a file of weights, if one does."""
    if not (weights.parent / CARD).is_file():
        return None
    try:
        card = ModelCard.read(weights.parent)
    except UserError:
        if weights.name == WEIGHTS:
            raise
        return None  # another program's file of this name
    if card.weights_sha256 == sha256:
        return card
    if weights.name != WEIGHTS:
        return None
    raise UserError(
        f"train.start: {weights} has not the weights that {CARD} beside it describes; copy both "
        "from the same training, or this file alone to another folder"
    )
