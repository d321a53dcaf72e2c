"""The config's sections `data` and `fetch`: where scans and labels come from."""

from __future__ import annotations

import operator
import re
from typing import Annotated
from typing import Any
from typing import Literal

from pydantic import BeforeValidator
from pydantic import ConfigDict
from pydantic import Field
from pydantic import field_validator
from pydantic import model_validator

from headstart.common.ordered import Ordered
from headstart.common.schema import Column
from headstart.common.schema import Name
from headstart.common.schema import OneOrMany
from headstart.common.schema import RelativePath
from headstart.common.schema import Section
from headstart.common.schema import compiled
from headstart.common.text import as_number
from headstart.data.collections import Md5
from headstart.data.collections import Request
from headstart.data.collections import Sha256
from headstart.data.label_table import IMAGES
from headstart.data.label_table import REFERENCE
from headstart.data.table_files import SheetPlace
from headstart.data.where import parse_condition
from headstart.imaging.config import Alignment

# Columns of labels.csv that are not labels; a channel or a label may not take their names.
RESERVED = ("subject", "session", "source", "site", "mask", "brain_mask")
# A column within the text that several of them say together: `{Site}_{Number}`.
WITHIN = re.compile(r"\{([^{}]+)\}")
# Keys of a source that say what is fetched, and from where; nothing else depends on them.
FETCH_KEYS = ("modality", "accept_terms", "url", "md5", "sha256", "bytes", "mirrors")


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
        if compiled(pattern).groups < 1:
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
        compiled(pattern or "")
        return pattern


class LabelTable(Section):
    """A table (.csv, .tsv, .txt, .xls, .xlsx) with labels, joined to the scans by its columns."""

    path: RelativePath = Field(description="the file, relative to the source's path")
    sheet: str | None = Field(
        None, description="the sheet of an .xls or .xlsx file; the default is the first"
    )
    header: int | None = Field(
        None,
        ge=1,
        description="number of the row with the columns' names, as a spreadsheet shows it; the "
        "default is the first that looks like it",
    )
    column: OneOrMany = Field(
        ("subject",),
        min_length=1,
        description="the table's column that is joined on; where each visit has a row, two of "
        "them: `[ID, visit]`; an id that is written in two is `'{Site}_{Number}'`",
    )
    key: OneOrMany = Field(
        ("{subject}",),
        description="what that column holds, in fields of the file name template; for two columns "
        "`['{subject}', '{session}']`. Case, leading zeros, signs such as _ and -, and a prefix "
        "that all ids have, do not count: `sub-01` is `SUB1` and `1`",
    )
    columns: Ordered[str, TableColumn] = Field(
        {}, description="what the table's columns hold, whether they are labels or not; checked"
    )

    @model_validator(mode="after")
    def _as_many_keys(self) -> LabelTable:
        if len(self.column) != len(self.key):
            raise ValueError(
                f"key: column names {len(self.column)} columns, so there must be as many keys, "
                "e.g. column: [ID, visit] and key: ['{subject}', '{session}']"
            )
        return self

    @property
    def joined_on(self) -> tuple[str, ...]:
        """The table's columns that are joined on, those of `{Site}_{Number}` one by one."""
        return tuple(name for text in self.column for name in WITHIN.findall(text) or [text])

    @property
    def place(self) -> SheetPlace:
        """Where in its file the table stands."""
        return SheetPlace(self.sheet, self.header)


class Label(Section):
    """Where a label comes from; a column's name alone is short for `{from: COLUMN}`."""

    model_config = ConfigDict(serialize_by_alias=True)

    column: str = Field(alias="from", description="the table's column")
    map: Ordered[str, str] = Field(
        {},
        description="value in the table: the label's value, e.g. {0: control, 0.5: case, 1: case}; "
        "numbers compare as numbers, blank stays blank, and any other value is an error",
    )

    @field_validator("map")
    @classmethod
    def _one_word_for_a_number(cls, words: dict[str, str]) -> dict[str, str]:
        first: dict[str | float, str] = {}
        for code, word in words.items():
            other = first.setdefault(as_number(code, code), code)
            if words[other] != word:
                raise ValueError(f"'{code}' is the number '{other}' again; keep one of them")
        return words


def _label(value: Any) -> Any:
    return {"from": value} if isinstance(value, str | int | float) else value


AnyLabel = Annotated[Label, BeforeValidator(_label, json_schema_input_type=str | Label)]


