"""The model card: what there is to say about a network, and the digest of its weights."""

from __future__ import annotations

import operator
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

from pydantic import Field
from pydantic import ValidationError
from pydantic import model_validator

import headstart
from headstart.cohort.covariates import NO_COVARIATES
from headstart.cohort.covariates import Covariates
from headstart.common import files
from headstart.common import integrity
from headstart.common.errors import UserError
from headstart.common.packages import version_in_use
from headstart.common.run_id import CARD
from headstart.common.run_id import HISTORY
from headstart.common.run_id import WEIGHTS
from headstart.common.run_id import snapshot_file
from headstart.common.schema import Section
from headstart.imaging.config import VOLUMES
from headstart.imaging.config import Preparation
from headstart.tasks import TASKS
from headstart.tasks import task_with
from headstart.tasks.base import Task
from headstart.training.history import REMEDY
from headstart.training.length import saved_epochs
from headstart.training.settings import Publication
from headstart.training.settings import RunIdentity
from headstart.training.spent import Spent
from headstart.training.start import StartCard
from headstart.training.training_scans import TrainingScans
from headstart.training.training_scans import describe

# A card is read without the libraries that scans are read with.
if TYPE_CHECKING:
    from headstart.cohort.prepared import Cohort
    from headstart.cohort.prepared import Scan
    from headstart.training.progress import Progress

PACKAGES = ("torch", "monai", "torchio", "numpy")


class Count(Section):
    """How many scans there are, and of how many subjects."""

    scans: int
    subjects: int

    @classmethod
    def of(cls, scans: Sequence[Scan]) -> Count:
        """Count scans."""
        return cls(scans=len(scans), subjects=len({scan.subject for scan in scans}))


class Counts(Section):
    """How many scans are in each part of the cohort, and how many of all lack the target.

    Those that lack a covariate are in no part.
    """

    training: Count
    validation: Count
    held_out: Count
    test: Count
    without_target: int
    without_covariate: int = Field(0, exclude_if=operator.not_)


class Computation(Section):
    """How a training computed.

    Attributes:
        precision: What it multiplied in: fp32, bf16 or fp16.
        micro_batch: Scans that it took at once if memory did not hold a batch, else None.
        device: Name of the GPU or processor.
    """

    precision: Literal["fp32", "bf16", "fp16"]
    micro_batch: int | None
    device: str


