"""Every figure: who draws it, from which files, and where it stands in the report.

The rules make one job of each row, and the command `plot` its arguments; without matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import Literal

from headstart.cohort.settings import INJECTED
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
    "steps": f"<study>/{study_paths.STEPS}",
    "pictures": f"<study>/{study_paths.PICTURES}",
    "rates": f"<study>/{study_paths.RATES}",
    "metrics": f"<study>/{study_paths.METRICS}",
    "comparison": f"<study>/{study_paths.COMPARISON}",
    "experiments": f"<study>/{study_paths.EXPERIMENTS}",
    "explained": f"<study>/{study_paths.EXPLAINED}",
    "injected": f"<study>/{study_paths.INJECTED}",
}
# Of every fold and seed.
OF_RUNS = {
    "histories": "<study>/train/<run>/history.csv",
    "predictions": "<study>/predict/<run>/predictions.csv",
}
STUDY_FOLDER = "experiments"  # in `figures`, of what compares them
# Of every control of an experiment.
OF_CONTROLS = {"controls": f"<study>/{study_paths.METRICS}"}
PREPARED = "prepared"  # the folder of shard-K.json
ROOT = "data"  # the data root, where the raw masks are


@dataclass(frozen=True)
class Figure:
    """One figure, a PDF; its caption is `workflow/report/NAME.rst`.

    Attributes:
        draw: MODULE:NAME of what draws it; it takes `settings`, `stamp`, `output` and its needs.
        needs: What it is drawn from.
        category: Where it stands in the report.
        labels: What the report calls it.
        rests_on: What it rests on, as `Settings.upstream` takes it: `scans`; what `train` rests
            on; `predict` does, the trainings; `plot` does, the results of an experiment;
            `controls`, these with the results of all its controls; or `compare` does, those of all
            that are compared.
        of: Whose it is: the cohort's, an experiment's, a sweep's, or the study's, of which it
            compares the experiments.
        of_variants: Whether the experiments of a sweep have it before one of them is chosen.
        wanted: Whether an experiment has it, or what is no experiment's, a study's config.
        table: Whether a table of its numbers is written beside it, NAME.csv.
        memory: What drawing it takes, MB.
        minutes: How long it may take.
    """

    draw: str
    needs: tuple[str, ...]
    category: str
    labels: Mapping[str, str]
    rests_on: str = "scans"
    of: Literal["cohort", "experiment", "sweep", "study"] = "cohort"
    of_variants: bool = False
    wanted: Callable[[Any], bool] = lambda _: True
    table: bool = False
    memory: int = 2000
    minutes: int = 30

    @property
    def given(self) -> tuple[str, ...]:
        """What its command is given; the digest of `passed` stands at its foot."""
        return tuple(dict.fromkeys(("passed", *self.needs)))

    @property
    def folder(self) -> str:
        """Its folder in `figures`, as the rules name it."""
        return {"cohort": "cohort", "study": STUDY_FOLDER}.get(self.of, "{experiment}")

    @property
    def chosen_by(self) -> tuple[str, ...]:
        """The wildcards that pick its settings."""
        return ("experiment",) if self.folder == "{experiment}" else ()

    def files(self, name: str) -> tuple[str, ...]:
        """Its files, as a person reads them."""
        return (f"{name}.pdf", *([f"{name}.csv"] if self.table else []))

    def screen(self, name: str) -> str:
        """The same drawings for the report."""
        return f"{name}.svg"


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
    "preparation": Figure(
        "headstart.figures.preparation:plot",
        ("steps", PREPARED),
        DATA,
        {"": "brains, as prepare found and placed them"},
        wanted=lambda config: config.prepare.planes,
    ),
    "channels": Figure(
        "headstart.figures.channels:plot",
        ("steps", PREPARED),
        DATA,
        {"": "channels, as they lie on the first one"},
        wanted=lambda config: bool(config.preparation.align),
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
        of="experiment",
        of_variants=True,
    ),
    "sweep": Figure(
        "headstart.figures.sweep:plot",
        ("histories",),
        "3. Learning curves",
        {"experiment": "{experiment}", "figure": "sweep, compared on validation"},
        rests_on="predict",
        of="sweep",
        table=True,
    ),
    "evaluation": Figure(
        "headstart.figures.evaluation:plot",
        ("passed", "splits", PREPARED, ROOT, "predictions", "metrics", "comparison"),
        "4. Results beside baselines",
        {"experiment": "{experiment}"},
        rests_on="plot",
        of="experiment",
        memory=4000,
    ),
    "experiments": Figure(
        "headstart.figures.experiments:plot",
        ("experiments",),
        "4. Results beside baselines",
        {"": "experiments against each other"},
        rests_on="compare",
        of="study",
    ),
    "explanation": Figure(
        "headstart.figures.explanation:plot",
        ("passed", "splits", PREPARED, "explained"),
        "5. Where answers come from",
        {"experiment": "{experiment}"},
        rests_on="plot",
        of="experiment",
        wanted=lambda experiment: bool(experiment.explain.methods),
        memory=4000,
    ),
    "controls": Figure(
        "headstart.figures.controls:plot",
        ("metrics", "controls"),
        "4. Results beside baselines",
        {"experiment": "{experiment}", "figure": "controls"},
        rests_on="controls",
        of="experiment",
        wanted=lambda experiment: bool({*experiment.controls} - {INJECTED}),
        table=True,
    ),
    "injected": Figure(
        "headstart.figures.injected:plot",
        ("injected",),
        "4. Results beside baselines",
        {"experiment": "{experiment}", "figure": "a known change, injected"},
        rests_on="controls",
        of="experiment",
        wanted=lambda experiment: INJECTED in experiment.controls,
        table=True,
    ),
    "augmentation": Figure(
        "headstart.figures.augmentation:plot",
        ("passed", "splits", PREPARED),
        "3. Learning curves",
        {"experiment": "{experiment}", "figure": "augmentation"},
        rests_on="train",
        of="experiment",
        wanted=lambda experiment: bool(experiment.train.augment),
        memory=4000,
    ),
}


def figures_of(config: Any, folder: str) -> dict[str, Figure]:
    """Return the figures that a study has in one of its `figure_folders`."""
    experiment = config.experiments.get(folder)
    if experiment is None:
        own = "study" if folder == STUDY_FOLDER else "cohort"
        whose = "sweep" if folder in config.sweeps else own
        return {
            name: figure
            for name, figure in FIGURES.items()
            if figure.of == whose and figure.wanted(config)
        }
    early = not config.is_evaluated(folder)
    return {
        name: figure
        for name, figure in FIGURES.items()
        if figure.of == "experiment" and figure.wanted(experiment) and early <= figure.of_variants
    }