class Channel(Section):
    """Where images of a further channel are, how they come onto the first one's, who lacks them."""

    path: str = Field(description="template, column, key or suffix, as without a section")
    align: Alignment | None = Field(
        None,
        exclude_if=lambda align: align is None,
        description="for images on another grid than the first channel's, which are refused "
        "without it. header: as the files' headers say; rigid: turned and shifted onto the first "
        "channel from there, by mutual information, some 2 CPU-seconds a scan. Either way they are "
        "interpolated once. Advice: rigid, for heads move between two sequences; header where both "
        "were registered already",
    )
    optional: bool = Field(
        False,
        exclude_if=operator.not_,
        description="true: a scan may lack it (files: no file fits; table, pairs: an empty path). "
        "The network then sees 0 in its place, and beside the channels a flag that says so; of the "
        "training scans that have it, some are shown without (train.modality_dropout). Not for the "
        "first channel. Without it a scan that lacks the channel is refused",
    )


def _channel(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


AnyChannel = Annotated[Channel, BeforeValidator(_channel, json_schema_input_type=str | Channel)]


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
    channels: Ordered[Column, AnyChannel] = Field(
        {},
        description="image channels in order. files: a template such as `{sex}/{subject}_T1.nii.gz`"
        " (every field but subject, session, site and number becomes a label; `*` matches "
        "anything, where it is a visit's folder the same one for all channels and masks, "
        "`{MPRAGE|MP-RAGE}` is one of these words); "
        "table: the column with the path; pairs: the key in dataset.json, `image`; bids: the "
        "suffix, after entities where files need them to be told apart: `T1w` or `run-1_T1w`; "
        "a public collection has its own. A section with `path` and `align` for a channel that "
        "lies on another grid than the first, with `path` and `optional` for one that some scans "
        "lack",
    )
    mask: str | None = Field(
        None,
        description="the segmentation to learn: template, column, key or suffix, as for channels; "
        "bids: also in a folder, e.g. `derivatives/lesions/label-lesion_mask`",
    )
    brain_mask: str | None = Field(
        None, description="a brain mask: template, column, key or suffix, as for `mask`"
    )
    prefer: OneOrMany = Field(
        (),
        description="what decides, one after the other, where several files of a session fit: "
        "parts of their names, in bids entities, e.g. `run-1` or `[acq-mprage, run-1]`",
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
    labels: Ordered[Column, AnyLabel] = Field(
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
    def templates(self) -> dict[str, str]:
        """Of each channel, what its files are found by."""
        return {name: channel.path for name, channel in self.channels.items()}

    @property
    def align(self) -> dict[str, Alignment]:
        """How channels on other grids are brought onto the first one's."""
        channels = self.channels.items()
        return {name: one.align for name, one in channels if one.align is not None}

    @property
    def optional(self) -> tuple[str, ...]:
        """Channels that a scan may lack."""
        return tuple(name for name, channel in self.channels.items() if channel.optional)

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
            if name in IMAGES and name in self.labels:
                raise ValueError(
                    f"labels: '{name}' is what a target is called that is the scan itself; choose "
                    "another name"
                )
        fixed = {*list(self.channels)[:1], REFERENCE}
        if needed := fixed & set(self.optional):
            raise ValueError(
                f"channels: '{min(needed)}' can't be optional: the first channel says where a scan "
                "lies, and a clean scan judges its noisy one; remove `optional`"
            )
        kept = fixed & set(self.align)
        if kept:
            raise ValueError(
                f"channels: '{min(kept)}' can't be aligned: the others are brought onto the first "
                "channel, and a clean scan lies on its noisy one's voxels; remove `align`"
            )
        if REFERENCE in list(self.channels)[:-1] or list(self.channels) == [REFERENCE]:
            raise ValueError(
                f"channels: '{REFERENCE}' is what the clean scan is called, which no network sees; "
                "put it last, after the noisy one"
            )
        if self.layout == "table" and self.table is None:
            raise ValueError("layout 'table' needs the key `table` with the table's path")
        if self.layout == "table" and self.table is not None and len(self.table.column) > 2:
            raise ValueError("table.column: layout 'table' has two, of the subject and the session")
        if self.labels and self.label_table is None:
            raise ValueError("labels are read from a table: add the key `table`")
        return self

    @property
    def label_table(self) -> LabelTable | None:
        """The table that labels are read from."""
        if self.layout == "bids" and self.labels and self.table is None:
            return LabelTable(
                path="participants.tsv", column=("participant_id",), key=("sub-{subject}",)
            )
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
