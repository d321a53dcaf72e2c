"""Every stage that leaves a result: what its command says of itself, and what its result rests on.

The stage `a-stage` has its command in `commands/a_stage.py` and its rule in `workflow/rules`; if
settings are a part of its result, `Slices.a_stage` in `study/slices.py` picks them.
"""

from __future__ import annotations

from typing import NamedTuple


class Stage(NamedTuple):
    """A stage.

    Attributes:
        summary: What it does, for `headstart --help`.
        rests_on: The stages whose settings and code its result rests on, beside its own.
    """

    summary: str
    rests_on: tuple[str, ...] = ()


CHECKED = ("label", "check-scans", "check")
LEARNT_FROM = (*CHECKED, "split", "prepare")
STAGES = {
    "label": Stage("collect scans and labels into labels.csv"),
    "check-scans": Stage("read every scan to the last byte"),
    "check": Stage(
        "compare the scans with each other and reject the bad", ("label", "check-scans")
    ),
    "split": Stage("divide the subjects into folds and a held-out test set", CHECKED),
    # on single scans only, never on labels or splits: a corrected age rebuilds no volume
    "prepare": Stage("resample, crop and normalise every scan, once", ("check-scans",)),
    "gather": Stage("say what preparation left of each class of each mask", (*CHECKED, "prepare")),
    "near-duplicates": Stage(
        "find one head under two names, and scans unlike the rest", ("check-scans", "prepare")
    ),
    # nothing rests on the audit: it changes nothing of what passes it
    "audit": Stage("look for leaks in the split", (*LEARNT_FROM, "near-duplicates")),
    "train": Stage("train one network on one fold", LEARNT_FROM),
    "predict": Stage("predict the held-out subjects, or new scans", (*LEARNT_FROM, "train")),
    "evaluate": Stage(
        "evaluate the predictions beside their baselines", (*LEARNT_FROM, "train", "predict")
    ),
    "plot": Stage("draw figures as PDF", (*LEARNT_FROM, "train", "predict", "evaluate")),
}
# What figures of the scans rest on, which no split changes.
OF_SCANS = (*CHECKED, "prepare", "near-duplicates")
