"""Networks, losses and augmentations that are described on standard input, each built once.

Run by `headstart.study.network_trial`, in a process of its own: `python -m`, then the folder with
files of the user's own, and a file to write the mistakes to.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Collection
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.text import times
from headstart.tasks import task_with
from headstart.tasks.base import Task
from headstart.training.augmentation.parse import parse
from headstart.training.diagnosis import check_gradient
from headstart.training.frozen import check_patterns
from headstart.training.losses import own_loss
from headstart.training.networks import build_network
from headstart.training.networks import check_learns
from headstart.training.networks import check_output
from headstart.training.trial import StartTrial
from headstart.training.trial import Trial
from headstart.training.weight_match import match
from headstart.training.weights_files import read_weights


def main(project: Path, answer: Path) -> None:
    """Try the networks that are described on standard input; write the mistakes as JSON."""
    mistakes = {}
    for name, trial in json.load(sys.stdin).items():
        try:
            _try(Trial.model_validate(trial), project)
        except UserError as error:
            mistakes[name] = " ".join(str(error).split())
    files.write_json(answer, mistakes)


def _try(trial: Trial, project: Path) -> None:
    parse(trial.augment)
    task = _task(trial)
    network = _network(trial, task, project).to("meta")
    check_learns(trial.network, network)
    made = set(network.state_dict())
    _check_shape(network, trial, task, own=bool(trial.network_digest))
    for late in sorted(set(network.state_dict()) - made):
        raise UserError(
            f"train.network: {trial.network} makes {late} when it first sees a scan, too late for "
            "an optimizer to learn it; make it in __init__"
        )
    if trial.start:
        _check_start(network, trial, trial.start, task, project)
    if trial.loss and trial.loss_digest:
        _check_loss(trial.loss, task, project)


def _task(trial: Trial) -> Task:
    return task_with(trial.task, trial.loss).from_config(trial.classes, trial.channels)


def _network(trial: Trial, task: Task, project: Path) -> torch.nn.Module:
    """Build a network on the meta device, or for real if it computes with numbers."""

    def build() -> torch.nn.Module:
        return build_network(
            trial.network,
            trial.arguments,
            in_channels=len(trial.channels),
            out_channels=task.out_channels,
            folder=project,
            deep_supervision=trial.deep_supervision,
        )

    with contextlib.suppress(UserError), torch.device("meta"):
        return build()
    return build()


def _check_start(
    network: torch.nn.Module, trial: Trial, start: StartTrial, task: Task, project: Path
) -> None:
    """Match what a network starts from by its shapes; the catalogue's may not be here yet."""
    theirs: Mapping[str, torch.Tensor] = {}
    if start.parent:
        theirs = _network(start.parent, _task(start.parent), project).state_dict()
    elif start.file:
        theirs = read_weights(Path(start.file))
    new: Collection[str] = ()
    if theirs:
        new = match(
            network.state_dict(),
            theirs,
            start.start.origin,
            in_channels=len(trial.channels),
            out_channels=task.out_channels,
            flags=trial.flags,
        ).new
    check_patterns(network, start.start, new)


def _check_shape(network: torch.nn.Module, trial: Trial, task: Task, *, own: bool) -> None:
    batch = torch.empty(2, len(trial.channels), *trial.window, device="meta")
    expected = (2, *task.output_shape(trial.window))
    try:
        output = network(batch)
        outputs = [output[0] if trial.deep_supervision else output]
        if own:
            outputs.append(network.eval()(batch))  # it may say something else then
    except Exception as error:
        if own and "meta" in str(error.__cause__).lower():
            return  # it computes with numbers, which the meta device has none of
        if own:
            raise
        if "Expected more than 1 spatial element" in str(error):
            x, *others = trial.window
            raise UserError(
                f"train.network: {trial.network} halves {times(trial.window)} voxels to a single "
                "one, which has no spread to be normalised by; let it see more (prepare.window, or "
                f"the patches of train.sampling), e.g. {[2 * x, *others]}"
            ) from None
        raise UserError(
            f"train.network: {trial.network} with {trial.arguments} can't take a batch of "
            f"shape {tuple(batch.shape)}: {type(error).__name__}: {error}"
        ) from None
    for output in outputs:
        check_output(trial.network, tuple(output.shape), expected)
    if own:
        _check_gradient(outputs[0].sum(), network=trial.network)
        _check_registered(outputs[0], network, trial.network)


def _check_registered(output: torch.Tensor, network: torch.nn.Module, name: str) -> None:
    """Check that an output rests on no weights but those that are learnt and kept."""
    known = {id(weights) for weights in network.parameters()}
    waiting, seen = [output.grad_fn], set()
    while waiting:
        step = waiting.pop()
        if step is None or step in seen:
            continue
        seen.add(step)
        leaf = getattr(step, "variable", None)
        if leaf is not None and id(leaf) not in known:
            raise UserError(
                f"train.network: {name} has weights of shape {tuple(leaf.shape)} that its "
                "parameters() does not have, so that they are neither learnt nor kept; modules in "
                "a list belong into a torch.nn.ModuleList, tensors into a torch.nn.Parameter"
            )
        waiting += [before for before, _ in step.next_functions]


def _check_gradient(value: torch.Tensor, **code: str) -> None:
    try:
        value.backward()
    except RuntimeError as error:
        check_gradient(error, **code)
        raise


def _check_loss(name: str, task: Task, project: Path) -> None:
    """Compute a loss of the user's own, and its gradient, for a small batch of made-up outputs."""
    window = (8, 8, 8)
    output = torch.rand(2, *task.output_shape(window), requires_grad=True)
    target = torch.from_numpy(np.stack([task.blank_target(window)] * 2))
    value = own_loss(name, project, torch.device("cpu"))(output, target)
    _check_gradient(value, loss=name)
    if output.grad is None:
        raise UserError(f"train.loss: {name} gives a number that does not rest on the output")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
