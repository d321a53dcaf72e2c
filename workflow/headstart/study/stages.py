"""Every stage that leaves a result: what its command says of itself, and what its result rests on.

The stage `a-stage` has its command in `commands/a_stage.py` and its rule in `workflow/rules`; if
settings are a part of its result, `Slices.a_stage` in `study/slices.py` picks them.
"""

from __future__ import annotations

from typing import NamedTuple

from headstart.common.run_id import CARD
from headstart.common.run_id import FOLDER
from headstart.common.run_id import PREDICTIONS


class Stage(NamedTuple):
    """A stage.

    Attributes:
        summary: What it does, for `headstart --help`.
        output: What a job of it leaves last, in the study's folder; its fields tell what there is a
            job for.
        rests_on: The stages whose settings and code its result rests on, beside its own.
        part_of: The stage that it is counted with for people; "" if it stands for itself.
    """

    summary: str
    output: str
    rests_on: tuple[str, ...] = ()
    part_of: str = ""


CHECKED = ("label", "check-scans", "check")
LEARNT_FROM = (*CHECKED, "split", "prepare")
# In the order of the work.
STAGES = {
    "label": Stage("collect scans and labels into labels.csv", "label/labels.csv"),
    "check-scans": Stage(
        "read every scan to the last byte", "check/shards/{shard}.csv", part_of="check"
    ),
    "check": Stage(
        "compare the scans with each other and reject the bad",
        "check/passed.csv",
        ("label", "check-scans"),
    ),
    "split": Stage(
        "divide the subjects into folds and a held-out test set", "split/splits.csv", CHECKED
    ),
    # on single scans only, never on labels or splits: a corrected age rebuilds no volume
    "prepare": Stage(
        "resample, crop and normalise every scan, once",
        "prepare/shard-{shard}.json",
        ("check-scans",),
    ),
    "gather": Stage(
        "say what preparation left of each class of each mask",
        "prepare/masks.csv",
        (*CHECKED, "prepare"),
        part_of="prepare",
    ),
    "near-duplicates": Stage(
        "find one head under two names, and scans unlike the rest",
        "near-duplicates/pairs.csv",
        ("check-scans", "prepare"),
    ),
    # nothing rests on the audit: it changes nothing of what passes it
    "audit": Stage(
        "look for leaks in the split",
        "split/audit.json",
        (*LEARNT_FROM, "near-duplicates"),
        part_of="split",
    ),
    "train": Stage("train one network on one fold", f"train/{FOLDER}/{CARD}", LEARNT_FROM),
    "predict": Stage(
        "predict the held-out subjects, or new scans",
        f"predict/{FOLDER}/{PREDICTIONS}",
        (*LEARNT_FROM, "train"),
    ),
    "evaluate": Stage(
        "evaluate the predictions beside their baselines",
        "evaluate/{experiment}/metrics.csv",
        (*LEARNT_FROM, "train", "predict"),
    ),
    "plot": Stage(
        "draw figures as PDF",
        "figures/{folder}/{figure}",
        (*LEARNT_FROM, "train", "predict", "evaluate"),
    ),
}
# What figures of the scans rest on, which no split changes.
OF_SCANS = (*CHECKED, "prepare", "near-duplicates")
FETCH = "fetch"  # leaves scans, and no result


def counted_with(stage: str) -> str:
    """Return the stage that a stage is counted with for people."""
    return STAGES[stage].part_of or stage


def order() -> list[str]:
    """List the stages that people are told of, in the order of the work."""
    return [FETCH, *dict.fromkeys(map(counted_with, STAGES))]


def before_training() -> list[str]:
    """List those that are complete before the first training begins."""
    return [FETCH, *dict.fromkeys(map(counted_with, STAGES["train"].rests_on))]
