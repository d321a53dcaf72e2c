"""A trained network, and what it says of a volume: the one forward pass without training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor
from torch import nn

from headstart.cohort.controls import without_head
from headstart.cohort.prepared import Scan
from headstart.common.errors import NoAnswerError
from headstart.common.errors import UserError
from headstart.common.machine_errors import is_of_machine
from headstart.imaging.slabs import Slabs
from headstart.tasks.base import Task
from headstart.training import own_network
from headstart.training.card import ModelCard
from headstart.training.covariate_effect import add_covariates
from headstart.training.data import encode
from headstart.training.data import load_volume
from headstart.training.data import with_flags
from headstart.training.device import choose_device
from headstart.training.device import keep_to
from headstart.training.networks import network_of
from headstart.training.predictor import make_predictor
from headstart.training.predictor import output_by_slabs
from headstart.training.series import told_series


class NotFiniteError(NoAnswerError):
    """A prediction that is no number."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network that predicts.

    Attributes:
        card: Its model card.
        task: The task, fitted to its training scans.
        network: The network, in evaluation mode; it takes whole scans.
        place: Where it computes.
        scratch: Whether its output for each voxel lies in a file, and not in memory.
    """

    card: ModelCard
    task: Task
    network: nn.Module
    place: torch.device
    scratch: bool = False

    def predict(self, scan: Scan) -> Any:
        """Predict a scan, as `Task.predict` gives it for a batch of one.

        A task that answers for every voxel is told slab by slab, a series as it is.

        Raises:
            NotFiniteError: If the network gives NaN or infinity.
            UserError: If a covariate of the scan can't be used.
        """
        if self.card.run.control == "background":
            scan = without_head(scan)
        if (neighbours := self.card.run.train.neighbours) is not None:
            see = partial(predict_scan, self.network, place=self.place)
            return [told_series(scan, neighbours, self.card.predict.edges, see)]
        if self.task.per_voxel:
            return [self._slabs(scan)]
        covariates = encode([scan], self.card.covariates, self.place)
        return self.task.predict(predict_scan(self.network, scan, self.place, covariates))

    def _slabs(self, scan: Scan) -> Slabs:
        """Predict each voxel of a scan, (channels, x, y, z), computed when it is read."""
        if self.card.run.train.patches is None:
            output = Slabs.of(predict_scan(self.network, scan, self.place)[0].float().cpu().numpy())
        else:
            output = predict_slabs(self.network, scan, self.place, scratch=self.scratch)

        def predicted(slab: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.asarray(self.task.predict(torch.from_numpy(slab)[None])[0])

        return output.mapped(predicted)


def mean_of(task: Task, predictions: Sequence[Any]) -> Any:
    """Take the mean of what several networks predict for one scan, as `Task.answer` takes it."""
    told = [one[0] for one in predictions]
    if isinstance(told[0], Slabs):
        return Slabs.mean(told)
    (mean,) = task.average(predictions)
    return mean


def predict_volumes(network: nn.Module, *inputs: Tensor) -> Tensor:
    """Let a network see volumes without learning from them.

    Args:
        network: The network, in evaluation mode.
        *inputs: Volumes (n, channels, x, y, z), where it computes; for a network that sees
            covariates beside them, those too, (n, columns).

    Returns:
        Its output, (n, ...).
    """
    with torch.inference_mode():
        return network(*inputs)


def predict_scan(
    network: nn.Module, scan: Scan, place: torch.device, covariates: Tensor | None = None
) -> Tensor:
    """Let a network see a scan.

    Args:
        network: The network, in evaluation mode.
        scan: The scan.
        place: Where it computes.
        covariates: What it sees beside the scan, (1, columns); None for nothing.

    Returns:
        Its output for a batch of one.

    Raises:
        NotFiniteError: If there is NaN or infinity in it, which would be read as the first class.
    """
    beside = () if covariates is None else (covariates,)
    output = predict_volumes(network, load_volume(scan)[None].to(place), *beside)
    check_finite(output, scan)
    return output


def check_finite(output: Tensor, scan: Scan) -> None:
    """Check that what a network says of a scan is numbers.

    Raises:
        NotFiniteError: If there is NaN or infinity in it.
    """
    # NaN is its own minimum and maximum; no copy is made of an output that fills the memory
    if not (torch.isfinite(output.amin()) and torch.isfinite(output.amax())):
        raise _not_finite(scan)


def predict_slabs(network: nn.Module, scan: Scan, place: torch.device, *, scratch: bool) -> Slabs:
    """Let a network that learnt from patches see a scan, whatever its size.

    Args:
        network: What `make_predictor` made of it, in evaluation mode.
        scan: The scan.
        place: Where the network computes.
        scratch: Whether its output lies in a file, and not in memory.

    Returns:
        Its output, (channels, x, y, z).

    Raises:
        NotFiniteError: As `predict_scan`.
    """
    with torch.inference_mode():
        output = output_by_slabs(network, _seen(scan), place, scratch=scratch)
    if not all(np.isfinite(slab.min()) and np.isfinite(slab.max()) for _, slab in output.each()):
        raise _not_finite(scan)
    return output


def _seen(scan: Scan) -> Slabs:
    """What a network sees of a scan, slab by slab, (channels and flags, x, y, z)."""
    volume = scan.slabs()
    if not scan.optional:
        return volume

    def read(first: int, last: int) -> NDArray[np.float32]:
        planes = torch.from_numpy(volume.read(first, last)).float()[None]
        return np.asarray(with_flags(planes, [scan])[0])

    return Slabs((volume.shape[0] + len(scan.optional), *volume.shape[1:]), read)


def _not_finite(scan: Scan) -> NotFiniteError:
    """Say why a network's output for a scan is no number."""
    fault = (
        "the network gives numbers that are not finite; train it again, with a lower "
        "train.learning_rate"
        if np.isfinite(scan.volume()).all()
        else "its prepared volume is not finite; prepare it again"
    )
    return NotFiniteError(f"subject '{scan.subject}', session '{scan.session}': {fault}")


