"""Networks, losses and augmentations that are described on standard input, each built once.

Run by `headstart.study.network_trial`, in a process of its own: `python -m`, then the folder with
files of the user's own, and a file to write the mistakes to.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from headstart.common import files
from headstart.common.errors import UserError
from headstart.training.augmentation.parse import parse
from headstart.training.losses import own_loss
from headstart.training.networks import build_network
from headstart.training.networks import check_output

Trial = Mapping[str, Any]


def main(project: Path, answer: Path) -> None:
    """Try the networks that are described on standard input; write the mistakes as JSON."""
    mistakes = {}
    for name, trial in json.load(sys.stdin).items():
        try:
            _try(trial, project)
        except UserError as error:
            mistakes[name] = " ".join(str(error).split())
    files.write_json(answer, mistakes)


def _try(trial: Trial, project: Path) -> None:
    parse(trial["augment"])

    def build() -> torch.nn.Module:
        return build_network(
            trial["network"],
            trial["arguments"],
            in_channels=trial["channels"],
            out_channels=trial["outputs"],
            folder=project,
            deep_supervision=trial["deep_supervision"],
        )

    _check_shape(_built(build).to("meta"), trial, own=bool(trial["file"]))
    if trial["loss_file"]:
        _check_loss(trial, project)


def _built(build: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """Build a network on the meta device, or for real if it computes with numbers."""
    with contextlib.suppress(UserError), torch.device("meta"):
        return build()
    return build()


def _check_shape(network: torch.nn.Module, trial: Trial, *, own: bool) -> None:
    batch = torch.empty(2, trial["channels"], *trial["input"], device="meta")
    expected = (2, trial["outputs"], *trial["window"])
    try:
        output = network(batch)
        shape = tuple((output[0] if trial["deep_supervision"] else output).shape)
    except Exception as error:
        if own and "meta" in str(error.__cause__).lower():
            return  # it computes with numbers, which the meta device has none of
        if own:
            raise
        raise UserError(
            f"train.network: {trial['network']} with {trial['arguments']} can't take a batch of "
            f"shape {tuple(batch.shape)}: {type(error).__name__}: {error}"
        ) from None
    check_output(trial["network"], shape, expected)


def _check_loss(trial: Trial, project: Path) -> None:
    """Compute a loss of the user's own, and its gradient, for a small batch of made-up outputs."""
    window = [8, 8, 8] if trial["window"] else []
    output = torch.rand(2, trial["outputs"], *window, requires_grad=True)
    if window:
        truth = torch.zeros(2, 1, *window, dtype=torch.uint8)
    else:
        truth = torch.zeros(2, dtype=torch.float32 if trial["numeric"] else torch.int64)
    value = own_loss(trial["loss"], project, torch.device("cpu"))(output, truth)
    if not value.requires_grad:
        raise UserError(
            f"train.loss: {trial['loss']} gives a number that no gradient leads back from to the "
            "output; compute it by torch's functions, without .item(), .detach() or numpy"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
