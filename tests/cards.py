"""Settings and model cards of trainings that never ran."""

from __future__ import annotations

from typing import Any

from headstart.imaging.config import VOLUMES
from headstart.imaging.config import Preparation
from headstart.tasks import TASKS
from headstart.training.card import Count
from headstart.training.card import Counts
from headstart.training.card import ModelCard
from headstart.training.config import Train
from headstart.training.settings import Run
from headstart.training.settings import RunIdentity
from headstart.training.spent import Spent
from headstart.training.start import StartCard
from headstart.training.training_scans import WORDS
from headstart.training.training_scans import TrainingScans

NOBODY = Count(scans=0, subjects=0)


def make_run(**changes: Any) -> Run:
    """Make the settings of a training."""
    run: dict[str, Any] = {
        **{"experiment": "age", "task": "regression", "target": "age", "classes": {}},
        **{"channels": ("T1",), "window": (48, 48, 48), "fold": 0, "seed": 0},
        "train": Train(network="sfcn"),
    }
    return Run(**run | changes)


def make_identity(run: Run, **changes: Any) -> RunIdentity:
    """Say what a training rests on."""
    identity = {
        **{"run": run, "cohort_digest": "cohort", "splits_digest": "splits"},
        **{"code": "code", "network_digest": ""},
    }
    return RunIdentity(**identity | changes)


def make_start(**changes: Any) -> StartCard:
    """Say what a network began from."""
    start: dict[str, Any] = {
        **{"kind": "file", "name": "w.pt", "weights_sha256": "cd" * 32, "share": 1.0, "taken": 9},
        **{"adapted": {}, "new": {}, "left_out": (), "frozen": (), "known": False, "seen": ()},
    }
    return StartCard(**start | changes)


def make_card(run: Run, **changes: Any) -> ModelCard:
    """Make the model card of a network."""
    card: dict[str, Any] = {
        **dict(make_identity(run)),
        "state": TASKS[run.task].from_config(("x",), ()).state(),
        "prepare": Preparation(window=run.window),
        "volumes": VOLUMES,
        "brain_masks": "none",
        "counts": Counts(
            training=NOBODY, validation=NOBODY, held_out=NOBODY, test=NOBODY, without_target=0
        ),
        "training_scans": TrainingScans(
            template=(),
            percentiles=(),
            field_of_view=(1, 1, 1),
            farthest=dict.fromkeys(WORDS, 0.0),
            usual=dict.fromkeys(WORDS, 0.0),
            digests=(),
        ),
        **{"chosen_epoch": 1, "chosen_by": TASKS[run.task].metrics[0]},
        **{"history_sha256": "0" * 64, "weights_sha256": "0" * 64},
        **{
            "spent": (Spent(computing=60.0),),
            "device": "AMD EPYC",
            "precision": "fp32",
            "micro_batch": None,
            "versions": {"torch": "2"},
        },
    }
    return ModelCard(**card | changes)
