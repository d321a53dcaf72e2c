"""Every figure: who draws it, from which files, and where it stands in the report.

The rules make one job of each row, and the command `plot` its arguments; without matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headstart.common import study_paths

# What a figure may be drawn from: files of a study.
INPUTS: dict[str, str | list[str]] = {
    "labels": f"<study>/{study_paths.LABELS}",
    "rejected": [f"<study>/{study_paths.UNLABELLED}", f"<study>/{study_paths.REJECTED}"],
    "passed": f"<study>/{study_paths.PASSED}",
    "summary": f"<study>/{study_paths.SUMMARY}",
    "splits": f"<study>/{study_paths.SPLITS}",
    "balance": f"<study>/{study_paths.BALANCE}",
    "pairs": f"<study>/{study_paths.PAIRS}",
    "similarity": f"<study>/{study_paths.SIMILARITY}",
    "pictures": f"<study>/{study_paths.PICTURES}",
    "rates": f"<study>/{study_paths.RATES}",
    "metrics": f"<study>/{study_paths.METRICS}",
    "comparison": f"<study>/{study_paths.COMPARISON}",
}
# Of every fold and seed.
OF_RUNS = {
    "histories": "<study>/train/<run>/history.csv",
    "predictions": "<study>/predict/<run>/predictions.csv",
}
PREPARED = "prepared"  # the folder of shard-K.json


@dataclass(frozen=True)
class Figure:
    """One figure, a PDF; its caption is `workflow/report/NAME.rst`.

    Attributes:
        draw: MODULE:NAME of what draws it; it takes `stamp`, `output` and what it needs, and an
            experiment's `settings`.
        needs: What it is drawn from.
        category: Where it stands in the report.
        labels: What the report calls it.
        rests_on: What it rests on, as `Settings.upstream` takes it: `scans`; what `train` rests
            on; or what `plot` does, the results of an experiment.
        of_experiment: Whether it is an experiment's, and not the cohort's.
        wanted: Whether an experiment has it.
        memory: What drawing it takes, MB.
        minutes: How long it may take.
    """

    draw: str
    needs: tuple[str, ...]
    category: str
    labels: Mapping[str, str]
    rests_on: str = "scans"
    of_experiment: bool = False
    wanted: Callable[[Any], bool] = lambda _: True
    memory: int = 2000
    minutes: int = 30

    @property
    def given(self) -> tuple[str, ...]:
        """What its command is given; the digest of `passed` stands at its foot."""
        return tuple(dict.fromkeys(("passed", *self.needs)))

    @property
    def folder(self) -> str:
        """Its folder in `figures`, as the rules name it."""
        return "{experiment}" if self.of_experiment else "cohort"


DATA = "1. Data and exclusions"
FIGURES = {
    "flow": Figure(
        "headstart.figures.flow:plot",
        ("labels", "rejected", "passed", "splits"),
        DATA,
        {"": "who came in, who was rejected"},
        rests_on="train",
    ),
    "balance": Figure(
        "headstart.figures.balance:plot",
        ("passed", "balance"),
        "2. Split and balance",
        {"": "labels by part and by site"},
        rests_on="train",
    ),
    "contact-sheet": Figure(
        "headstart.figures.contact_sheet:plot",
        ("labels", "rejected", "passed", "summary", PREPARED, "pairs", "similarity"),
        DATA,
        {"": "every scan"},
        memory=4000,
        minutes=60,
    ),
    "near-duplicates": Figure(
        "headstart.figures.near_duplicates:plot",
        ("pairs", "pictures", "rates"),
        DATA,
        {"": "near-duplicates, side by side"},
    ),
    "distributions": Figure(
        "headstart.figures.distributions:plot",
        ("rejected", "summary", "pairs", "similarity"),
        DATA,
        {"": "shapes, voxel sizes, intensities"},
    ),
    "curves": Figure(
        "headstart.figures.curves:plot",
        ("histories",),
        "3. Learning curves",
        {"experiment": "{experiment}", "figure": "learning curves"},
        rests_on="plot",
        of_experiment=True,
    ),
    "evaluation": Figure(
        "headstart.figures.evaluation:plot",
        ("passed", "splits", PREPARED, "predictions", "metrics", "comparison"),
        "4. Results beside baselines",
        {"experiment": "{experiment}"},
        rests_on="plot",
        of_experiment=True,
        memory=4000,
    ),
    "augmentation": Figure(
        "headstart.figures.augmentation:plot",
        ("passed", "splits", PREPARED),
        "3. Learning curves",
        {"experiment": "{experiment}", "figure": "augmentation"},
        rests_on="train",
        of_experiment=True,
        wanted=lambda experiment: bool(experiment.train.augment),
        memory=4000,
    ),
}


def figures_of(experiment: Any | None) -> dict[str, Figure]:
    """Return the figures of an experiment, or, without one, of the cohort."""
    return {
        name: figure
        for name, figure in FIGURES.items()
        if figure.of_experiment == (experiment is not None) and figure.wanted(experiment)
    }
