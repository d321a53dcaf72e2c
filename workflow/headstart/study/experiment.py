"""An experiment of a study: its keys, and whether they go together."""

from __future__ import annotations

import operator
from typing import Annotated
from typing import Any
from typing import Literal

from pydantic import Field
from pydantic import field_validator
from pydantic import model_validator

from headstart.cohort.settings import Control
from headstart.cohort.settings import Instances
from headstart.common.ordered import Ordered
from headstart.common.schema import VALUE
from headstart.common.schema import WORD
from headstart.common.schema import Column
from headstart.common.schema import Name
from headstart.common.schema import Once
from headstart.common.schema import Section
from headstart.common.schema import once
from headstart.common.schema import word_or
from headstart.data.label_table import IMAGES
from headstart.explanation.config import NOTHING
from headstart.explanation.config import AnyExplain
from headstart.study.controls import CONTROLS
from headstart.tasks import TASKS
from headstart.tasks import task_with
from headstart.tasks.base import Task
from headstart.training.config import Predict
from headstart.training.config import Train
from headstart.training.own_network import is_own
from headstart.training.registry import NETWORKS
from headstart.training.registry import networks_for
from headstart.training.registry import networks_of_blocks
from headstart.training.registry import networks_of_scales

FoldsOrAll = Annotated[
    Annotated[Literal["all"], WORD] | Annotated[tuple[Annotated[int, Field(ge=0)], ...], VALUE],
    word_or("all", "a list of folds, e.g. [0]"),
]


