"""A study's settings: its sections together, and experiments that start from one another.

The JSON schema in `workflow/schemas/` and the table in `config/README.md` are generated from the
sections by `headstart schema --write`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated
from typing import Any
from typing import Literal

from pydantic import Field
from pydantic import field_validator
from pydantic import model_validator

from headstart.cohort.config import Split
from headstart.common.errors import UserError
from headstart.common.ordered import Ordered
from headstart.common.plain_values import check_values
from headstart.common.plain_values import without_line_ends
from headstart.common.run_id import RunId
from headstart.common.schema import VALUE
from headstart.common.schema import WORD
from headstart.common.schema import Column
from headstart.common.schema import Name
from headstart.common.schema import Once
from headstart.common.schema import Section
from headstart.common.schema import once
from headstart.common.schema import validated
from headstart.common.schema import word_or
from headstart.data.collections import with_defaults
from headstart.data.config import Fetch
from headstart.data.config import Label
from headstart.data.config import Source
from headstart.data.label_names import check_label
from headstart.data.label_names import check_source
from headstart.data.label_names import labels_of_sources
from headstart.data.label_table import IMAGES
from headstart.data.label_table import MASK
from headstart.imaging.config import Check
from headstart.imaging.config import MaskClasses
from headstart.imaging.config import Prepare
from headstart.study.like import plain_experiments
from headstart.study.start_checks import check_start
from headstart.study.start_checks import parent_of
from headstart.study.sweep import as_written
from headstart.tasks import TASKS
from headstart.tasks import task_with
from headstart.tasks.base import Task
from headstart.training.config import Predict
from headstart.training.config import Train
from headstart.training.mirrors import check_masks_follow
from headstart.training.mirrors import check_mirrors
from headstart.training.mirrors import check_swap
from headstart.training.mirrors import flipped_axes
from headstart.training.mirrors import mirrored_axes
from headstart.training.own_network import is_own
from headstart.training.registry import NETWORKS
from headstart.training.registry import networks_for
from headstart.training.registry import networks_of_blocks
from headstart.training.registry import networks_of_scales

FoldsOrAll = Annotated[
    Annotated[Literal["all"], WORD] | Annotated[tuple[Annotated[int, Field(ge=0)], ...], VALUE],
    word_or("all", "a list of folds, e.g. [0]"),
]


def _of_image(kind: type[Task]) -> bool:
    """Whether a task's target is a file of each scan, and no label."""
    return kind.target_kind in IMAGES


