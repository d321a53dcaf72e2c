"""A network and its baselines before the same held-out scans."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.cohort.covariates import Covariates
from headstart.cohort.prepared import Cohort
from headstart.cohort.prepared import Scan
from headstart.cohort.true_mask import true_ids
from headstart.cohort.true_mask import true_mask
from headstart.common.keys import Key
from headstart.common.progress import progress
from headstart.evaluation import baselines
from headstart.evaluation import coarse_voxels
from headstart.evaluation import filters
from headstart.evaluation import penalised
from headstart.evaluation import series_filters
from headstart.evaluation.baselines import Features
from headstart.evaluation.baselines import Measure
from headstart.evaluation.baselines import OwnTruth
from headstart.evaluation.coarse_voxels import Volume
from headstart.evaluation.estimates import Estimate
from headstart.evaluation.estimates import HeldOut
from headstart.evaluation.estimates import estimate
from headstart.evaluation.estimates import held_out
from headstart.evaluation.penalised import Fitted
from headstart.evaluation.predictions import TEST
from headstart.evaluation.predictions import NetworkPredictions
from headstart.evaluation.predictions import Pooled
from headstart.evaluation.predictions import pool
from headstart.imaging.mask_classes import Classes
from headstart.tasks.base import Task
from headstart.tasks.mask_metrics import measure
from headstart.tasks.neighbours import Neighbours
from headstart.tasks.objects import measure_with_ids
from headstart.tasks.objects import measure_with_objects
from headstart.tasks.weighted import mean_of_known

Array = NDArray[np.float64]
Keys = Sequence[Key]


@dataclass(frozen=True)
class HeldOutTrial:
    """Everything that one protocol evaluates: n scans, and what each model says of them.

    Attributes:
        sample: The scans.
        sites: The site of each.
        truth: What is true of each.
        ours: What answered, `network` or `ensemble`, whose answers are the first of the models'.
        models: What each model says of each scan.
        seeds: What our networks of each seed say of each.
        keys: Subject and session of each.
        rejected: Why further scans, which are in nothing of this, have no prediction.
    """

    sample: HeldOut
    sites: NDArray[np.str_]
    truth: NDArray[Any]
    ours: str
    models: dict[str, Array]
    seeds: tuple[Array, ...]
    keys: Keys
    rejected: Mapping[Key, str] = field(default_factory=dict)


class Bench:
    """Brings the network and its baselines before the same scans."""

    def __init__(
        self,
        task: Task,
        cohort: Cohort,
        sites: dict[Key, str],
        *,
        data: Path,
        classes: Classes,
        tolerance: float,
        noise: float | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        """Bring them before a cohort.

        Args:
            task: What is asked.
            cohort: The cohort.
            sites: The site of every scan.
            data: Data root, where the raw masks are.
            classes: The values of their classes.
            tolerance: How far surfaces may be apart and agree, mm.
            noise: Standard deviation of the scans' noise, where it is given.
            neighbours: By which the network tells a volume of a series; None without series.
        """
        self.task = task
        self.noise = noise
        self.neighbours = neighbours
        self.data, self.classes = data, classes
        self.tolerance = tolerance
        self.covariates = cohort.covariates
        self.sites = sites
        self.scans: dict[Key, Scan] = {
            (scan.subject, scan.session): scan for scan in cohort.scans if scan.target
        }

    def estimate(
        self, trial: HeldOutTrial, model: str, inside: NDArray[np.bool_]
    ) -> dict[str, Estimate]:
        """Return a model's metrics on some scans of a trial."""
        constant = (
            baselines.known_by_construction(len(self.task.classes))
            if model in baselines.CONSTANT
            else {}
        )
        sample, truth = trial.sample.inside(inside), trial.truth[inside]
        said = trial.models[model][inside]
        keys = [key for key, one in zip(trial.keys, inside, strict=True) if one]
        largest = self.task.largest(self.scans_of(keys))
        return estimate(self.task, sample, truth, said, constant, largest=largest)

    @cached_property
    def _heads(self) -> dict[Key, float]:
        work = progress(self.scans.items(), total=len(self.scans), label="head sizes estimated")
        return {key: float(np.log(baselines.head_volume(scan))) for key, scan in work}

    @cached_property
    def _down_sampled(self) -> dict[Key, Volume]:
        shape = np.max([scan.shape for scan in self.scans.values()], axis=0)
        steps = coarse_voxels.cubes_of(self.scans.values())
        work = progress(self.scans.items(), total=len(self.scans), label="scans down-sampled")
        return {key: coarse_voxels.down_sampled(scan, shape, steps) for key, scan in work}

    def down_sampled(self, keys: Keys) -> list[Volume]:
        """Return scans as voxels of 8 mm."""
        return [self._down_sampled[key] for key in keys]

    def linear_models(
        self, known: Keys, asked: Keys, fit: Callable[[Array, Array], Fitted]
    ) -> dict[str, Array]:
        """Predict by linear models of scans, of masks if all have one, of covariates if any."""
        voxels = coarse_voxels.predict(self.down_sampled(known), self.down_sampled(asked), fit)
        answers = {"voxels": voxels}
        for name, volumes in self._volumes.items():
            columns = [np.log1p([volumes[key] for key in keys]) for keys in (known, asked)]
            answers[name] = fit(*penalised.standardised(*columns)).answers
        if self.covariates:
            fitted = Covariates.fit(self.covariates, self.scans_of(known))
            columns = [
                np.stack([fitted.encode(scan) for scan in self.scans_of(keys)])
                for keys in (known, asked)
            ]
            answers["covariates"] = fit(*penalised.standardised(*columns)).answers
        return answers

    @cached_property
    def _volumes(self) -> dict[str, dict[Key, list[float]]]:
        """Volumes by baseline and scan, ml; those that are known of all scans."""
        brains = {key: scan.brain_ml for key, scan in self.scans.items()}
        masks = {key: scan.millilitres for key, scan in self.scans.items()}
        found = {}
        if None not in brains.values():
            found["brain-size"] = {key: [ml or 0.0] for key, ml in brains.items()}
        if all(masks.values()):
            found["mask-volumes"] = {
                key: [of[name] for name in sorted(of)] for key, of in masks.items()
            }
        return found

    def trial(self, runs: Sequence[NetworkPredictions], part: str) -> HeldOutTrial:
        """Average the predictions of a part, and let each baseline predict the same scans."""
        pooled = pool(runs, part, self.scans, self.task)
        folds = sorted({run.fold for run in runs})
        ours = model_of(part, len(folds), len(pooled.by_seed))
        return HeldOutTrial(
            sample=held_out(self.scans_of(pooled.keys), pooled.folds, self.scans.values()),
            sites=np.array([self.sites[key] for key in pooled.keys]),
            truth=self.truths(pooled.keys),
            ours=ours,
            models={ours: pooled.mean, **self._baselines(pooled, folds)},
            seeds=pooled.by_seed,
            keys=pooled.keys,
            rejected=pooled.rejected,
        )

    def _baselines(self, pooled: Pooled, folds: Sequence[int]) -> dict[str, Array]:
        """Predict each scan by the baselines of its own fold; test scans by those of all folds."""
        keys = pooled.keys
        answers: dict[str, list[Array]] = {}
        for fold in folds:
            rows = [i for i, held_out in enumerate(pooled.folds) if held_out in (fold, TEST)]
            known = [k for k, scan in self.scans.items() if scan.folds and fold not in scan.folds]
            if not rows:
                continue
            asked = [keys[i] for i in rows]
            for name, values in BASELINES[self.task.baselines](self, known, asked).items():
                filled = np.full((len(keys), *values.shape[1:]), np.nan)
                filled[rows] = values
                answers.setdefault(name, []).append(filled)
        # a site may be known to some folds only: a baseline that can't speak of all says nothing
        every = max(map(len, answers.values()), default=0)
        return {
            name: mean_of_known(filled) for name, filled in answers.items() if len(filled) == every
        }

    def scans_of(self, keys: Keys) -> list[Scan]:
        """Return scans by their keys."""
        return [self.scans[key] for key in keys]

    def truths(self, keys: Keys) -> NDArray[Any]:
        """Return what is true of scans."""
        return self.task.truth(self.scans_of(keys))

    def features(self, keys: Keys) -> Features:
        """Return what baselines know of scans but their truth."""
        return Features(
            subject=np.array([subject for subject, _ in keys]),
            site=np.array([self.sites[key] for key in keys]),
            head=np.array([self._heads[key] for key in keys]),
        )


