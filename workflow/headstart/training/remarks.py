"""What a training's own numbers say to whoever watches it, in a sentence each."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.data.label_table import lacking_text
from headstart.training.history import History
from headstart.training.spent import Spent

if TYPE_CHECKING:
    from headstart.cohort.prepared import Scan

WAITING = 0.05  # share of an epoch
RISEN = 1.1  # of the validation loss over its lowest
FALLEN = 0.98  # of the training loss over its first: above, nothing was learnt


def on_unseen(classes: Sequence[str]) -> str:
    """Say that no training scan has these classes; "" if there are none."""
    if not classes:
        return ""
    return (
        f"warning: no scan to learn from has the class {', '.join(classes)}: what is held out of "
        "it is evaluated all the same; take fewer folds, get more subjects who have it, or merge "
        "it with another class"
    )


def on_lacking(channels: Sequence[str], scans: Sequence[Scan]) -> Iterator[str]:
    """Yield how many of the scans to learn from lack a channel, of each that any lacks."""
    for place, name in enumerate(channels):
        count = sum(place in scan.lacking for scan in scans)
        if count:
            yield f"{lacking_text(name, count, len(scans))}, of those to learn from"


def on_waiting(spent: Spent) -> str:
    """Say so if the network waited long for its batches in an epoch; "" if not."""
    share = spent.waiting / spent.seconds if spent.seconds else 0.0
    if share <= WAITING:
        return ""
    return (
        f"the network waited for its batches for {share:.0%} of the epoch: put the "
        "prepared scans on a faster disk, or take the dearest transforms out of train.augment, "
        "where it has any"
    )


def at_end(history: History) -> Iterator[str]:
    """Yield what a finished training's curves say: it overfits, or stands still."""
    trained = [epoch.train_loss for epoch in history.epochs]
    if len(trained) > 1 and min(trained[1:]) > FALLEN * trained[0]:
        yield (
            "the training loss stands still: nothing was learnt; try another train.learning_rate, "
            "by threes"
        )
    validated = [epoch.val_loss for epoch in history.epochs if epoch.val_loss is not None]
    if not validated:
        return
    lowest = validated.index(min(validated))
    late = lowest < len(validated) // 2
    if late and validated[-1] > RISEN * validated[lowest] and trained[-1] < trained[lowest]:
        yield (
            f"it overfits: the validation loss was lowest in epoch {lowest + 1} of "
            f"{len(validated)} and rose while the training loss fell on; more augmentation, a "
            "narrower network, or fewer epochs"
        )
