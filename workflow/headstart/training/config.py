"""The section `train` of an experiment, and what a network asks of its window."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Annotated
from typing import Any
from typing import Literal

from pydantic import Field
from pydantic import StringConstraints
from pydantic import field_validator
from pydantic import model_validator

from headstart.common.memory_size import bytes_of
from headstart.common.schema import VALUE
from headstart.common.schema import WORD
from headstart.common.schema import Arguments
from headstart.common.schema import Name
from headstart.common.schema import Section
from headstart.common.schema import Window
from headstart.common.schema import WindowOrOwn
from headstart.common.schema import is_none
from headstart.common.schema import word_or
from headstart.tasks import TASKS
from headstart.tasks.base import Task
from headstart.tasks.neighbours import Neighbours
from headstart.training.own_network import is_own
from headstart.training.registry import NETWORKS
from headstart.training.registry import OPTIMIZERS
from headstart.training.registry import SCHEDULES
from headstart.training.registry import networks_for
from headstart.training.registry import networks_of_blocks
from headstart.training.registry import networks_of_scales
from headstart.training.start import AnyStart
from headstart.training.torchio_names import check_augmentation
from headstart.training.torchio_names import without_blanks

# Many times what anybody trains: nnU-Net takes 1000 epochs of 250 steps.
MOST_EPOCHS = 100_000
MOST_STEPS = 100_000_000
# Bytes of a prediction's process, without any scan, on every machine that we know, rather too few.
LEAST_MEMORY = 300e6


def _networks() -> str:
    """Tell which networks there are for which tasks."""
    tasks: dict[tuple[bool, bool], list[str]] = {}
    for name, task in sorted(TASKS.items()):
        tasks.setdefault((task.per_voxel, task.local), []).append(name)
    return ", ".join(
        f"{', '.join(networks_for(per_voxel=per_voxel, local=local))} ({', '.join(names)})"
        for (per_voxel, local), names in sorted(tasks.items())
    )


# Share of the training scans that have an optional channel and are shown without.
USUAL_DROPOUT = 0.2


def _is_usual_dropout(share: float) -> bool:
    return share == USUAL_DROPOUT


def _is_pad(value: Any) -> bool:
    """As above, of the default."""
    return bool(value == "pad")


def _is_float32(value: Any) -> bool:
    """As above, of the default."""
    return bool(value == "float32")


def _losses(task: type[Task]) -> str:
    default, *others = task.losses
    return f"{task.name}: {', '.join([f'{default} (default)', *others] if others else [default])}"


class Patches(Section):
    """Parts of a scan that training draws in place of the whole."""

    patches: Window = Field(
        description="voxels of a patch, left-right, back-front, down-up; as large as memory "
        "allows; for unet_slices, single slices of its plane, e.g. [128, 128, 1]"
    )
    per_scan: int = Field(
        2, ge=1, le=1000, description="patches that an epoch draws of each scan, 1 to 1000"
    )
    foreground: float = Field(
        0.33,
        ge=0,
        le=1,
        description="segmentation: share of the patches, 0 to 1, that are centred on a voxel of a "
        "class: first one of those that the mask has is drawn, then one of its voxels; more of it "
        "for small lesions",
    )


SamplingOrWhole = Annotated[
    Annotated[Literal["whole"], WORD] | Annotated[Patches, VALUE],
    word_or("whole", "a section such as {patches: [96, 96, 96]}"),
]


class Predict(Section):
    """How a trained network predicts."""

    overlap: float = Field(
        0.25,
        ge=0,
        le=0.75,
        description="after training on patches: least share of a tile's length, 0 to 0.75, that "
        "the next one has too, where the network sees further than tiles can reach; more of it is "
        "slower, and smoother where tiles meet",
    )
    flips: Literal["none", 2, 4, 8] = Field(
        "none",
        description="mean of the network's outputs for so many mirror images of the scan, along "
        "one axis (the first that is mirrored), two or three, which train.augment must mirror too; "
        "takes as many times longer. Try it last: it gains little where it gains",
    )
    noise: float | None = Field(
        None,
        gt=0,
        exclude_if=is_none,
        description="denoising: standard deviation of the noise, above 0, in the scans' own unit; "
        "by default it is estimated of each scan from its air. For scans without air around the "
        "head; rather too low than too high",
    )
    dtype: Literal["float32", "input"] = Field(
        "float32",
        exclude_if=_is_float32,
        description="denoising: how the intensities are stored: float32, or as the scan's own file "
        "stores them, rounded. Take input where a program asks for the type of the scanner",
    )

    memory: str | None = Field(
        None,
        exclude_if=is_none,
        description="after training on patches: most memory of the computer, not of its GPU, that "
        "a prediction takes, e.g. 2G or 800M (of 10^9 and 10^6 bytes): tiles become smaller where "
        "that changes no answer, and a temporary file (in $TMPDIR) holds what memory does not. A "
        "scan that can't be answered for in so little is told of, with the least that goes, before "
        "any is. Jobs ask for that memory, too",
    )
    edges: Literal["pad", "truncate"] = Field(
        "pad",
        exclude_if=_is_pad,
        description="denoising of series: volumes that lack neighbours, at both ends. pad: a "
        "neighbour that is not there is replaced by the one as far on the other side, so that the "
        "series keeps its length, and those volumes are told from one side; truncate: they are "
        "left out, and the header's toffset says when the series then begins. Either way the "
        "others alone are judged",
    )

    shards: int | None = Field(
        None,
        ge=1,
        le=1000,
        exclude_if=is_none,
        description="in how many jobs each network predicts the held-out scans, of which each is "
        "resumed by itself; another number gives the same bytes. By default a power of two, so "
        "that each is planned to take 4 hours of CPU time at most; for a network of your own, 1",
    )

    @field_validator("memory")
    @classmethod
    def _some_memory(cls, memory: str | None) -> str | None:
        if memory is not None and bytes_of(memory) < LEAST_MEMORY:
            raise ValueError(
                f"'{memory}' does not hold the libraries alone, some {LEAST_MEMORY / 1e6:.0f}M; "
                "write e.g. 2G"
            )
        return memory

    @property
    def memory_bytes(self) -> float | None:
        """The most memory, in bytes."""
        return None if self.memory is None else bytes_of(self.memory)

    @property
    def in_one_job(self) -> Predict:
        """What answers hang on: all but the number of jobs."""
        return self.model_copy(update={"shards": None})

    @field_validator("edges", mode="before")
    @classmethod
    def _not_one_sided(cls, edges: Any) -> Any:
        if edges == "one-sided":
            raise ValueError(
                "one-sided: a network that has learnt from both sides can't tell from one; train "
                "one that does, train.neighbours: {before: 6, after: 0}, or write pad or truncate"
            )
        return edges

    @property
    def times(self) -> int:
        """How often a scan goes through the network."""
        return 1 if self.flips == "none" else self.flips


PREDICT = Predict()


class AskedScans(Section):
    """Scans from outside the study that its finished networks answer for."""

    scans: str = Field(
        description="where they are: a folder of NIfTI files, or a table (.csv) with a column of "
        "paths per channel, one per covariate, and perhaps `brain_mask`; a relative path starts at "
        "the project's folder",
    )
    experiment: Name = Field(
        description="whose networks answer: the mean of all that are finished when the run starts"
    )
    shards: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="in how many jobs; by default a power of two, of 100 to 200 scans each, and 1 "
        "for fewer. A scan that is added touches one of them; another number of shards, all",
    )


class Train(Section):
    """One training: network, loss, schedule, augmentation."""

    network: str = Field(
        description=f"{_networks()}, or your own as `my_net.py:Net`: jobs get a copy of that file "
        "and of the .py files beside it that it imports; its class is called with in_channels, "
        "out_channels and `network_arguments`. Begin with sfcn or unet. The "
        "transformers vit and swin_unetr want many scans and a learning_rate of about 3e-4; "
        "resnet18_slices and unet_slices, for scans of thick slices, see them one by one "
        "(`network_arguments: {plane: axial}`, or coronal, or sagittal)"
    )
    network_arguments: Arguments = Field(
        {},
        description="keyword arguments handed to the network's class; {} empties those of `like`",
    )
    start: AnyStart | None = Field(
        None,
        description="weights to begin from in place of random ones: `start: EXPERIMENT`, a file or "
        "a name in the catalogue alone, or the section below; helps most with few scans",
    )
    loss: str | None = Field(
        None,
        description="; ".join(map(_losses, TASKS.values()))
        + "; or your own as `my_loss.py:Loss`, see above. Begin with the default. soft_label is "
        "SFCN's for brain age: the network gives probabilities of 40 bins of the training targets' "
        "range. focal (gamma 2) is for classes that are hard to tell apart; ordinal, the ranked "
        "probability score, for classes that are numbers, in their order; tversky and "
        "focal_tversky, in which a missed voxel counts more than one too many (0.7 to 0.3), for "
        "small lesions",
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="cross_entropy, and its part of dice_cross_entropy: share of each label, 0 to "
        "below 1, that is spread over all classes; predicted probabilities then stay away from 0 "
        "and 1. 0.1 where labels are often wrong, else leave it",
    )
    class_weights: bool = Field(
        False,
        description="classification: in the loss, weigh classes by their inverse frequency among "
        "training scans; predicted probabilities are those at the true frequencies all the same",
    )
    deep_supervision: bool = Field(
        False,
        description=f"segmentation by {' or '.join(networks_of_scales())}: the loss is also taken "
        "of outputs at lower resolutions, all but the lowest, each with half the weight of the one "
        "before; predictions have the full resolution alone. nnU-Net always has it; with three "
        "resolutions there is little to it",
    )
    checkpoint_activations: bool = Field(
        False,
        description=f"{', '.join(networks_of_blocks())}: keep of each block of the network what "
        "comes in alone, and compute the rest again when its gradients are needed; the weights are "
        "the same, and a step fills less memory and takes up to a half longer. Where a batch "
        "of 2 does not fit",
    )
    sampling: SamplingOrWhole = Field(
        "whole",
        description="what the network sees of a scan in training: whole, or patches, for "
        "segmentations at a voxel size of which memory does not hold whole scans. Prediction and "
        "validation then go by tiles of the patches' size",
    )
    neighbours: Neighbours | None = Field(
        None,
        exclude_if=is_none,
        description="denoising of series (prepare.series): each volume is told from so many before "
        "and after it, e.g. {before: 3, after: 3}",
    )
    epochs: int | None = Field(
        60,
        ge=1,
        le=MOST_EPOCHS,
        description=f"passes over the training scans, 1 to {MOST_EPOCHS}; or `iterations` in their "
        "place",
    )
    iterations: int | None = Field(
        None,
        ge=1,
        le=MOST_STEPS,
        exclude_if=is_none,
        description=f"steps of the optimizer in all, 1 to {MOST_STEPS}, in place of `epochs`; the "
        "last epoch, at whose end the network is validated as after each, may be cut short. For "
        "trainings of one length whatever the number of scans is, as papers tell them",
    )
    batch_size: int = Field(4, ge=1, description="scans per step, or patches")
    optimizer: Literal[tuple(OPTIMIZERS)] = Field(  # type: ignore[valid-type]
        "adamw",
        description="AdamW; SGD with Nesterov's momentum of 0.99, nnU-Net's; or RAdam, which needs "
        "less warm-up. Stay with adamw unless you repeat a published training",
    )
    learning_rate: float = Field(
        1e-3,
        gt=0,
        le=10,
        description="peak learning rate per step, above 0, at most 10; the first knob to turn, by "
        "threes; sgd has no default (nnU-Net's: 0.01)",
    )
    weight_decay: float = Field(
        1e-2,
        ge=0,
        description="weight decay, 0 or more: the share of the weights that a step takes away, in "
        "units of the learning rate; for sgd, which has no default (nnU-Net's: 3e-5), the factor "
        "of an L2 penalty. Seldom worth a search",
    )
    schedule: Literal[tuple(SCHEDULES)] = Field(  # type: ignore[valid-type]
        "cosine",
        description="the learning rate after the warm-up: it falls to 0 as half a cosine, falls "
        "to 0 as (1 - share of steps done)^0.9, nnU-Net's, or stays constant. Constant is for "
        "finding a rate, hardly for the final network",
    )
    warmup: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="share of all steps, 0 to below 1, over which the learning rate rises "
        "linearly, under every schedule; more of it where the first epochs diverge",
    )
    clip: float | None = Field(
        None,
        gt=0,
        description="largest norm of the gradient of all weights together, above 0; a longer one "
        "is scaled down to it; the default is none. Where the loss jumps up now and then, try 1 "
        "(nnU-Net's: 12)",
    )
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        "fp32",
        description="what a GPU multiplies in; bf16 is about twice as fast where it has tensor "
        "cores (fp16 on GPUs before Ampere) and takes half the memory. Weights, losses and "
        "everything that is judged stay in fp32, and so does all on a CPU",
    )
    keep: Literal["best", "last", "ema"] = Field(
        "best",
        description="weights to keep: of the epoch with the best validation metric, of the last "
        "one, or their exponential moving average over a fiftieth of all steps",
    )
    save_every: int | None = Field(
        None,
        ge=1,
        le=MOST_EPOCHS,
        exclude_if=is_none,
        description="epochs, at most all; after each so many the weights are also kept as they are "
        "then, in `train/…/snapshots/epoch-N`, a folder like that of the network itself: for "
        "`headstart predict --run`, or `start: …/epoch-N/model.safetensors`. Each takes the disk "
        "of a network twice",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="epochs; stop after so many in which the validation metric got no better",
    )
    budget: str | None = Field(
        None,
        description="time for the training, e.g. 6h or 90min: after the first epoch their number "
        "is cut so that the learning rate reaches 0 within it",
    )
    augment: tuple[dict[str, Arguments], ...] = Field(
        (),
        description="TorchIO random transforms by class name, with TorchIO's own arguments, e.g. "
        "`- RandomAffine: {degrees: 10}`; applied to training scans only",
    )
    swap: tuple[tuple[str, str], ...] = Field(
        (),
        description="pairs of classes that a left-right mirror turns into each other, e.g. "
        "`[[hippocampus_left, hippocampus_right]]`: a mirrored scan gets the other name",
    )
    modality_dropout: float = Field(
        USUAL_DROPOUT,
        ge=0,
        lt=1,
        exclude_if=_is_usual_dropout,
        description="probability, 0 to below 1, that a training scan is shown without an optional "
        "channel that it has (`optional: true`), each by itself, drawn for each epoch; the more "
        "scans will lack it later, the higher. Validation and prediction see what there is",
    )
    flip_reason: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        "",
        description="why RandomFlip leaves the label true although a name speaks of a side, "
        "in words",
    )
    threads: int = Field(
        2,
        ge=1,
        description="CPU threads of the training: a setting, as 1 and 2 threads give other bits",
    )

    @property
    def patches(self) -> Patches | None:
        """How patches are drawn; None for whole scans."""
        return None if self.sampling == "whole" else self.sampling

    def inputs(self, channels: Sequence[str], optional: Sequence[str] = ()) -> tuple[str, ...]:
        """Name what the network sees: a scan's channels and flags, or some of a series' volumes."""
        if self.neighbours is None:
            return (*channels, *(f"has {name}" for name in optional))
        return tuple(f"{step:+d}" for step in self.neighbours.steps)

    @property
    def volumes(self) -> int:
        """Fewest volumes of a series that it learns from; 0 for scans that are no series."""
        return 0 if self.neighbours is None else self.neighbours.fewest

    @property
    def per_scan(self) -> int:
        """How often an epoch takes each scan."""
        return 1 if self.patches is None else self.patches.per_scan

    def seen(self, window: WindowOrOwn) -> Window:
        """Return the voxels that the network sees at once: of a patch, or of the window.

        Raises:
            ValueError: If it sees whole scans of several sizes, which make no batch.
        """
        if self.patches is not None:
            return self.patches.patches
        if window == "own":
            raise ValueError(
                "scans of several sizes (prepare.window: own) make no batch; write patches, e.g. "
                "{patches: [96, 96, 96]}, or give prepare.window three lengths"
            )
        return window

    @property
    def asks_validation(self) -> bool:
        """Whether a validation set chooses the epoch, or says when nothing gets better."""
        return self.keep == "best" or self.patience is not None

    @property
    def budget_seconds(self) -> float | None:
        """The budget in seconds."""
        if self.budget is None:
            return None
        number = float(self.budget.rstrip(" hmin"))
        return number * (3600 if self.budget.endswith("h") else 60)

    @field_validator("budget")
    @classmethod
    def _some_time(cls, budget: str | None) -> str | None:
        if budget is not None and not re.fullmatch(
            r"(?=.*[1-9])\d+(\.\d+)?\s*(h|min)", budget, re.ASCII
        ):
            raise ValueError(f"{reprlib.repr(budget)} is no time; write e.g. 6h or 90min")
        return budget

    @field_validator("augment", mode="before")
    @classmethod
    def _empty_arguments(cls, transforms: Any) -> Any:
        # `- RandomFlip:` in YAML is {RandomFlip: None}
        if not isinstance(transforms, list | tuple):
            return transforms
        return tuple(without_blanks(transform) for transform in transforms)

    @field_validator("augment")
    @classmethod
    def _known_transforms(
        cls, transforms: tuple[dict[str, dict[str, Any]], ...]
    ) -> tuple[dict[str, dict[str, Any]], ...]:
        for transform in transforms:
            check_augmentation(transform)
        return transforms

    @field_validator("network")
    @classmethod
    def _known_network(cls, network: str) -> str:
        if network in NETWORKS or is_own(network):
            return network
        known = ", ".join(sorted(NETWORKS))
        raise ValueError(f"'{network}' is not a network; allowed: {known}, or my_net.py:Net")

    @model_validator(mode="before")
    @classmethod
    def _epochs_or_iterations(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping) or raw.get("iterations") is None:
            return raw
        if raw.get("epochs") is not None:
            raise ValueError("epochs and iterations both say how long it is; remove one of them")
        return {**raw, "epochs": None}

    @model_validator(mode="before")
    @classmethod
    def _loss_of_neighbours(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping) or not raw.get("neighbours") or raw.get("loss"):
            return raw
        return {**raw, "loss": "neighbours"}

    @model_validator(mode="after")
    def _has_neighbours_for_their_loss(self) -> Train:
        if self.loss == "neighbours" and self.neighbours is None:
            raise ValueError("neighbours: say how many, e.g. {before: 3, after: 3}")
        if self.neighbours is not None and self.loss != "neighbours":
            raise ValueError(
                f"neighbours: are seen for the loss neighbours alone, not {self.loss}; remove one "
                "of them"
            )
        return self

    @model_validator(mode="after")
    def _has_an_end(self) -> Train:
        if self.epochs is None and self.iterations is None:
            raise ValueError("epochs: must be a whole number, e.g. 60, or write `iterations`")
        return self

    @model_validator(mode="after")
    def _has_what_its_optimizer_asks(self) -> Train:
        asks = OPTIMIZERS[self.optimizer].asks
        missing = [key for key in asks if key not in self.model_fields_set]
        if missing:
            written = ", ".join(f"`{key}: {asks[key]}`" for key in missing)
            raise ValueError(
                f"{', '.join(missing)}: the default is not for {self.optimizer}; write e.g. "
                f"{written}"
            )
        return self