def load_network(
    model: Path, card: ModelCard, networks: Path | None, device: str
) -> TrainedNetwork:
    """Build a trained network.

    Args:
        model: Folder with its weights.
        card: Its model card.
        networks: Folder of the network's own file; no other file's code is run.
        device: auto, cpu or cuda.

    Raises:
        UserError: If its own file was edited since or may not be run, or its weights are damaged.
    """
    trained = card.run
    _check_own_network(model, trained.train.network, networks, card.network_digest)
    network = network_of(trained, card.task, networks or Path())
    add_covariates(network, trained.train.network, card.covariates.width, card.task.out_channels)
    try:
        network.load_state_dict(load(card.read_weights(model)))
    except (SafetensorError, RuntimeError) as error:
        if is_of_machine(error):
            raise
        raise UserError(
            f"{model}: the weights do not fit the network that its card describes: "
            f"{' '.join(str(error).split())}"
        ) from error
    keep_to(trained.train.threads)
    place = choose_device(device)
    predictor = make_predictor(network.to(place), trained.train, card.predict)
    return TrainedNetwork(card, card.task, predictor.eval(), place)


def _check_own_network(model: Path, network: str, networks: Path | None, trained: str) -> None:
    """Check that the files of a network that is none of ours may be run, and are as in training.

    A card may come from anybody. It says how the file is called, but not where it lies: the user
    says so, and with it that its code may be run.
    """
    if networks is None and ":" in network:
        raise UserError(
            f"{model}: its network is code of whoever trained it, {network}; look into that file, "
            "and if you trust it, name the folder that it lies in: --networks FOLDER"
        )
    if own_network.digest(network, networks or Path()) != trained:
        raise UserError(
            f"{network}: was edited, or a file that it imports, after {model} was trained with it; "
            "train it again"
        )