class ModelCard(RunIdentity, Computation, Publication):
    """What there is to say about a trained network; `Publication` is as the study had it then.

    Attributes:
        state: The task's, fitted to the training scans; see `task`.
        covariates: What it sees beside the scan, fitted to the training scans.
        prepare: How its scans were prepared.
        volumes: What these settings made of them, as `imaging.config.VOLUMES` counts; cards of
            before it was counted do not say so.
        brain_masks: Whether all, some or none of them came with a brain mask.
        template: What they were brought onto, with its licence; "" in native space.
        counts: How many there are.
        training_scans: What those look like that it learnt from.
        chosen_epoch: The epoch whose weights are kept.
        chosen_by: The metric that chose it; None if it is the last one.
        history_sha256: Digest of history.csv.
        weights_sha256: Digest of the weights.
        spent: What each epoch took.
        versions: Version of each package in use.
        parameters: Numbers that the network learns; cards of before they were counted do not say.
        start: What it began from; None for random weights.
        snapshots: Digests of the weights that `train.save_every` kept, by their epoch.
    """

    state: dict[str, Any]
    covariates: Covariates = Field(NO_COVARIATES, exclude_if=lambda one: not one.fitted)
    prepare: Preparation
    volumes: int = 2
    brain_masks: Literal["all", "some", "none"]
    template: str = Field("", exclude_if=operator.not_)
    counts: Counts
    training_scans: TrainingScans
    chosen_epoch: int
    chosen_by: str | None
    history_sha256: str
    weights_sha256: str
    spent: tuple[Spent, ...]
    versions: dict[str, str]
    parameters: int = Field(0, exclude_if=operator.not_)
    start: StartCard | None = None
    snapshots: dict[int, str] = Field(default_factory=dict, exclude_if=operator.not_)

    @property
    def seen(self) -> frozenset[str]:
        """Digests of the scans that its weights have seen, also before it was trained."""
        before = () if self.start is None else self.start.seen
        return frozenset((*self.training_scans.digests, *self.training_scans.raw, *before))

    @property
    def task(self) -> Task:
        """The task that the network was trained for."""
        return task_with(self.run.task, self.run.train.loss).from_state(self.state)

    @property
    def seconds(self) -> float:
        """How long the training took."""
        return sum(epoch.seconds for epoch in self.spent)

    @model_validator(mode="after")
    def _has_its_task(self) -> ModelCard:
        if self.run.task not in TASKS:
            raise ValueError(f"there is no task '{self.run.task}'")
        try:
            _ = self.task
        except ValidationError as error:
            raise ValueError(f"state.{_first(error)}") from error
        return self

    @classmethod
    def read(cls, model: Path, remedy: str = REMEDY) -> ModelCard:
        """Read the card of a network.

        Args:
            model: Folder that the stage train published to, or of an attempt.
            remedy: What to do if it is damaged, for the message.

        Raises:
            UserError: If there is none, it was changed since, or it does not describe a network.
        """
        path = model / CARD
        if not path.is_file():
            raise UserError(
                f"{path}: is not there; name a folder that the stage train published to"
            )
        try:
            return cls.model_validate(integrity.read_sealed(path, remedy))
        except ValidationError as error:
            raise UserError(
                f"{path}: does not describe a network ({_first(error)}); it may be of another "
                "version of headstart: delete it, and train it again"
            ) from error

    def write(self, model: Path) -> None:
        """Write the card beside the network's weights."""
        integrity.write_sealed(model / CARD, self.model_dump(mode="json"))

    def read_weights(self, model: Path) -> bytes:
        """Read the weights that the card describes.

        Raises:
            UserError: If they are not there, or other ones.
        """
        return integrity.read_bytes(model / WEIGHTS, self.weights_sha256, REMEDY)


def _first(error: ValidationError) -> str:
    """Say which key is wrong first, and how."""
    first = error.errors()[0]
    return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))


def describe_run(
    identity: RunIdentity,
    cohort: Cohort,
    task: Task,
    covariates: Covariates,
    progress: Progress,
    attempt: Path,
    computation: Computation,
    parameters: int,
    start: StartCard | None,
) -> ModelCard:
    """Tell what there is to say about a network that was trained.

    Args:
        identity: What was trained.
        cohort: The cohort.
        task: The task, fitted to the training scans.
        covariates: What it sees beside the scan, likewise.
        progress: Its epochs, and what each of them took.
        attempt: Folder with the history and the weights.
        computation: How it computed.
        parameters: Numbers that the network learns.
        start: What it began from.
    """
    run, history = identity.run, progress.history
    training, validation = cohort.training(run.fold), cohort.validation(run.fold)
    return ModelCard(
        **dict(identity),
        **dict(computation),
        state=task.state(),
        covariates=covariates,
        prepare=cohort.prepare,
        volumes=VOLUMES,
        brain_masks=cohort.brain_masks,
        template=cohort.template,
        counts=Counts(
            training=Count.of(training),
            validation=Count.of(validation),
            held_out=Count.of(cohort.held_out(run.fold)),
            test=Count.of(cohort.test()),
            without_target=sum(not scan.target for scan in cohort.scans),
            without_covariate=cohort.left_out,
        ),
        training_scans=describe(training, validation),
        chosen_epoch=history.chosen,
        chosen_by=history.key_metric if run.train.keep == "best" else None,
        history_sha256=files.sha256(attempt / HISTORY),
        weights_sha256=files.sha256(attempt / WEIGHTS),
        spent=tuple(progress.spent),
        parameters=parameters,
        start=start,
        snapshots={
            epoch: files.sha256(snapshot_file(attempt.parent, epoch))
            for epoch in saved_epochs(run.train, len(history.epochs))
        },
        versions={"headstart": headstart.__version__, "python": platform.python_version()}
        | {name: version_in_use(name) for name in PACKAGES},
    )
