"""A study's settings: its sections together.

The JSON schema in `workflow/schemas/` and the table in `config/README.md` are generated from the
sections by `headstart schema --write`.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated
from typing import Any

from pydantic import Field
from pydantic import field_validator
from pydantic import model_validator

from headstart.cohort.config import Split
from headstart.common.errors import UserError
from headstart.common.ordered import Ordered
from headstart.common.plain_values import check_values
from headstart.common.plain_values import without_line_ends
from headstart.common.run_id import RunId
from headstart.common.schema import Name
from headstart.common.schema import Once
from headstart.common.schema import Section
from headstart.common.schema import validated
from headstart.data.collections import Request
from headstart.data.collections import with_defaults
from headstart.data.config import Fetch
from headstart.data.config import Source
from headstart.data.label_names import check_label
from headstart.data.label_names import check_source
from headstart.data.label_names import labels_of_sources
from headstart.data.label_table import REFERENCE
from headstart.data.label_table import seen_channels
from headstart.evaluation.config import Evaluate
from headstart.evaluation.settings import Comparable
from headstart.figures.registry import STUDY_FOLDER
from headstart.imaging.config import Check
from headstart.imaging.config import MaskClasses
from headstart.imaging.config import Preparation
from headstart.imaging.config import Prepare
from headstart.study.comparable import comparable
from headstart.study.controls import as_of_base
from headstart.study.experiment import Experiment
from headstart.study.experiment_checks import check_experiment
from headstart.study.like import plain_experiments
from headstart.study.start_checks import parent_of
from headstart.study.sweep import as_written
from headstart.tasks.base import Task
from headstart.training.config import AskedScans


class Config(Section):
    """A study."""

    study: Name = Field(description="name of the study and of its results folder")
    root: str = Field(
        "data", description="data root: the folder that holds the scans of all sources"
    )
    results: str = Field(
        "results", description="results root: the folder that holds all studies' results"
    )
    data: tuple[Source, ...] = Field(min_length=1, description="the sources of scans")
    fetch: Fetch = Field(Fetch(), description="what is downloaded or made before anything else")
    classes: MaskClasses = Field(
        {},
        description="classes of the mask: {1: anterior, 2: posterior} names its values; {core: 1, "
        "oedema: [2, 3]} gives each class its values, several of which are merged; "
        "{lesion: any} makes one class of all values above 0; 0 is background",
    )
    check: Check = Field(Check(), description="which scans are fit for use")
    split: Split = Field(Split(), description="who trains and who is held out")
    prepare: Prepare = Field(Prepare(), description="what is done to each volume")
    evaluate: Evaluate = Field(Evaluate(), description="how predictions are judged")
    experiments: Ordered[Name, Experiment] = Field(
        min_length=1,
        description="name: experiment; `like: OTHER` starts from another one and overlays it; what "
        "belongs to a network, task or target that is changed (network_arguments, "
        "deep_supervision, loss, class_weights, unit, primary) is not taken over, and neither is a "
        "sweep",
    )
    final: Annotated[tuple[Name, ...], Once] = Field(
        (),
        description="experiments whose chosen networks are evaluated on the held-out test subjects",
    )
    new_scans: Ordered[Name, AskedScans] = Field(
        {},
        exclude_if=operator.not_,
        description="name: scans from outside the study, which `snakemake new_scans` answers for "
        "in STUDY/new-scans/NAME/answers.csv; nothing of the study is made again for them",
    )

    @field_validator("final", mode="before")
    @classmethod
    def _one_or_many(cls, final: Any) -> Any:
        return (final,) if isinstance(final, str) else final

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        self._check_sources()
        self._check_brain()
        self._check_series()
        self._check_split()
        self._check_final()
        self._check_primary()
        self._check_objects()
        self._check_new_scans()
        for folder in {"cohort", STUDY_FOLDER} & {*self.experiments, *self.sweeps}:
            raise ValueError(
                f"experiments.{folder}: the study's own figures have this name; rename it"
            )
        for name in self.experiments:
            check_experiment(name, self)
        return self

    def _check_sources(self) -> None:
        """Check that each source can be found, and that all have the same channels."""
        first = tuple(self.data[0].channels)
        for source in self.data[1:]:
            if tuple(source.channels) != first:
                raise ValueError(
                    f"data: source '{source.source}' has the channels {list(source.channels)}, but "
                    f"'{self.data[0].source}' has {list(first)}; all need the same, in order"
                )
            for key in ("align", "optional"):
                if getattr(source, key) != getattr(self.data[0], key):
                    raise ValueError(
                        f"data: source '{source.source}' has another `{key}` of channels than "
                        f"'{self.data[0].source}'; all need the same"
                    )
        names = [source.source for source in self.data]
        if len(set(names)) < len(names):
            raise ValueError(f"data: the names of sources must differ, but are {names}")
        for place, source in enumerate(self.data):
            try:
                check_source(source)
            except ValueError as error:
                raise ValueError(f"data[{place}].{error}") from None

    def _check_brain(self) -> None:
        """Check that brain masks are given where they are asked for, and only there."""
        brain = self.prepare.brain
        for place, source in enumerate(self.data):
            if brain == "given" and not source.brain_mask:
                raise ValueError(
                    f"prepare.brain: given needs data[{place}].brain_mask; name the masks there, "
                    "or choose deepbet"
                )
            if brain == "deepbet" and source.brain_mask:
                raise ValueError(
                    f"prepare.brain: deepbet finds its own masks; remove data[{place}].brain_mask, "
                    "or choose given"
                )

    def _check_series(self) -> None:
        """Check that series are asked for alone: nothing else of a study is four-dimensional."""
        channels = tuple(self.data[0].channels)
        if self.prepare.series and len(channels) > 1:
            raise ValueError(
                f"prepare.series: a scan is one series, but data[0].channels has "
                f"{', '.join(channels)}; keep one"
            )
        if self.prepare.series and self.classes:
            raise ValueError("classes: series (prepare.series) have no masks to learn; remove it")

    def _check_split(self) -> None:
        """Check that there are the labels by which the split is made."""
        labels = [*labels_of_sources(self.data), "source"]
        asked = [("stratify", label) for label in self.split.stratify]
        asked += [("group", self.split.group)] if self.split.group else []
        for key, label in asked:
            try:
                check_label(label, labels)
            except ValueError as error:
                raise ValueError(f"split.{key}: {error}") from None

    def _check_final(self) -> None:
        """Check that what is evaluated on the test subjects was not chosen by them."""
        for name in self.final:
            if name in self.sweeps:
                raise ValueError(
                    f"final: '{name}' is a sweep; name the one of its experiments that did best "
                    f"on validation, see figures/{name}/sweep.pdf: {', '.join(self.sweeps[name])}"
                )
            if name in self.experiments and (base := self.experiments[name].control_of):
                raise ValueError(f"final: '{name}' is a control, and opened with '{base}'")
            if name not in self.experiments:
                raise ValueError(
                    f"final: '{name}' is not an experiment; allowed: {', '.join(self.experiments)}"
                )
        for name, variants in self.sweeps.items():
            chosen = [one for one in variants if one in self.final]
            if len(chosen) > 1:
                raise ValueError(
                    f"final: {' and '.join(chosen)} are of the sweep {name}, and the test subjects "
                    "are not for choosing among them; keep the one that did best on validation"
                )

    def _check_primary(self) -> None:
        """Check that one question has one primary metric, lest each network choose its own."""
        first: dict[tuple[str, str], str] = {}
        for name, one in self.experiments.items():
            other = first.setdefault((one.task, one.target), name)
            metric, own = self.primary_metric(other), self.primary_metric(name)
            if metric != own:
                raise ValueError(
                    f"experiments.{name}.primary: is {own}, but {metric} for "
                    f"{other}, which asks for the same target; write primary: {metric}"
                )

    def _check_objects(self) -> None:
        """Check that the mask's objects are the same for all experiments that count them."""
        kinds = {one.instances: name for name, one in self.experiments.items() if one.instances}
        if len(kinds) > 1:
            raise ValueError(
                f"experiments.{kinds[True]}.instances: is true, but ids for {kinds['ids']}, and "
                "one mask has one kind of objects; write instances: ids"
            )

    def _check_new_scans(self) -> None:
        """Check that there are experiments of which networks are to answer."""
        for name, asked in self.new_scans.items():
            if asked.experiment not in self.experiments:
                raise ValueError(
                    f"new_scans.{name}.experiment: '{asked.experiment}' is not an experiment; "
                    f"allowed: {', '.join(self.experiments)}"
                )

    @property
    def requests(self) -> tuple[Request, ...]:
        """What is asked of each source that is fetched."""
        return tuple(one.request for one in self.data if one.request is not None)

    @property
    def preparation(self) -> Preparation:
        """What is done to each volume."""
        steps = self.prepare.model_dump(exclude={"shards"})
        return Preparation(**steps, align=self.data[0].align, optional=self.optional)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels that networks see, in the order of the prepared volumes."""
        return seen_channels(tuple(self.data[0].channels))

    @property
    def optional(self) -> tuple[str, ...]:
        """Names of the channels that a scan may lack."""
        return self.data[0].optional

    def primary_metric(self, experiment: str) -> str:
        """Name of the metric that an experiment's result is told by."""
        asked = self.experiments[experiment]
        has_reference = REFERENCE in self.data[0].channels
        return asked.primary or asked.kind.default_primary(has_reference=has_reference)

    def task_of(self, experiment: Experiment) -> Task:
        """The task of an experiment, before any label is read."""
        return experiment.kind.from_config(tuple(self.classes), self.channels)

    @cached_property
    def sweeps(self) -> dict[str, list[str]]:
        """The experiments of each sweep, by the sweep's name."""
        sweeps: dict[str, list[str]] = {}
        for name, experiment in self.experiments.items():
            if experiment.variant_of:
                sweeps.setdefault(experiment.variant_of, []).append(name)
        return sweeps

    @cached_property
    def comparisons(self) -> tuple[Comparable, ...]:
        """The experiments that are compared with each other, by question."""
        return comparable(self)

    @property
    def compared(self) -> list[str]:
        """The experiments that are compared with another one."""
        return list(dict.fromkeys(name for one in self.comparisons for name in one.experiments))

    @property
    def figure_folders(self) -> tuple[str, ...]:
        """Folders of figures: the cohort's, one per experiment and sweep, and the comparison's.

        A control has none of its own.
        """
        names = (name for name, one in self.experiments.items() if not one.control_of)
        compared = [STUDY_FOLDER] if self.comparisons else []
        return ("cohort", *names, *self.sweeps, *compared)

    def of_name(self, name: str) -> list[str]:
        """Return what a name of the study file stands for: an experiment, or those of a sweep."""
        return self.sweeps.get(name, [name])

    def is_evaluated(self, experiment: str) -> bool:
        """Whether held-out subjects are predicted: of a sweep, by what was chosen from it."""
        return not self.experiments[experiment].variant_of or experiment in self.final

    def is_reported(self, experiment: str) -> bool:
        """Whether it has a result of its own: a control stands with the experiment's."""
        return self.is_evaluated(experiment) and not self.experiments[experiment].control_of

    def opens_test(self, experiment: str) -> bool:
        """Whether the test subjects are predicted: a control's with those of its experiment."""
        return (self.experiments[experiment].control_of or experiment) in self.final

    def controls(self, experiment: str) -> list[str]:
        """Return the experiments that are controls of an experiment."""
        return [name for name, one in self.experiments.items() if one.control_of == experiment]

    def folds(self, experiment: str) -> tuple[int, ...]:
        """Folds that an experiment trains."""
        folds = self.experiments[experiment].folds
        return tuple(range(self.split.all_folds)) if folds == "all" else folds

    def parent(self, experiment: str) -> str | None:
        """Return the experiment that an experiment starts from, if it starts from one."""
        return parent_of(experiment, self.experiments)

    def runs(self, experiment: str) -> list[RunId]:
        """Trainings of an experiment, or of a sweep."""
        return [
            RunId(name, fold, seed)
            for name in self.of_name(experiment)
            for fold in self.folds(name)
            for seed in self.experiments[name].seeds
        ]


