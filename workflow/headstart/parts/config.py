"""The study's settings: every key, its type, its range, its default and its meaning.

The JSON schema in `workflow/schemas/` and the table in `config/README.md` are generated
from this file by `headstart schema --write`.
"""

from __future__ import annotations

import copy
import difflib
import json
import re
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Annotated
from typing import Any
from typing import Literal
from typing import get_args

from pydantic import AfterValidator
from pydantic import BaseModel
from pydantic import BeforeValidator
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError
from pydantic import field_validator
from pydantic import model_validator

from headstart.parts.conditions import parse_condition
from headstart.parts.errors import UserError
from headstart.parts.reasons import ACCEPTABLE
from headstart.parts.sources import Md5
from headstart.parts.sources import Request
from headstart.parts.sources import Sha256
from headstart.parts.sources import with_defaults
from headstart.parts.transforms import check_augmentation

NAME = r"^[a-z0-9][a-z0-9-]*$"
COLUMN = r"^[A-Za-z][A-Za-z0-9_]*$"
# Columns of labels.csv that are not labels; a channel or a label may not take their names.
RESERVED = ("subject", "session", "source", "site", "mask", "brain_mask")

Name = Annotated[str, Field(pattern=NAME)]
Column = Annotated[str, Field(pattern=COLUMN)]
Positive = Annotated[float, Field(gt=0)]
Length = Annotated[int, Field(gt=0)]
Triple = tuple[Positive, Positive, Positive]
Window = tuple[Length, Length, Length]

# What each network asks of a window: it halves the volume so many times. A network that
# decodes needs a window that divides; one that only pools needs a window that is large enough.
DIVIDES = {"unet": 16, "segresnet": 8, "dynunet": 16}
POOLS = {"densenet121": 32, "resnet18": 32, "sfcn": 32}
# Keys of a source that say what is fetched, and from where; nothing else depends on them.
FETCH_KEYS = ("modality", "accept_terms", "url", "md5", "sha256", "bytes", "mirrors")
LOSSES = {
    "regression": ("l1", "mse", "huber"),
    "classification": ("cross_entropy",),
    "segmentation": ("dice_cross_entropy", "dice"),
}


def _relative(path: str) -> str:
    if path.startswith(("/", "~")) or ".." in path.split("/"):
        raise ValueError("must lie inside the data root: a relative path without '..'")
    return path


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError("must be the least, then the most")
    return ends


Range = Annotated[tuple[Positive, Positive], AfterValidator(_rising)]
RelativePath = Annotated[str, AfterValidator(_relative)]