def _of_numbers(bench: Bench, known: Keys, asked: Keys) -> dict[str, Array]:
    features, truth = bench.features(known), bench.truths(known)

    def fit(ours: Array, theirs: Array) -> Fitted:
        return penalised.ridge(ours, truth, features.subject, theirs)

    return {
        **baselines.regression(features, truth, bench.features(asked)),
        **bench.linear_models(known, asked, fit),
    }


def _of_classes(bench: Bench, known: Keys, asked: Keys) -> dict[str, Array]:
    features, truth, classes = bench.features(known), bench.truths(known), len(bench.task.classes)

    def fit(ours: Array, theirs: Array) -> Fitted:
        return penalised.logistic(ours, truth, features.subject, theirs, classes)

    return {
        **baselines.classification(features, truth, bench.features(asked), classes),
        **bench.linear_models(known, asked, fit),
    }


def _of_masks(
    bench: Bench, known: Keys, asked: Keys, measure: Measure, own_truth: OwnTruth = true_mask
) -> dict[str, Array]:
    similar = coarse_voxels.nearest(bench.down_sampled(known), bench.down_sampled(asked))
    scans = bench.scans_of(known), bench.scans_of(asked)
    files = bench.classes, bench.data
    return baselines.segmentation(*scans, similar, *files, bench.tolerance, measure, own_truth)


def _of_images(bench: Bench, known: Keys, asked: Keys) -> dict[str, Array]:
    scans = bench.scans_of(known), bench.scans_of(asked)
    return filters.measured(*scans, bench.task.evaluated_columns, bench.noise)


def _of_series(bench: Bench, known: Keys, asked: Keys) -> dict[str, Array]:
    if bench.neighbours is None:
        raise RuntimeError("series, but no neighbours that tell their volumes")
    scans = bench.scans_of(known), bench.scans_of(asked)
    return series_filters.measured(*scans, bench.task.evaluated_columns, bench.neighbours)


# Each is fitted on scans that are known, and answers for those that are asked.
BASELINES: dict[str, Callable[[Bench, Keys, Keys], dict[str, Array]]] = {
    "numbers": _of_numbers,
    "classes": _of_classes,
    "masks": partial(_of_masks, measure=measure),
    "objects": partial(_of_masks, measure=measure_with_objects),
    "ids": partial(_of_masks, measure=measure_with_ids, own_truth=true_ids),
    "filters": _of_images,
    "series": _of_series,
    "none": lambda *_: {},
}


def model_of(part: str, folds: int, seeds: int) -> str:
    """Name what answers for each scan of a part: one network, or an ensemble of several."""
    return "network" if seeds * (folds if part == "test" else 1) == 1 else "ensemble"
