"""Choose how to train on scans in their own space, without resampling: for denoising."""

from __future__ import annotations

import math

from headstart.cluster.machine import Place
from headstart.planning.fingerprint import Fingerprint
from headstart.planning.plan import Plan
from headstart.planning.plan import split_of
from headstart.planning.plan import split_reasons
from headstart.training.costs import learning_seconds
from headstart.training.costs import training_memory

NETWORK = "plain_unet"
PATCH = (48, 48, 48)
OF_SERIES = (32, 32, 16)  # those have fewer and thicker slices
NEIGHBOURS = {"before": 3, "after": 3}
BATCH = 4
STEPS = 1500  # of the optimizer: 2.5 minutes bring it within 0.2 dB of what 6.5 do
EPOCHS = 10


def plan_in_own_space(fingerprint: Fingerprint, place: Place) -> Plan:
    """Choose split, patches and schedule; nothing about a voxel size is to be chosen.

    Args:
        fingerprint: The cohort.
        place: Where the trainings are to run.
    """
    split, learning, _ = split_of(fingerprint.subjects, fingerprint.scans)
    per_scan = max(1, math.ceil(STEPS * BATCH / EPOCHS / learning))
    threads = 2 if place.gpu else min(4, place.cores)
    patch = OF_SERIES if fingerprint.series else PATCH
    memory = training_memory(NETWORK, {}, patch, BATCH, 0, gpu=place.gpu)
    seconds = EPOCHS * learning_seconds(NETWORK, {}, patch, learning * per_scan)
    hours = None if place.gpu else seconds / threads / 3600
    train = {
        "network": NETWORK,
        "sampling": {"patches": list(patch), "per_scan": per_scan},
        **({"neighbours": NEIGHBOURS} if fingerprint.series else {}),
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "learning_rate": 1e-3,
        "clip": 1.0,
        "keep": "ema",
        "threads": threads,
    }
    prepare = {
        "voxel_size": "own",
        "window": "own",
        **({"series": True} if fingerprint.series else {}),
        "shards": min(256, max(2, math.ceil(fingerprint.scans / 64))),
    }
    reasons = split_reasons(split, fingerprint) | {
        "voxel_size": "as each scan has it: resampling would smooth the noise that is to be told",
        "window": "nothing is cut"
        if fingerprint.series
        else "the whole scan: its air tells how strong the noise is",
        "series": "4-D, of which each volume is told from its neighbours in time",
        "neighbours": "volumes before and after; 0 on one side for a network that sees the other",
        "shards": "parts that run side by side, about 64 scans each",
        "network": "no normalisation and a skip at full resolution: no fine detail is lost in it",
        "sampling": "larger patches see no more that matters",
        "epochs": f"about {STEPS} steps; longer trainings gain little",
        "batch_size": "patches of a step",
        "learning_rate": "higher ones make a network without normalisation diverge",
        "clip": "for the same reason",
        "keep": "the average of the last weights is better than any of them",
        "threads": "CPU threads; 1 and 2 give other bits, so it is a setting",
        "memory": f"one training fills about {memory / 1e9:.1f} GB ({place.name})",
        "folds": "the first of the folds: it learns from most of the scans",
    }
    return Plan(split, [0], prepare, train, memory, hours, reasons)
