"""The config's section `split`: who trains and who is held out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from typing import Any
from typing import Literal

from pydantic import Field
from pydantic import model_validator

from headstart.common.schema import Column
from headstart.common.schema import Once
from headstart.common.schema import Reason
from headstart.common.schema import RelativePath
from headstart.common.schema import Section


class RelatedSubjects(Section):
    """A person's decision about subjects that look alike, with the reason."""

    subjects: Annotated[tuple[str, ...], Once] = Field(
        min_length=2, description="the subjects as in labels.csv"
    )
    reason: Reason = Field(description="why, in words; kept in audit.json")


class Split(Section):
    """Who trains and who is held out: always whole subjects."""

    test: float = Field(
        0.2, ge=0, lt=1, description="share of subjects held out for the final test"
    )
    folds: int = Field(
        5, ge=2, le=50, description="folds of cross-validation; with `sites`, one per site"
    )
    repeats: int = Field(
        1,
        ge=1,
        le=20,
        exclude_if=lambda repeats: repeats == 1,
        description="how often subjects are dealt into folds, each time otherwise, 1 to 20: fold F "
        "of the repeat R, from 0 on, is number R x folds + F, and `folds: all` trains every one. "
        "For small cohorts, whose results hang on who is in which fold; subjects stay the unit",
    )
    validation: float = Field(
        0.15,
        ge=0,
        lt=0.5,
        description="share of each training fold that chooses the epoch and is not trained on; "
        "0, nobody, with `train.keep: last`",
    )
    stratify: Annotated[tuple[Column | Literal["site"], ...], Once] = Field(
        (), description="labels that every part holds in equal shares (numbers are binned)"
    )
    seed: int = Field(1, ge=0, lt=2**32, description="seed of the random split")
    sites: Annotated[tuple[str, ...], Field(min_length=2), Once] | None = Field(
        None,
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
        "`test`), and if you like validation (0 or 1). For a published split, let 0 be "
        "validation, 1 training and `folds: 2`",
    )
    group: Column | None = Field(
        None, description="label whose equal values stay together, e.g. family"
    )
    same: tuple[RelatedSubjects, ...] = Field(
        (), description="subjects that are one person or family, and stay together"
    )
    unrelated: tuple[RelatedSubjects, ...] = Field(
        (), description="subjects that look alike and are not the same: no leak"
    )

    @property
    def all_folds(self) -> int:
        """Folds of all repeats."""
        return self.folds * self.repeats

    @model_validator(mode="before")
    @classmethod
    def _fold_of_each_site(cls, raw: Any) -> Any:
        if isinstance(raw, Mapping) and isinstance(raw.get("sites"), list | tuple):
            return {"folds": len(raw["sites"])} | dict(raw)
        return raw

    @model_validator(mode="after")
    def _consistent(self) -> Split:
        if self.sites and self.folds != len(self.sites):
            raise ValueError(
                f"sites: names {len(self.sites)} sites, each a fold; leave out `folds`"
            )
        if self.repeats > 1 and (self.sites or self.file):
            raise ValueError(
                f"repeats: {'sites' if self.sites else 'file'} says once and for all who is in "
                "which fold; leave out `repeats`"
            )
        if self.file and (self.sites or self.stable):
            raise ValueError("file: is a split already; leave out `sites` and `stable`")
        if self.stable and self.stratify:
            raise ValueError(
                "stable: a place that never changes can't be balanced; leave out `stratify`"
            )
        for related in self.same:
            for other in self.unrelated:
                both = sorted(set(related.subjects) & set(other.subjects))
                if len(both) > 1:
                    raise ValueError(f"same: {', '.join(both)} are in `unrelated` too; keep one")
        return self