class Experiment(Section):
    """A question asked of the cohort: a task, a target and how to train for it."""

    task: Literal[tuple(sorted(TASKS))] = Field(  # type: ignore[valid-type]
        description="what is predicted: a class, a number, a mask, or the scan without its noise"
    )
    target: Column = Field(
        description="the label to predict; "
        + "; ".join(
            f"`{task.target_kind}` for {task.name}"
            for task in TASKS.values()
            if task.target_kind in IMAGES
        )
    )
    covariates: Annotated[tuple[Column, ...], Once] = Field(
        (),
        exclude_if=operator.not_,
        description="labels that the network sees beside the scan, e.g. `[age, sex]`; for "
        f"{' and '.join(name for name, task in sorted(TASKS.items()) if not task.per_voxel)}. "
        "Scans that lack one are left out; [] empties those of `like`",
    )
    unit: str = Field("", description="unit of a number that is predicted, for the figures' axes")
    primary: str = Field(
        "",
        exclude_if=operator.not_,
        description="the metric that results are told and experiments compared by; the others are "
        "secondary: "
        + ", ".join(
            f"{' or '.join(f'`{metric}`' for metric in task.primaries())} for {name}"
            for name, task in sorted(TASKS.items())
        )
        + "; `left_out_error` or `edges` for denoising of series; the first unless given, of "
        "denoising without a channel `reference` `sure`. Choose it before you see a result; "
        "experiments that ask for the same target have the same one. By `spots` and `edges` "
        "nothing beats a scan left as it is: the error stands beside them",
    )
    instances: Instances = Field(
        False,
        exclude_if=operator.not_,
        description="for segmentation: true where each connected component of a class (26 "
        "neighbours) is an object that is found or missed, such as a lesion; `ids` where the "
        "mask's values are the ids of objects of one class, `classes: {lesion: any}`, so that true "
        "ones which touch stay apart; predicted ones are components. Adds the lesion-wise F1, "
        "panoptic quality, false objects per scan and a page of missed and false objects; "
        "`primary` may be `lesion_f1` or `pq` then. Trains nothing again",
    )
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
    controls: tuple[Literal[tuple(CONTROLS)], ...] = Field(  # type: ignore[valid-type]
        (),
        exclude_if=operator.not_,
        description="true, or a list of `shuffled`, `background`, `learning-curve` and "
        "`injected`. The first three are further trainings with this one's settings, folds and "
        "seeds. Labels permuted between the training subjects and the background of scans alone "
        "must fail, else something leaks or is a shortcut; a quarter and a half of the training "
        "subjects, in as many steps, say whether more scans would help; figures/NAME/controls.pdf "
        "shows them. `injected` trains nothing: some held-out scans lose signal in the middle of "
        "the head, or their structures fade, and answers must move; figures/NAME/injected.pdf "
        "shows by how much. "
        + "; ".join(
            f"{name} has {' and '.join(f'`{one}`' for one in task.controls)} alone"
            for name, task in sorted(TASKS.items())
            if not task.constant
        )
        + ". Ask for them once, before you believe a result",
    )
    control: Control | None = Field(
        None, exclude_if=operator.not_, description="which control it is; headstart writes it"
    )
    control_of: Name | None = Field(
        None,
        exclude_if=operator.not_,
        description="the experiment that it is a control of; headstart writes it",
    )
    predict: Predict = Field(
        Predict(), description="how the trained network predicts; a change trains nothing again"
    )
    explain: AnyExplain = Field(
        NOTHING,
        exclude_if=lambda explain: not explain.methods,
        description="maps of where answers for held-out subjects come from, e.g. `[occlusion, "
        "grad-cam++]`, with the check whether they show what was learnt; for "
        f"{' and '.join(name for name, task in sorted(TASKS.items()) if not task.per_voxel)}",
    )

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
    def _is_control_of_experiment(self) -> Experiment:
        if (self.control is None) != (self.control_of is None):
            raise ValueError("control_of: headstart writes it; write `controls` and remove it")
        return self

    @model_validator(mode="after")
    def _sees_what_its_task_is_of(self) -> Experiment:
        if self.train.patches is not None and not self.kind.per_voxel:
            raise ValueError(
                f"train.sampling: a {self.task} is of whole scans, not of patches; write `whole`"
            )
        return self

    @model_validator(mode="after")
    def _explains_what_can_be(self) -> Experiment:
        if not self.explain.methods:
            return self
        if self.kind.per_voxel:
            raise ValueError(
                f"explain: a {self.task} answers for each voxel by itself, and its masks show what "
                "it found; write `explain: []`"
            )
        ours = NETWORKS.get(self.train.network)
        if "grad-cam++" in self.explain.methods and ours is not None and not ours.volumes:
            raise ValueError(
                f"explain: the features of {self.train.network} are no volumes, which grad-cam++ "
                "looks at; write `explain: [occlusion]`"
            )
        return self

    @model_validator(mode="after")
    def _has_a_loss_of_its_task(self) -> Experiment:
        losses, loss = self.kind.losses, self.train.loss or self.kind.default_loss()
        if loss not in losses and not is_own(loss):
            raise ValueError(
                f"train.loss '{loss}' is not for {self.task}; "
                f"allowed: {', '.join(losses)}, or my_loss.py:Loss"
            )
        if self.train.label_smoothing and (is_own(loss) or not losses[loss].smoothed):
            fitting = ", ".join(name for name, one in losses.items() if one.smoothed)
            raise ValueError(
                f"train.label_smoothing: the loss {loss} has no labels to smooth; remove it"
                f"{fitting and f', or take the loss {fitting}'}"
            )
        if self.train.class_weights and self.kind.target_kind != "class":
            fitting = ", ".join(n for n, task in TASKS.items() if task.target_kind == "class")
            raise ValueError(f"train.class_weights: only for {fitting}, not {self.task}; remove it")
        if self.train.class_weights and is_own(loss):
            raise ValueError(
                f"train.class_weights: {loss} is not given them; weigh the classes in that file, "
                "and remove this key"
            )
        return self

    @model_validator(mode="after")
    def _has_objects_in_masks(self) -> Experiment:
        if self.instances and self.kind.target_kind != "mask":
            fitting = ", ".join(n for n, task in TASKS.items() if task.target_kind == "mask")
            raise ValueError(f"instances: only for {fitting}, not {self.task}; remove it")
        return self

    @model_validator(mode="after")
    def _has_a_metric_of_its_task(self) -> Experiment:
        if self.primary and self.primary not in self.kind.primaries():
            with_objects = task_with(self.task, instances=True).primaries()
            remedy = "; write `instances: true` for it" * (self.primary in with_objects)
            raise ValueError(
                f"primary: '{self.primary}' is no metric that a result of {self.task} is told by; "
                f"allowed: {', '.join(self.kind.primaries())}{remedy}"
            )
        return self

    @model_validator(mode="after")
    def _has_a_target_of_its_task(self) -> Experiment:
        of_images = self.kind.target_kind in IMAGES
        if of_images and self.target != self.kind.target_kind:
            raise ValueError(f"{self.task} has the target `{self.kind.target_kind}`")
        if not of_images and self.target in IMAGES:
            raise ValueError(f"{self.task} has a label as its target, and `{self.target}` is none")
        return self

    @model_validator(mode="after")
    def _has_covariates_of_its_task(self) -> Experiment:
        if self.covariates and self.kind.per_voxel:
            raise ValueError(
                f"covariates: a {self.task} answers for every voxel, and a covariate says nothing "
                "of where; write `covariates: []`"
            )
        if self.target in self.covariates:
            raise ValueError(f"covariates: '{self.target}' is the target; remove it")
        if images := [name for name in self.covariates if name in IMAGES]:
            raise ValueError(f"covariates: `{images[0]}` is no label; remove it")
        return self

    @model_validator(mode="after")
    def _has_a_network_of_its_task(self) -> Experiment:
        ours = NETWORKS.get(self.train.network)
        fits = networks_for(per_voxel=self.kind.per_voxel, local=self.kind.local)
        if ours is not None and self.train.network not in fits:
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
        return task_with(self.task, self.train.loss, instances=self.instances)