def read_resolved(path: Path) -> Config:
    """Read the resolved config of a study that ran, which its results folder holds.

    Raises:
        UserError: If this version of headstart can't read it.
    """
    try:
        return validated(Config, json.loads(path.read_text(encoding="utf-8")))
    except (UserError, ValueError) as error:
        first = str(error).split("\n", 1)[0]
        raise UserError(
            f"{path}: can't be read ({first}); if another version of headstart made these results, "
            f"go back to that one, or move {path.parent} away and run the study again"
        ) from None


def read_config(raw: Mapping[str, Any]) -> Config:
    """Check a raw config, as YAML gives it, and fill in the defaults.

    Args:
        raw: The config as nested dicts and lists; numbers may be text, as `--config` gives them.

    Returns:
        The complete, immutable settings.

    Raises:
        UserError: If a key is unknown, missing or out of range; names the key and what is allowed.
    """
    if not isinstance(raw, Mapping):
        raise UserError("config: not a list of `key: value` lines; see config/README.md")
    resolved = without_line_ends(raw)
    check_values(resolved)
    written = resolved.get("experiments")
    plain = plain_experiments(written) if isinstance(written, Mapping) else {}
    if plain:
        resolved["experiments"] = plain
    if isinstance(resolved.get("data"), list | tuple):
        resolved["data"] = [_with_defaults(*entry) for entry in enumerate(resolved["data"])]
    try:
        return validated(Config, resolved)
    except UserError as error:
        raise UserError(as_of_base(as_written(str(error), plain), plain)) from None


def _with_defaults(place: int, entry: Any) -> Any:
    """Fill in what is known of a public collection."""
    if not isinstance(entry, Mapping):
        return entry
    try:
        return with_defaults(entry)
    except UserError as error:
        raise UserError(f"data[{place}].{error}") from None
