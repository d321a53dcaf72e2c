"""Another network's weights put into ours, and what became of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import torch
from torch import nn

from headstart.common.text import counted
from headstart.tasks.base import Task
from headstart.training.frozen import check_patterns
from headstart.training.parent import Parent
from headstart.training.settings import Run
from headstart.training.start import StartCard
from headstart.training.weight_match import fitted
from headstart.training.weight_match import match
from headstart.training.weights_files import read_weights

SHOWN = 6


def start_from(network: nn.Module, parent: Parent, run: Run, task: Task) -> StartCard:
    """Put a parent's weights into a network, and print what became of them.

    Args:
        network: The network; what is not matched keeps its weights.
        parent: Where the weights come from.
        run: The run, whose network it is.
        task: The task, fitted to the training scans.

    Returns:
        What there is to say of it.

    Raises:
        UserError: If the file holds no weights, or not those of such a network, or a pattern of
            `train.start` has no meaning.
    """
    theirs = read_weights(parent.weights)
    ours = network.state_dict()
    flags = len(run.optional)
    found = match(
        ours,
        theirs,
        parent.start.origin,
        in_channels=len(run.inputs),
        out_channels=task.out_channels,
        flags=flags,
    )
    check_patterns(network, parent.start, found.new)
    with torch.no_grad():
        for name, other in found.taken.items():
            ours[name].copy_(fitted(theirs[other], ours[name], flags))
    card = StartCard(
        kind=parent.kind,
        name=parent.start.origin,
        weights_sha256=parent.sha256,
        share=round(found.share, 4),
        taken=len(found.taken),
        adapted=found.adapted,
        new=found.new,
        left_out=found.left_out,
        frozen=parent.start.freeze,
        known=parent.known,
        seen=tuple(sorted(parent.seen)),
        cohorts=parent.cohorts,
        licence=parent.entry.licence if parent.entry else "",
        cite=parent.entry.cite if parent.entry else "",
    )
    print("\n".join(_told(card, parent)), file=sys.stderr, flush=True)
    return card


def _told(card: StartCard, parent: Parent) -> Iterator[str]:
    """Tell what became of a parent's weights, as a table."""
    yield f"start from {card.name}, sha256 {card.weights_sha256[:16]}:"
    yield f"  matched   {counted(card.taken, 'tensor')}, {card.share:.1%} of the network's weights"
    adapted = [f"{name}: {how}" for name, how in card.adapted.items()]
    new = [f"{name}: {why}" for name, why in card.new.items()]
    for title, lines in (("adapted", adapted), ("random", new), ("left out", card.left_out)):
        for line in lines[:SHOWN]:
            yield f"  {title:<9} {line}"
        if len(lines) > SHOWN:
            yield f"  {title:<9} and {len(lines) - SHOWN} more"
    if card.frozen:
        yield f"  frozen    {', '.join(card.frozen)}"
    if parent.entry is not None:
        takes = parent.entry.input
        size, window = (
            " x ".join(f"{edge:g}" for edge in edges) if edges else "mixed"
            for edges in (takes.voxel_size, takes.window)
        )
        yield f"  input     voxels of {size} mm, window {window}, {takes.intensities}"
        yield f"  trained   on {card.cohorts}; whether a subject of yours is one of them you know"
    elif not card.known:
        yield (
            "  trained   on nobody knows whom: no model card lies beside it. Whether it has seen a "
            "held-out or test subject can't be known; methods says so"
        )
    else:
        yield "  trained   on scans that its model card knows; none of them judges here"
