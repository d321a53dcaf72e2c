"""Which training a file belongs to: the one place that spells a run's path.

The rules take the two patterns, whose fields are their wildcards; the package and the tests take
`RunId`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

from headstart.common.errors import UserError

FOLDER = "{experiment}/main/fold-{fold}/seed-{seed}"  # in `train` and in `predict`
NAME = "{experiment}/fold-{fold}/seed-{seed}"  # as a person types it, and as its log is called
# The files in its folders.
CARD = "model.json"
WEIGHTS = "model.safetensors"
HISTORY = "history.csv"
PREDICTIONS = "predictions.csv"
IDENTITY = "run.json"  # in the run store, beside the attempts
SNAPSHOT = (
    "snapshots/epoch-{epoch}"  # weights on the way: there a file, a folder beside the network
)


def snapshot_file(run: Path, epoch: int) -> Path:
    """Return the file in which the run store has the weights of an epoch.

    Args:
        run: `STORE/KEY`.
        epoch: The epoch.
    """
    return run / f"{SNAPSHOT.format(epoch=epoch)}.safetensors"


def named_by(folder: Path) -> tuple[str, ...]:
    """Return the parts of `NAME` that a folder stands for: a run's, or one above it.

    Args:
        folder: Relative to `train` or `predict`.
    """
    parts = zip(folder.parts, FOLDER.split("/"), strict=False)
    return tuple(part for part, pattern in parts if "{" in pattern)


class RunId(NamedTuple):
    """One training.

    Attributes:
        experiment: The experiment.
        fold: The fold that is held out.
        seed: The seed.
    """

    experiment: str
    fold: int
    seed: int

    @classmethod
    def of(cls, file: Path) -> RunId:
        """Read from a file's path which run it belongs to.

        Raises:
            UserError: If its folder is not named like a run's.
        """
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", FOLDER)
        match = re.fullmatch(f"(?:.*/)?{pattern}", file.parent.as_posix())
        if match is None or not (match["fold"] + match["seed"]).isdecimal():
            like = FOLDER.format(experiment="EXPERIMENT", fold="F", seed="S")
            raise UserError(f"{file}: its folder must end in {like}, as train and predict name it")
        return cls(match["experiment"], int(match["fold"]), int(match["seed"]))

    @classmethod
    def stored(cls, folder: Path) -> RunId:
        """Read which run an entry of the run store is, and nothing more.

        What only names runs rests on no code of training, which reads the whole file.

        Args:
            folder: `STORE/KEY`.

        Raises:
            UserError: If its description is damaged.
        """
        path = folder / IDENTITY
        try:
            run = json.loads(path.read_bytes())["run"]
            return cls(str(run["experiment"]), int(run["fold"]), int(run["seed"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}: is damaged, or of another version of headstart; delete {folder}"
            ) from error

    @property
    def folder(self) -> Path:
        """Its folder in `train` and in `predict`."""
        return Path(FOLDER.format(**self._asdict()))

    @property
    def trained(self) -> Path:
        """Where the study has its network."""
        return "train" / self.folder

    @property
    def predicted(self) -> Path:
        """Where the study has its answers."""
        return "predict" / self.folder

    @property
    def log(self) -> Path:
        """Where the study has what its training said."""
        return Path(f"logs/train/{self.name}.log")

    @property
    def name(self) -> str:
        """Its name, as a person types it after the study's."""
        return NAME.format(**self._asdict())
