"""What trainings start from: another experiment's, a file of weights, or one to be downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headstart.common.run_id import CARD
from headstart.common.run_id import WEIGHTS
from headstart.common.run_id import RunId
from headstart.study.config import Config
from headstart.training.weights_catalogue import read_weights_catalogue

DOWNLOADS = ".weights"


def digests(config: Config, project: Path) -> dict[str, str]:
    """Digest each file of weights that an experiment starts from, by its name in the config.

    Args:
        config: The study.
        project: Folder that paths start in.

    Raises:
        UserError: If a file is not there, or another one than the config says.
    """
    found = {}
    for name, experiment in config.experiments.items():
        start = experiment.train.start
        if start is None or config.parent(name) is not None:
            continue
        if start.is_file:
            key = f"experiments.{name}.train.start"
            found[start.origin] = start.digest(project / start.origin, key)
        else:
            entry = read_weights_catalogue()[start.origin]
            found[start.origin] = start.sha256 or entry.sha256 or ""
    return found


@dataclass(frozen=True)
class Starts:
    """What the trainings of a study start from.

    Attributes:
        config: The study.
        project: Folder that paths of files start in.
        weights: `digests`.
    """

    config: Config
    project: Path
    weights: Mapping[str, str]

    def place(self, run: RunId) -> str:
        """Return the folder of a training, or the file of weights, that a training starts from.

        Args:
            run: The training.

        Returns:
            A path from the results root on, or an absolute one; "" for random weights.
        """
        start = self.config.experiments[run.experiment].train.start
        if start is None:
            return ""
        parent = self.config.parent(run.experiment)
        if parent is not None:
            return str(Path(self.config.study) / run._replace(experiment=parent).trained)
        if start.is_file:
            return str((self.project / start.origin).resolve())
        return _downloaded(start.origin, self.weights[start.origin])

    def waits_for(self, run: RunId) -> list[str]:
        """List the files that a rule makes and a training starts from.

        A file of the user's own is none: the digest of its content tells whether it changed.
        """
        place = self.place(run)
        if self.config.parent(run.experiment) is not None:
            return [f"{place}/{WEIGHTS}", f"{place}/{CARD}"]
        return [place] if place.startswith(f"{DOWNLOADS}/") else []

    def request(self, file: str) -> list[str]:
        """Return the words of `headstart fetch` that ask for a file in the folder of downloads."""
        named = {_downloaded(name, sha256): (name, sha256) for name, sha256 in self.weights.items()}
        name, sha256 = named[f"{DOWNLOADS}/{file}"]
        return ["--weights", name, "--sha256", sha256]


def _downloaded(name: str, sha256: str) -> str:
    entry = read_weights_catalogue().get(name)
    return f"{DOWNLOADS}/{name}-{sha256[:16]}{entry.ending if entry else ''}"
