"""A study's files, as its methods are told from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headstart.common.errors import UserError
from headstart.common.run_id import CARD
from headstart.study.config import Config
from headstart.training.card import ModelCard


@dataclass(frozen=True)
class StudyFiles:
    """A study's files.

    Attributes:
        folder: `results/STUDY`.
        config: The settings of its last run.
        synthetic: Whether scans are made up.
    """

    folder: Path
    config: Config
    synthetic: bool

    def path(self, name: str) -> Path:
        """Return the path of one of the study's files.

        Raises:
            UserError: If it is not there yet.
        """
        path = self.folder / name
        if not path.is_file():
            raise UserError(f"{path}: is not there yet; the methods are told once the study ran")
        return path

    def cards(self, experiment: str) -> list[ModelCard]:
        """Model cards of an experiment's finished trainings."""
        paths = [path for path in self._cards(experiment) if path.is_file()]
        return [ModelCard.read(path.parent) for path in paths]

    def complete(self, experiment: str) -> bool:
        """Whether all trainings of an experiment are finished."""
        return all(path.is_file() for path in self._cards(experiment))

    def _cards(self, experiment: str) -> list[Path]:
        runs = self.config.runs(experiment)
        return [self.folder / run.trained / CARD for run in runs]