class Section(BaseModel):
    """A part of the config: unknown keys are errors, numbers written as text are understood."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


def _number(value: Any) -> Any:
    """Turn text that is a number into one, at any depth: `--config` and YAML's 1e-3 give text."""
    if isinstance(value, Mapping):
        return {key: _number(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_number(inner) for inner in value]
    if isinstance(value, str) and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", value):
        return float(value) if re.search(r"[.eE]", value) else int(value)
    return value


Arguments = Annotated[dict[str, Any], BeforeValidator(_number)]


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is not a regular expression ({error})") from error


class SubjectPattern(Section):
    """How a subject's identity is read from a case name such as `hippocampus_367`."""

    pattern: str = Field(
        description="regular expression; its first group is the subject, or the case number"
    )
    group: int = Field(
        1, ge=1, description="so many consecutive case numbers are one person (1-2, 3-4, … for 2)"
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        if _compile(pattern).groups < 1:
            raise ValueError("needs one group in parentheses around the subject")
        return pattern


class TableColumn(Section):
    """What a table's column holds. A table that holds something else is refused, cell by cell."""

    missing: tuple[str, ...] = Field(
        (), description="values that mean 'not known', e.g. [0] for a height; they become empty"
    )
    values: tuple[str, ...] = Field((), description="the only values that there may be")
    range: tuple[float, float] | None = Field(
        None, description="lowest and highest number that there may be"
    )
    pattern: str | None = Field(
        None, description="regular expression that every value fits from end to end"
    )
    filled: int | None = Field(
        None,
        ge=0,
        description="largest number of different rows with a value: with more, this is a copy of a "
        "published table in which somebody filled the blanks",
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        _compile(pattern or "")
        return pattern


class LabelTable(Section):
    """A table (.csv, .tsv, .xls, .xlsx) that holds labels, joined to the scans by one column."""

    path: RelativePath = Field(description="the file, relative to the source's path")
    column: str = Field("subject", description="the table's column that is joined on")
    key: str = Field(
        "{subject}", description="what that column holds, in fields of the file name template"
    )
    columns: dict[str, TableColumn] = Field(
        {}, description="what the table's columns hold, whether they are labels or not; checked"
    )


class Label(Section):
    """Where a label comes from; a column's name alone is short for `{from: COLUMN}`."""

    model_config = ConfigDict(serialize_by_alias=True)

    column: str = Field(alias="from", description="the table's column")
    map: dict[str, str] = Field(
        {},
        description="value in the table: the label's value, e.g. {0: control, 0.5: case, 1: case}; "
        "numbers compare as numbers, blank stays blank, and any other value is an error",
    )


def _label(value: Any) -> Any:
    return {"from": value} if isinstance(value, str | int | float) else value


AnyLabel = Annotated[Label, BeforeValidator(_label, json_schema_input_type=str | Label)]


def _many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


OneOrMany = Annotated[tuple[str, ...], BeforeValidator(_many)]


class Source(Section):
    """One collection of scans."""

    source: Name = Field(
        description="its name, kept in labels.csv; a public collection (ixi, oasis1, neurite-oasis,"
        " msd-task01 to msd-task10) is fetched, and its other keys have defaults"
    )
    modality: OneOrMany = Field(
        (), description="what to fetch of a public collection, e.g. `T1` or `[T1, T2]`"
    )
    accept_terms: bool = Field(
        False, description="true: you have read the collection's terms of use and accept them"
    )
    url: str | None = Field(
        None,
        description="address of an archive (.tar, .tar.gz, .zip) that is not a public collection; "
        "its scans and tables come to NAME/files below the data root",
    )
    md5: Md5 | None = Field(None, description="the archive's md5, where it is published")
    sha256: Sha256 | None = Field(None, description="the archive's sha256, where it is published")
    bytes: int | None = Field(None, gt=0, description="the archive's size, where it is published")
    mirrors: OneOrMany = Field(
        (),
        description="addresses or folders to look in before the published ones: for a site without "
        "internet, the folder with the archives",
    )
    layout: Literal["files", "table", "pairs", "bids"] = Field(
        "files",
        description="files: scans found by file name templates; table: paths listed in a table; "
        "pairs: a `dataset.json` as in the Medical Segmentation Decathlon; bids: the Brain Imaging "
        "Data Structure",
    )
    path: RelativePath | None = Field(
        None, description="its folder, relative to the data root; the default is its name"
    )
    channels: dict[Column, str] = Field(
        {},
        description="image channels in order. files: a template such as `{sex}/{subject}_T1.nii.gz`"
        " (every field but subject, session and site becomes a label; `*` matches anything); "
        "table: the column with the path; pairs: the key in dataset.json, `image`; bids: the "
        "suffix, after entities where files need them to be told apart: `T1w` or `run-1_T1w`; "
        "a public collection has its own",
    )
    mask: str | None = Field(
        None,
        description="the segmentation to learn: template, column, key or suffix, as for channels; "
        "bids: also in a folder, e.g. `derivatives/lesions/label-lesion_mask`",
    )
    brain_mask: str | None = Field(
        None, description="a brain mask: template, column, key or suffix, as for `mask`"
    )
    subject: Literal["id", "folder/id"] | SubjectPattern = Field(
        "id",
        description="who a scan belongs to: `id`, the field or column `subject`; `folder/id` where "
        "the same id stands in two class folders for two people; or a pattern",
    )
    site: str | None = Field(
        None, description="scanner site of all scans, where no field or column `site` tells it"
    )
    table: LabelTable | None = Field(
        None,
        description="where labels are read from; bids: participants.tsv, if not another one is "
        "named, and over it each subject's sessions.tsv",
    )
    labels: dict[Column, AnyLabel] = Field(
        {},
        description="label name: the table's column, or a section with `from` and `map`. Only "
        "these columns are ever copied; `site` fills the column site. A code book in a column's "
        "name, as in `SEX (1=m, 2=f)`, is applied where there is no `map`",
    )
    where: str | None = Field(
        None,
        description="which scans to take, by labels, site or session, e.g. `age >= 60 and site != "
        "HH`: == != < <= > >= with a number or a word, joined by `and` and `or` (`and` binds "
        "closer). A scan whose value is missing is left out",
    )

    @property
    def folder(self) -> str:
        """Folder of the source, relative to the data root."""
        return self.source if self.path is None else self.path

    @property
    def request(self) -> Request | None:
        """What is to be fetched; None if the folder is the user's own."""
        if not self.modality and self.url is None:
            return None
        return Request.model_validate(self.model_dump(include={"source", *FETCH_KEYS}))

    @model_validator(mode="after")
    def _consistent(self) -> Source:
        if not self.channels:
            raise ValueError("the key `channels` is missing, e.g. {T1: '{subject}/T1.nii.gz'}")
        needless = self.model_fields_set & set(FETCH_KEYS[1:])
        if self.request is None and any(getattr(self, key) for key in needless):
            raise ValueError(
                f"{', '.join(sorted(needless))}: only for scans that are fetched; name a "
                "collection with `modality`, or an archive with `url`"
            )
        if self.url is None and (self.md5 or self.sha256 or self.bytes):
            raise ValueError("md5, sha256 and bytes are those of a `url`; add it")
        if self.request is not None and self.folder.split("/")[0] != self.source:
            raise ValueError(
                f"path: what is fetched lies in '{self.source}', so the path must begin with that"
            )
        for name in (*self.channels, *self.labels):
            if name in RESERVED and name != "site":
                raise ValueError(f"'{name}' is a column of labels.csv already; choose another name")
        if self.layout == "table" and self.table is None:
            raise ValueError("layout 'table' needs the key `table` with the table's path")
        if self.labels and self.label_table is None:
            raise ValueError("labels are read from a table: add the key `table`")
        return self

    @property
    def label_table(self) -> LabelTable | None:
        """The table that labels are read from."""
        if self.layout == "bids" and self.labels and self.table is None:
            return LabelTable(path="participants.tsv", column="participant_id", key="sub-{subject}")
        return self.table

    @field_validator("where")
    @classmethod
    def _understood(cls, where: str | None) -> str | None:
        if where is not None:
            parse_condition(where)
        return where


class Fetch(Section):
    """What is downloaded or made before anything else."""

    demo_subjects: int = Field(
        240, ge=20, description="size of the synthetic cohort that the source `demo` makes"
    )


class Decision(Section):
    """A person's decision about one scan, with the reason."""

    subject: str = Field(description="the subject as in labels.csv")
    session: str | None = Field(None, description="one session; the default is all of them")
    reason: str = Field(min_length=3, description="why, in words; kept in the tables")


class Acceptance(Section):
    """A person's decision to keep scans in spite of a check."""

    subject: str | None = Field(None, description="the subject as in labels.csv; the default: all")
    session: str | None = Field(None, description="one session; the default is all of them")
    code: Literal[ACCEPTABLE] | None = Field(  # type: ignore[valid-type]
        None, description="one code of the table of codes; the default: whatever was found"
    )
    reason: str = Field(min_length=3, description="why, in words; kept in the tables")

    @model_validator(mode="after")
    def _names_something(self) -> Acceptance:
        if self.subject is None and (self.code is None or self.session is not None):
            raise ValueError("needs a subject, or a code that is accepted in every scan")
        return self


class Check(Section):
    """Which scans are fit for use."""

    max_rejected: float = Field(
        0.1,
        ge=0,
        le=1,
        description="largest share of scans that may be rejected before the run stops",
    )
    exclude: tuple[Decision, ...] = Field((), description="scans to leave out, each with a reason")
    accept: tuple[Acceptance, ...] = Field(
        (),
        description="scans to keep although a check was against them, each with a reason; or a "
        "code that is accepted in every scan",
    )
    shape: Range | None = Field(
        None, description="least and most voxels along each axis, e.g. [100, 320]"
    )
    voxel_size: Range | None = Field(
        None, description="least and most edge of a voxel, mm, e.g. [0.7, 1.5]"
    )
    personal_data: Literal["flag", "reject"] = Field(
        "flag", description="what to do where a header's text looks like a name or a date"
    )


class Kin(Section):
    """A person's decision about subjects that look alike, with the reason."""

    subjects: tuple[str, ...] = Field(min_length=2, description="the subjects as in labels.csv")
    reason: str = Field(min_length=3, description="why, in words; kept in audit.json")


class Split(Section):
    """Who trains and who is held out: always whole subjects."""

    test: float = Field(
        0.2, ge=0, lt=1, description="share of subjects held out for the final test"
    )
    folds: int = Field(
        5, ge=2, le=50, description="folds of cross-validation; with `sites`, one per site"
    )
    inner: float = Field(
        0.15,
        gt=0,
        lt=0.5,
        description="share of each training fold that chooses the epoch and is not trained on",
    )
    stratify: tuple[Column | Literal["site"], ...] = Field(
        (), description="labels that every part holds in equal shares (numbers are binned)"
    )
    seed: int = Field(1, ge=0, description="seed of the random split")
    sites: tuple[str, ...] | None = Field(
        None,
        min_length=2,
        description="leave one site out: each of these, all there are, is a fold",
    )
    stable: bool = Field(
        False,
        description="true: new subjects never move the others, as a hash of seed and name alone "
        "decides; sizes then vary by chance, and nothing is stratified",
    )
    file: RelativePath | None = Field(
        None,
        description="your own split, a table in the data root: subject, fold (from 0 on, or "
        "`test`), and if you like inner (0 or 1). For a published split, let 0 be validation, 1 "
        "training and `folds: 2`",
    )
    group: Column | None = Field(
        None, description="label whose equal values stay together, e.g. family"
    )
    same: tuple[Kin, ...] = Field(
        (), description="subjects that are one person or family, and stay together"
    )
    unrelated: tuple[Kin, ...] = Field(
        (), description="subjects that look alike and are not the same: no leak"
    )

    @model_validator(mode="before")
    @classmethod
    def _fold_of_each_site(cls, raw: Any) -> Any:
        if isinstance(raw, Mapping) and isinstance(raw.get("sites"), list | tuple):
            return {"folds": len(raw["sites"])} | dict(raw)
        return raw

    @model_validator(mode="after")
    def _consistent(self) -> Split:
        if self.sites and (self.folds != len(self.sites) or len(set(self.sites)) < self.folds):
            raise ValueError(
                f"sites: names {len(self.sites)} sites, each a fold; leave out `folds`"
            )
        if self.file and (self.sites or self.stable):
            raise ValueError("file: is a split already; leave out `sites` and `stable`")
        if self.stable and self.stratify:
            raise ValueError(
                "stable: a place that never changes can't be balanced; leave out `stratify`"
            )
        for kin in self.same:
            for other in self.unrelated:
                both = sorted(set(kin.subjects) & set(other.subjects))
                if len(both) > 1:
                    raise ValueError(f"same: {', '.join(both)} are in `unrelated` too; keep one")
        return self


class Prepare(Section):
    """What is done to each volume, once, before any training."""

    voxel_size: Triple = Field(
        (2.0, 2.0, 2.0), description="voxel size of the prepared volumes, mm"
    )
    window: Window = Field(
        (96, 112, 96),
        description="voxels left-right, back-front, down-up; cropped or padded about the centre",
    )
    normalise: Literal["zscore", "percentile", "none"] = Field(
        "zscore",
        description="zscore: mean 0, deviation 1 over the head; percentile: 1st to 99th to 0 to 1",
    )
    shards: int = Field(16, ge=1, le=4096, description="parts of the cohort that run side by side")
    lookalike: float = Field(
        0.99,
        gt=0,
        lt=1,
        description="scans of two subjects are listed as lookalikes when small copies of them, as "
        "they are or mirrored, correlate by at least this",
    )


class Train(Section):
    """One training: network, loss, schedule, augmentation."""

    network: str = Field(
        description="densenet121, resnet18, sfcn (classification, regression), unet, segresnet, "
        "dynunet (segmentation), or your own as `my_net.py:Net`"
    )
    network_arguments: Arguments = Field(
        {}, description="keyword arguments handed to the network's class"
    )
    loss: str | None = Field(
        None,
        description="regression: l1 (default), mse, huber; classification: cross_entropy; "
        "segmentation: dice_cross_entropy (default), dice",
    )
    class_weights: bool = Field(
        False, description="weigh classes by their inverse frequency among training subjects"
    )
    epochs: int = Field(60, ge=1, description="passes over the training scans")
    batch_size: int = Field(4, ge=1, description="scans per step")
    learning_rate: float = Field(1e-3, gt=0, le=10, description="peak learning rate of AdamW")
    weight_decay: float = Field(1e-2, ge=0, description="weight decay of AdamW")
    warmup: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="share of all steps over which the learning rate rises linearly; "
        "then it falls as a cosine to 0",
    )
    choose: Literal["best", "last"] = Field(
        "best",
        description="weights to keep: of the epoch that is best on the inner part, or of the last",
    )
    augment: tuple[dict[str, Arguments], ...] = Field(
        (),
        description="TorchIO random transforms by class name, with TorchIO's own arguments, e.g. "
        "`- RandomAffine: {degrees: 10}`; applied to training scans only",
    )
    threads: int = Field(
        2,
        ge=1,
        description="CPU threads of the training: a setting, as 1 and 2 threads give other bits",
    )

    @field_validator("augment", mode="before")
    @classmethod
    def _empty_arguments(cls, transforms: Any) -> Any:
        # `- RandomFlip:` in YAML is {RandomFlip: None}
        if not isinstance(transforms, list | tuple):
            return transforms
        return tuple(
            {k: {} if v is None else v for k, v in t.items()} if isinstance(t, dict) else t
            for t in transforms
        )

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
        if network in (*DIVIDES, *POOLS) or re.fullmatch(r"[^:]+\.py:[A-Za-z_]\w*", network):
            return network
        known = ", ".join(sorted((*DIVIDES, *POOLS)))
        raise ValueError(f"'{network}' is not a network; allowed: {known}, or my_net.py:Net")


class Experiment(Section):
    """A question asked of the cohort: a task, a target and how to train for it."""

    task: Literal["classification", "regression", "segmentation"] = Field(
        description="what is predicted: a class, a number, or a mask"
    )
    target: Column = Field(description="the label to predict; `mask` for segmentation")
    unit: str = Field("", description="unit of a number that is predicted, for the figures' axes")
    folds: tuple[Annotated[int, Field(ge=0)], ...] | Literal["all"] = Field(
        (0,), description="folds to train, e.g. [0], or `all`"
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (0,), min_length=1, description="random seeds; every fold is trained once per seed"
    )
    train: Train = Field(description="how to train")

    @model_validator(mode="after")
    def _fits_task(self) -> Experiment:
        losses = LOSSES[self.task]
        allowed = ", ".join(losses)
        if self.train.loss is not None and self.train.loss not in losses:
            raise ValueError(
                f"train.loss '{self.train.loss}' is not for {self.task}; allowed: {allowed}"
            )
        if (self.task == "segmentation") != (self.target == "mask"):
            raise ValueError("segmentation has the target `mask`, the other tasks a label")
        wrong = POOLS if self.task == "segmentation" else DIVIDES
        if self.train.network in wrong:
            fits = DIVIDES if self.task == "segmentation" else POOLS
            raise ValueError(
                f"train.network '{self.train.network}' is not for {self.task}; "
                f"allowed: {', '.join(sorted(fits))}, or my_net.py:Net"
            )
        return self


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
    classes: dict[Annotated[int, Field(ge=1, le=255)], Column] = Field(
        {},
        description="names of the mask's values, e.g. {1: anterior, 2: posterior}; 0 is background",
    )
    check: Check = Field(Check(), description="which scans are fit for use")
    split: Split = Field(Split(), description="who trains and who is held out")
    prepare: Prepare = Field(Prepare(), description="what is done to each volume")
    experiments: dict[Name, Experiment] = Field(
        min_length=1,
        description="name: experiment; `like: OTHER` starts from another one and overlays it",
    )
    final: tuple[Name, ...] = Field(
        (), description="experiments whose chosen networks are judged on the held-out test subjects"
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
        if self.classes and sorted(self.classes) != list(range(1, len(self.classes) + 1)):
            raise ValueError("classes: the mask's values must be 1, 2, … without gaps")
        for name in self.final:
            if name not in self.experiments:
                raise ValueError(
                    f"final: '{name}' is not an experiment; allowed: {', '.join(self.experiments)}"
                )
        if "cohort" in self.experiments:
            raise ValueError(
                "experiments.cohort: the cohort's own figures have this name; rename it"
            )
        for name, experiment in self.experiments.items():
            self._check_experiment(name, experiment)
        return self

    def _check_experiment(self, name: str, experiment: Experiment) -> None:
        where = f"experiments.{name}"
        if experiment.folds != "all" and max(experiment.folds, default=0) >= self.split.folds:
            raise ValueError(
                f"{where}.folds: {list(experiment.folds)} has a fold that split.folds = "
                f"{self.split.folds} does not make; allowed: 0 to {self.split.folds - 1}"
            )
        if experiment.task == "segmentation" and not self.classes:
            raise ValueError(
                f"{where}: segmentation needs the key `classes`, e.g. {{1: hippocampus}}"
            )
        if experiment.task == "segmentation" and any(s.mask is None for s in self.data):
            raise ValueError(
                f"{where}: segmentation needs the key `mask` in every source of `data`"
            )
        window, network = self.prepare.window, experiment.train.network
        divisor = DIVIDES.get(network, 1)
        if any(length % divisor for length in window):
            raise ValueError(
                f"prepare.window: {network} in {where} needs lengths that {divisor} divides, "
                f"but it is {list(window)}; e.g. {[-(-n // divisor) * divisor for n in window]}"
            )
        smallest = POOLS.get(network, 1)
        if min(window) < smallest:
            raise ValueError(
                f"prepare.window: {network} in {where} needs at least {smallest} voxels "
                f"each way, but it is {list(window)}"
            )

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the image channels, in the order of the prepared volumes."""
        return tuple(self.data[0].channels)

    def folds(self, experiment: str) -> tuple[int, ...]:
        """Folds that an experiment trains."""
        folds = self.experiments[experiment].folds
        return tuple(range(self.split.folds)) if folds == "all" else folds


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
    resolved = dict(copy.deepcopy(raw))
    if isinstance(resolved.get("experiments"), Mapping):
        resolved["experiments"] = _resolve_like(resolved["experiments"])
    if isinstance(resolved.get("data"), list | tuple):
        resolved["data"] = [_with_defaults(*entry) for entry in enumerate(resolved["data"])]
    try:
        return Config.model_validate(resolved)
    except ValidationError as error:
        raise UserError("\n".join(_sentences(error))) from None


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same value always gives the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _with_defaults(place: int, entry: Any) -> Any:
    """Fill in what is known of a public collection."""
    if not isinstance(entry, Mapping):
        return entry
    try:
        return with_defaults(entry)
    except UserError as error:
        raise UserError(f"data.{place}.{error}") from None


def _resolve_like(experiments: Mapping[str, Any]) -> dict[str, Any]:
    """Replace each `like: OTHER` by OTHER's keys, overlaid with the experiment's own."""

    def resolve(name: str, seen: tuple[str, ...]) -> Any:
        if name in seen:
            raise UserError(f"experiments.{name}.like: a loop, {' -> '.join((*seen, name))}")
        own = experiments[name]
        if not isinstance(own, Mapping) or "like" not in own:
            return own
        other = own["like"]
        if other not in experiments:
            raise UserError(
                f"experiments.{name}.like: '{other}' is not an experiment; "
                f"allowed: {', '.join(k for k in experiments if k != name)}"
            )
        rest = {key: value for key, value in own.items() if key != "like"}
        return _overlay(resolve(other, (*seen, name)), rest)

    return {name: resolve(name, ()) for name in experiments}


def _overlay(base: Any, top: Any) -> Any:
    if not (isinstance(base, Mapping) and isinstance(top, Mapping)):
        return top
    merged = dict(base)
    for key, value in top.items():
        merged[key] = _overlay(base[key], value) if key in base else value
    return merged


def _sentences(error: ValidationError) -> list[str]:
    """One sentence per mistake: the key, what is wrong, what is allowed."""
    sentences = []
    mistakes = error.errors()
    for mistake in mistakes:
        if mistake["type"] == "too_short" and len(mistakes) > 1:
            continue  # a list whose entries are wrong is also called too short
        key = ".".join(str(part) for part in mistake["loc"]) or "config"
        if mistake["type"] == "extra_forbidden":
            sentences.append(_unknown_key(mistake["loc"]))
        elif mistake["type"] == "missing":
            sentences.append(f"{key}: this key is missing; see config/README.md")
        elif mistake["type"] == "value_error":
            message = str(mistake["ctx"]["error"])
            sentences.append(message if key == "config" else f"{key}: {message}")
        elif mistake["type"] == "string_pattern_mismatch":
            pattern = mistake["ctx"]["pattern"]
            sentences.append(f"{key}: '{mistake['input']}' is not allowed: must match {pattern}")
        else:
            message = mistake["msg"][0].lower() + mistake["msg"][1:]
            sentences.append(f"{key}: {mistake['input']!r} is not allowed: {message}")
    return sentences


def _unknown_key(location: tuple[int | str, ...]) -> str:
    section = _section_at(location[:-1])
    allowed = [field.alias or name for name, field in section.model_fields.items()]
    near = difflib.get_close_matches(str(location[-1]), allowed, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    key = ".".join(str(part) for part in location)
    return f"{key}: unknown key; {hint}allowed: {', '.join(allowed)}"


def _section_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the section that holds a key; names and list positions on the way are passed over."""
    section: type[BaseModel] = Config
    for part in location:
        field = section.model_fields.get(str(part))
        if field is not None:
            section = next(sections_in(field.annotation), section)
    return section


def sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections that a key's type holds, e.g. Source for a list of sources."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from sections_in(inner)
