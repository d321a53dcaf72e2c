"""Every stage that leaves a result: what its command says of itself, and what its result rests on.

The stage `a-stage` has its command in `commands/a_stage.py` and its rule in `workflow/rules`; if
settings are a part of its result, `Slices.a_stage` in `study/slices.py` picks them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

from headstart.common import study_paths
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
        wanted: Whether an experiment has it.
    """

    summary: str
    output: str
    rests_on: tuple[str, ...] = ()
    part_of: str = ""
    wanted: Callable[[Any], bool] = lambda _: True


CHECKED = ("label", "check-scans", "check")
LEARNT_FROM = (*CHECKED, "split", "prepare")
# In the order of the work.
STAGES = {
    "label": Stage("collect scans and labels into labels.csv", study_paths.LABELS),
    "check-scans": Stage("read every scan to the last byte", study_paths.READ, part_of="check"),
    "check": Stage(
        "compare the scans with each other and reject the bad",
        study_paths.PASSED,
        ("label", "check-scans"),
    ),
    "split": Stage(
        "divide the subjects into folds and a held-out test set", study_paths.SPLITS, CHECKED
    ),
    # on single scans only, never on labels or splits: a corrected age rebuilds no volume
    "prepare": Stage(
        "resample, crop and normalise every scan, once",
        study_paths.SHARD,
        ("check-scans",),
    ),
    "gather": Stage(
        "say what preparation left of each class of each mask",
        study_paths.MASKS,
        (*CHECKED, "prepare"),
        part_of="prepare",
    ),
    "near-duplicates": Stage(
        "find one head under two names, and scans unlike the rest",
        study_paths.PAIRS,
        ("check-scans", "prepare"),
    ),
    # nothing rests on the audit: it changes nothing of what passes it
    "audit": Stage(
        "look for leaks in the split",
        study_paths.AUDIT,
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
        study_paths.METRICS,
        (*LEARNT_FROM, "train", "predict"),
    ),
    "compare": Stage(
        "compare experiments that ask for the same target with each other",
        study_paths.EXPERIMENTS,
        (*LEARNT_FROM, "train", "predict", "evaluate"),
        part_of="evaluate",
    ),
    "explain": Stage(
        "map where the answers for some held-out scans come from",
        study_paths.EXPLAINED,
        (*LEARNT_FROM, "train", "predict"),
        wanted=lambda experiment: bool(experiment.explain.methods),
    ),
    "inject": Stage(
        "inject a known change into some held-out scans and see answers move",
        study_paths.INJECTED,
        (*LEARNT_FROM, "train"),
        wanted=lambda experiment: "injected" in experiment.controls,
    ),
    "plot": Stage(
        "draw figures as PDF",
        study_paths.FIGURE,
        (*LEARNT_FROM, "train", "predict", "evaluate", "explain"),
    ),
    "report": Stage(
        "write the report, one page that holds all of a study",
        study_paths.REPORT,
        (
            *LEARNT_FROM,
            "near-duplicates",
            "train",
            "predict",
            "evaluate",
            "compare",
            "explain",
            "inject",
            "plot",
        ),
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
