"""The slices of a study's settings: what each stage's result depends on, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.cohort.settings import SHARES
from headstart.cohort.settings import AuditSettings
from headstart.cohort.settings import CheckScansSettings
from headstart.cohort.settings import GatherSettings
from headstart.cohort.settings import PrepareSettings
from headstart.cohort.settings import Question
from headstart.cohort.settings import SplitSettings
from headstart.common.keys import shard_of
from headstart.common.schema import Section
from headstart.common.text import value_in_words
from headstart.data.config import FETCH_KEYS
from headstart.data.config import Source
from headstart.data.settings import FetchSettings
from headstart.data.settings import LabelSettings
from headstart.evaluation.settings import CompareSettings
from headstart.evaluation.settings import EvaluateSettings
from headstart.explanation.settings import ExplainSettings
from headstart.figures.settings import CohortPlotSettings
from headstart.figures.settings import ExperimentPlotSettings
from headstart.figures.settings import PlotSettings
from headstart.figures.settings import SweepPlotSettings
from headstart.imaging.config import Accepted
from headstart.imaging.config import Check
from headstart.imaging.plausible import field_of_view
from headstart.study.config import Config
from headstart.study.sweep import SEEDS
from headstart.study.sweep import value_at
from headstart.training.settings import PredictSettings
from headstart.training.settings import Run
from headstart.training.target import Target


@dataclass(frozen=True)
class Slices:
    """The settings of each stage.

    Attributes:
        config: The complete, checked config.
        project: Folder of the checkout.
        split_file: Digest of the user's own split; "" if there is none.
        synthetic: Whether scans are made up.
    """

    config: Config
    project: Path
    split_file: str = ""
    synthetic: bool = False

    def of(self, stage: str, **choice: Any) -> Section:
        """Return the slice of a stage.

        Args:
            stage: A stage.
            **choice: What picks the part: `shard`, or `experiment` with `fold` and `seed`.
        """
        part: Section = getattr(self, stage.replace("-", "_"), Section)(**choice)
        return part

    def fetch(self, source: str | None = None) -> FetchSettings:
        """What is to be fetched; paths to look in start in the project's folder."""
        return FetchSettings(
            sources=tuple(
                request.within(self.project)
                for request in self.config.requests
                if source in (None, request.source)
            )
        )

    def label(self) -> LabelSettings:
        """How scans are found, in how many shards, and how many may be rejected."""
        own = set(FETCH_KEYS)
        return LabelSettings(
            data=tuple(Source(**source.model_dump(exclude=own)) for source in self.config.data),
            shards=self.config.prepare.shards,
            max_rejected=self.config.check.max_rejected,
        )

    def check_scans(self) -> CheckScansSettings:
        """How the files of a scan are read."""
        return CheckScansSettings(
            masks=any(source.mask for source in self.config.data),
            classes=self.config.classes,
            volumes=max(one.train.volumes for one in self.config.experiments.values()),
            aligned=tuple(self.config.data[0].align),
            optional=self.config.optional,
        )

    def check(self) -> Check:
        """How scans are compared with each other."""
        check = self.config.check
        usual = check.field_of_view or field_of_view(self.config.prepare)
        return check.model_copy(update={"field_of_view": usual})

    def split(self) -> SplitSettings:
        """Who is held out, and who stays together."""
        split = self.config.split
        return SplitSettings(
            split=split.model_copy(update={"same": (), "unrelated": ()}),
            together=tuple(related.subjects for related in split.same),
            file=self.split_file,
        )

    def audit(self) -> AuditSettings:
        """Who is known to be related, or not."""
        split = self.config.split
        return AuditSettings(group=split.group, same=split.same, unrelated=split.unrelated)

    def prepare(self, shard: int | None = None) -> PrepareSettings:
        """What is done to each volume, with the decisions about a shard's scans."""
        shards = self.config.prepare.shards
        return PrepareSettings(
            prepare=self.config.preparation,
            channels=tuple(self.config.data[0].channels),
            classes=self.config.classes,
            accept=tuple(
                Accepted(**entry.model_dump(exclude={"reason"}))
                for entry in self.config.check.accept
                if None in (shard, entry.subject) or shard == shard_of(str(entry.subject), shards)
            ),
        )

    def gather(self) -> GatherSettings:
        """What is asked of all shards together: air, where an answer hangs on unknown noise."""
        asked = self.config.experiments.values()
        return GatherSettings(
            air=any(one.kind.needs_noise and one.predict.noise is None for one in asked),
            synthetic=self.synthetic,
        )

    def train(self, experiment: str, fold: int, seed: int) -> Run:
        """What one training depends on."""
        # a reason in other words trains nothing again
        asked = self.config.experiments[experiment]
        train = asked.train.model_copy(update={"flip_reason": ""})
        return Run(
            **self._question(experiment),
            train=train,
            channels=self.config.channels,
            optional=self.config.optional,
            window=self.config.prepare.window,
            fold=fold,
            seed=seed,
            control=asked.control,
            stratify=self.config.split.stratify if asked.control in SHARES else (),
        )

    def predict(self, experiment: str, fold: int, seed: int) -> PredictSettings:
        """What one network predicts."""
        return PredictSettings(
            **self._question(experiment),
            channels=self.config.channels,
            test=self.config.opens_test(experiment),
            fold=fold,
            seed=seed,
            **self._of_masks(experiment),
        )

    def evaluate(self, experiment: str) -> EvaluateSettings:
        """Whose predictions are evaluated."""
        return EvaluateSettings(
            **self._question(experiment),
            primary=self.config.primary_metric(experiment),
            test=self.config.opens_test(experiment),
            control=self.config.experiments[experiment].control is not None,
            folds=self.config.folds(experiment),
            seeds=self.config.experiments[experiment].seeds,
            noise=self.config.experiments[experiment].predict.noise,
            neighbours=self.config.experiments[experiment].train.neighbours,
            **self._of_masks(experiment),
        )

    def compare(self) -> CompareSettings:
        """Which experiments are compared with each other."""
        return CompareSettings(classes=self.config.classes, groups=self.config.comparisons)

    def explain(self, experiment: str) -> ExplainSettings:
        """Whose answers are explained, and how."""
        return ExplainSettings(
            **self._question(experiment),
            explain=self.config.experiments[experiment].explain,
            primary=self.config.primary_metric(experiment),
        )

    def inject(self, experiment: str) -> Question:
        """Whose answers are to move."""
        return Question(**self._question(experiment))

    def plot(self, experiment: str | None = None) -> PlotSettings:
        """What figures of a cohort, an experiment or a sweep show."""
        study, synthetic = self.config.study, self.synthetic
        if experiment is None:
            units = {one.target: one.unit for one in self.config.experiments.values() if one.unit}
            return CohortPlotSettings(
                study=study, synthetic=synthetic, units=units, classes=self.config.classes
            )
        if experiment in self.config.sweeps:
            return self._plot_sweep(experiment)
        chosen = self.config.experiments[experiment]
        return ExperimentPlotSettings(
            **self._question(experiment),
            study=study,
            synthetic=synthetic,
            unit=chosen.unit,
            augment=chosen.train.augment,
            keep=chosen.train.keep,
            primary=self.config.primary_metric(experiment),
            instances=chosen.instances,
            noise=chosen.predict.noise,
            neighbours=chosen.train.neighbours,
        )

    def _plot_sweep(self, name: str) -> SweepPlotSettings:
        variants = {one: self.config.experiments[one] for one in self.config.sweeps[name]}
        first = next(iter(variants.values()))
        swept = [setting for setting in first.sweep if setting != SEEDS]
        return SweepPlotSettings(
            **self._question(next(iter(variants))) | {"experiment": name},
            study=self.config.study,
            synthetic=self.synthetic,
            unit=first.unit,
            settings=tuple(swept),
            variants={
                one: tuple(value_in_words(value_at(variant.model_dump(), key)) for key in swept)
                for one, variant in variants.items()
            },
        )

    def report(self) -> Config:
        """What the report tells: all that the study's file says of it, but for where files are."""
        elsewhere = {"root": "data", "results": "results", "new_scans": {}}
        return self.config.model_copy(update=elsewhere)

    def target(self, experiment: str) -> Target:
        """Return the question, and what augmentation does that its answer must bear."""
        asked = self.config.experiments[experiment]
        return Target(
            experiment=experiment,
            task=asked.task,
            target=asked.target,
            covariates=asked.covariates,
            loss=asked.train.loss,
            augment=() if asked.train.flip_reason else asked.train.augment,
            swap=asked.train.swap,
        )

    def _of_masks(self, experiment: str) -> dict[str, Any]:
        """How masks are judged; {} for an experiment without any."""
        asked = self.config.experiments[experiment]
        if asked.kind.target_kind != "mask":
            return {}
        tolerance = self.config.evaluate.surface_tolerance
        return {"surface_tolerance": tolerance, "instances": asked.instances}

    def _question(self, experiment: str) -> dict[str, Any]:
        chosen = self.config.experiments[experiment]
        return {
            "experiment": experiment,
            "task": chosen.task,
            "target": chosen.target,
            "classes": self.config.classes,
            "covariates": chosen.covariates,
        }