class Experiment(Section):
    """A question asked of the cohort: a task, a target and how to train for it."""

    task: Literal[tuple(sorted(TASKS))] = Field(  # type: ignore[valid-type]
        description="what is predicted: a class, a number, or a mask"
    )
    target: Column = Field(
        description="the label to predict; "
        + "; ".join(f"`{t.target_kind}` for {t.name}" for t in TASKS.values() if _of_image(t))
    )
    unit: str = Field("", description="unit of a number that is predicted, for the figures' axes")
    folds: FoldsOrAll = Field((0,), description="folds to train, e.g. [0], or `all`")
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Once] = Field(
        (0,), min_length=1, description="random seeds; every fold is trained once per seed"
    )
    train: Train = Field(description="how to train")
    sweep: Ordered[str, tuple[Any, ...]] = Field(
        {},
        description="settings and values to compare, e.g. `{train.learning_rate: [1e-3, 3e-4], "
        "train.batch_size: [4, 8], seeds: [0, 1, 2]}`: each combination becomes an experiment, "
        "NAME-learning-rate-1e-3-batch-size-4, trained with all these seeds and ranked on "
        "validation in figures/NAME/sweep.pdf. None is evaluated before `final` names it",
    )
    variant_of: str = Field(
        "", description="the sweep that the experiment is a combination of; headstart writes it"
    )
    predict: Predict = Field(Predict(), description="how the trained network predicts")

    @field_validator("folds")
    @classmethod
    def _some_folds(cls, folds: tuple[int, ...] | str) -> tuple[int, ...] | str:
        if not folds:
            raise ValueError("names none; write e.g. [0], or `all`")
        return folds if isinstance(folds, str) else once(folds)

    @model_validator(mode="after")
    def _is_variant_of_sweep(self) -> Experiment:
        if bool(self.sweep) != bool(self.variant_of):
            raise ValueError("variant_of: headstart writes it beside `sweep`; remove it")
        return self

    @model_validator(mode="after")
    def _fits_task(self) -> Experiment:
        kind = self.kind
        if self.train.patches is not None and not kind.per_voxel:
            raise ValueError(
                f"train.sampling: a {self.task} is of whole scans, not of patches; write `whole`"
            )
        loss = self.train.loss or kind.default_loss()
        if loss not in kind.losses and not is_own(loss):
            raise ValueError(
                f"train.loss '{loss}' is not for {self.task}; "
                f"allowed: {', '.join(kind.losses)}, or my_loss.py:Loss"
            )
        if self.train.label_smoothing and (is_own(loss) or not kind.losses[loss].smoothed):
            fitting = ", ".join(name for name, one in kind.losses.items() if one.smoothed)
            raise ValueError(
                f"train.label_smoothing: the loss {loss} has no labels to smooth; remove it"
                f"{fitting and f', or take the loss {fitting}'}"
            )
        if self.train.class_weights and kind.target_kind != "class":
            fitting = ", ".join(n for n, task in TASKS.items() if task.target_kind == "class")
            raise ValueError(f"train.class_weights: only for {fitting}, not {self.task}; remove it")
        if self.train.class_weights and is_own(loss):
            raise ValueError(
                f"train.class_weights: {loss} is not given them; weigh the classes in that file, "
                "and remove this key"
            )
        if _of_image(kind) and self.target != kind.target_kind:
            raise ValueError(f"{self.task} has the target `{kind.target_kind}`")
        if not _of_image(kind) and self.target in IMAGES:
            raise ValueError(f"{self.task} has a label as its target, and `{self.target}` is none")
        ours = NETWORKS.get(self.train.network)
        if ours is not None and ours.per_voxel != kind.per_voxel:
            fits = networks_for(per_voxel=kind.per_voxel)
            raise ValueError(
                f"train.network '{self.train.network}' is not for {self.task}; "
                f"allowed: {', '.join(sorted(fits))}, or my_net.py:Net"
            )
        if self.train.checkpoint_activations and not (ours and ours.blocks):
            raise ValueError(
                f"train.checkpoint_activations: nothing is won by it with {self.train.network}; "
                f"write false, or take a network of {', '.join(networks_of_blocks())}"
            )
        if self.train.deep_supervision and not (ours and ours.scales):
            raise ValueError(
                f"train.deep_supervision: {self.train.network} answers at one resolution; write "
                f"false, or take the network {' or '.join(networks_of_scales())}"
            )
        return self

    @property
    def kind(self) -> type[Task]:
        """The task's class, under its loss."""
        return task_with(self.task, self.train.loss)


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
        "oedema: [2, 3]} gives each class its values, several of which are merged; 0 is background",
    )
    check: Check = Field(Check(), description="which scans are fit for use")
    split: Split = Field(Split(), description="who trains and who is held out")
    prepare: Prepare = Field(Prepare(), description="what is done to each volume")
    experiments: Ordered[Name, Experiment] = Field(
        min_length=1,
        description="name: experiment; `like: OTHER` starts from another one and overlays it; what "
        "belongs to a network, task or target that is changed (network_arguments, "
        "deep_supervision, loss, class_weights, unit) is not taken over, and neither is a sweep",
    )
    final: Annotated[tuple[Name, ...], Once] = Field(
        (),
        description="experiments whose chosen networks are evaluated on the held-out test subjects",
    )

    @field_validator("final", mode="before")
    @classmethod
    def _one_or_many(cls, final: Any) -> Any:
        return (final,) if isinstance(final, str) else final

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        first = tuple(self.data[0].channels)
        for source in self.data[1:]:
            if tuple(source.channels) != first:
                raise ValueError(
                    f"data: source '{source.source}' has the channels {list(source.channels)}, but "
                    f"'{self.data[0].source}' has {list(first)}; all need the same, in order"
                )
        names = [source.source for source in self.data]
        if len(set(names)) < len(names):
            raise ValueError(f"data: the names of sources must differ, but are {names}")
        for place, source in enumerate(self.data):
            try:
                check_source(source)
            except ValueError as error:
                raise ValueError(f"data[{place}].{error}") from None
        self._check_split()
        self._check_final()
        if "cohort" in (*self.experiments, *self.sweeps):
            raise ValueError(
                "experiments.cohort: the cohort's own figures have this name; rename it"
            )
        for name, experiment in self.experiments.items():
            self._check_experiment(name, experiment)
        return self

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
        for name in self.final:
            if name in self.sweeps:
                raise ValueError(
                    f"final: '{name}' is a sweep; name the one of its experiments that did best "
                    f"on validation, see figures/{name}/sweep.pdf: {', '.join(self.sweeps[name])}"
                )
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

    def _check_experiment(self, name: str, experiment: Experiment) -> None:
        where = f"experiments.{name}"
        if experiment.folds != "all" and max(experiment.folds, default=0) >= self.split.folds:
            raise ValueError(
                f"{where}.folds: {list(experiment.folds)} has a fold that split.folds = "
                f"{self.split.folds} does not make; allowed: 0 to {self.split.folds - 1}"
            )
        if experiment.target == MASK and not self.classes:
            raise ValueError(
                f"{where}: {experiment.task} needs the key `classes`, e.g. {{1: hippocampus}}"
            )
        if experiment.target == MASK and any(s.mask is None for s in self.data):
            raise ValueError(
                f"{where}: {experiment.task} needs the key `mask` in every source of `data`"
            )
        self._check_lengths(where, experiment.train)
        try:
            flipped_axes(experiment.predict.flips, experiment.train.augment, experiment.train.swap)
        except ValueError as error:
            raise ValueError(f"{where}.predict.flips: {error}") from None
        # an own split may say by itself who is for validation
        if self.split.validation == 0 and not self.split.file:
            _check_without_validation(where, experiment)
        try:
            names = [name for name in self._names(experiment) if name]
            experiment.kind.check_classes(experiment.target, names)
        except ValueError as error:
            raise ValueError(f"{where}.target: {error}") from None
        self._check_augmentation(where, experiment)
        folds = {one: self.folds(one) for one in self.experiments}
        check_start(name, self.experiments, folds, [source.source for source in self.data])

    def _check_lengths(self, where: str, train: Train) -> None:
        """Check that the network takes what it is to see: patches, or the window."""
        window = self.prepare.window
        try:
            seen = train.seen(window)
        except ValueError as error:
            raise ValueError(f"{where}.train.sampling: {error}") from None
        key = "prepare.window" if train.patches is None else f"{where}.train.sampling.patches"
        if window != "own" and any(n > most for n, most in zip(seen, window, strict=True)):
            raise ValueError(
                f"{key}: {list(seen)} is longer than prepare.window, {list(window)}; write a "
                "smaller patch, or `whole`"
            )
        ours = NETWORKS.get(train.network)
        try:
            divisor = ours.divisor(train.network_arguments) if ours else 1
        except ValueError as error:
            raise ValueError(f"{where}.train.network_arguments: {error}") from None
        smallest = ours.shortest if ours else 1
        if any(length % divisor for length in seen):
            raise ValueError(
                f"{key}: {train.network} in {where} needs lengths that {divisor} divides, "
                f"but it is {list(seen)}; e.g. {[-(-n // divisor) * divisor for n in seen]}"
            )
        if min(seen) < smallest:
            raise ValueError(
                f"{key}: {train.network} in {where} needs at least {smallest} voxels "
                f"each way, but it is {list(seen)}"
            )

    def _check_augmentation(self, where: str, experiment: Experiment) -> None:
        """Check what is known of the names; label looks at the target's values."""
        train, names = experiment.train, self._names(experiment)
        if train.swap and not self.task_of(experiment).classes:
            raise ValueError(f"{where}.train.swap: a {experiment.task} has no classes; remove it")
        try:
            if experiment.target == MASK:
                check_swap(train.swap, names)
        except ValueError as error:
            raise ValueError(f"{where}.train.swap: {error}") from None
        try:
            mirrored_axes(train.augment)  # whose axes there must be
            if experiment.target in IMAGES:
                check_masks_follow(train.augment)
            if not train.flip_reason:
                asked = self._asked(experiment)
                check_mirrors(train.augment, names, asked=asked, swap=train.swap)
        except ValueError as error:
            raise ValueError(f"{where}.train.augment: {error}") from None

    def _names(self, experiment: Experiment) -> tuple[str, ...]:
        """Names of the classes, as far as the config has them."""
        if experiment.target == MASK:
            return tuple(self.classes)
        return tuple(
            dict.fromkeys(v for one in self._sources_of(experiment) for v in one.map.values())
        )

    def _asked(self, experiment: Experiment) -> tuple[str, ...]:
        """Names of the target: its own, and its columns' in the tables."""
        columns = (label.column for label in self._sources_of(experiment))
        return tuple(dict.fromkeys((experiment.target, *columns)))

    def _sources_of(self, experiment: Experiment) -> list[Label]:
        labels = (source.labels.get(experiment.target) for source in self.data)
        return [label for label in labels if label is not None]

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the image channels, in the order of the prepared volumes."""
        return tuple(self.data[0].channels)

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

    @property
    def figure_folders(self) -> tuple[str, ...]:
        """Folders of figures: the cohort's, and one per experiment and sweep."""
        return ("cohort", *self.experiments, *self.sweeps)

    def of_name(self, name: str) -> list[str]:
        """Return what a name of the study file stands for: an experiment, or those of a sweep."""
        return self.sweeps.get(name, [name])

    def is_evaluated(self, experiment: str) -> bool:
        """Whether held-out subjects are predicted: of a sweep, by what was chosen from it."""
        return not self.experiments[experiment].variant_of or experiment in self.final

    def folds(self, experiment: str) -> tuple[int, ...]:
        """Folds that an experiment trains."""
        folds = self.experiments[experiment].folds
        return tuple(range(self.split.folds)) if folds == "all" else folds

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
        raise UserError(as_written(str(error), plain)) from None


def _with_defaults(place: int, entry: Any) -> Any:
    """Fill in what is known of a public collection."""
    if not isinstance(entry, Mapping):
        return entry
    try:
        return with_defaults(entry)
    except UserError as error:
        raise UserError(f"data[{place}].{error}") from None


def _check_without_validation(where: str, experiment: Experiment) -> None:
    train = experiment.train
    if experiment.variant_of:
        raise ValueError(
            f"{where}.sweep: is compared on the validation set, but split.validation is 0; set it, "
            "e.g. to 0.15"
        )
    if train.keep == "best":
        raise ValueError(
            f"{where}.train.keep: best needs a validation set that chooses the epoch, but "
            "split.validation is 0; write `keep: last`, or set split.validation, e.g. to 0.15"
        )
    if train.patience is not None:
        raise ValueError(
            f"{where}.train.patience: needs a validation set that says when nothing gets better, "
            "but split.validation is 0; take it out, or set split.validation, e.g. to 0.15"
        )
