"""What the commands that make a cohort need of a study's settings."""

from __future__ import annotations

import operator
from typing import Annotated
from typing import Literal

from pydantic import Field

from headstart.cohort.config import RelatedSubjects
from headstart.cohort.config import Split
from headstart.common.schema import VALUE
from headstart.common.schema import WORD
from headstart.common.schema import Column
from headstart.common.schema import Section
from headstart.common.schema import word_or
from headstart.imaging.config import Accepted
from headstart.imaging.config import MaskClasses
from headstart.imaging.config import Preparation

SURFACE_TOLERANCE = 1.0  # mm that surfaces of masks may be apart and agree
Control = Literal["shuffled", "background", "quarter", "half"]
# Whether masks are judged by their objects too: connected components, or the mask's own ids.
Instances = Annotated[
    Annotated[Literal["ids"], WORD] | Annotated[bool, VALUE], word_or("ids", "true or false")
]
INJECTED = "injected"  # the control that trains nothing
# Of the training subjects, those that a point of the learning curve learns from.
SHARES: dict[str, float] = {"quarter": 0.25, "half": 0.5}


class CheckScansSettings(Section):
    """What the scans of a cohort have."""

    masks: bool
    classes: MaskClasses
    # of a cohort without series nothing is written, as before there were any
    volumes: int = Field(0, exclude_if=operator.not_)
    aligned: tuple[Column, ...] = Field((), exclude_if=operator.not_)
    optional: tuple[Column, ...] = Field((), exclude_if=operator.not_)


class PrepareSettings(Section):
    """What is done to the scans of a shard."""

    prepare: Preparation
    channels: tuple[Column, ...]
    classes: MaskClasses
    accept: tuple[Accepted, ...] = ()


class GatherSettings(Section):
    """What is asked of all shards together.

    Attributes:
        air: Whether every scan needs air that its noise is estimated from.
        synthetic: Whether the scans are made up.
    """

    air: bool = Field(False, exclude_if=operator.not_)
    synthetic: bool = Field(False, exclude_if=operator.not_)


class SplitSettings(Section):
    """How the subjects are divided.

    Attributes:
        split: The config's section, without the decisions about pairs.
        together: Subjects that stay together.
        file: sha256 of the user's own split; "" if there is none.
    """

    split: Split
    together: tuple[tuple[str, ...], ...] = ()
    file: str = ""


class AuditSettings(Section):
    """Who may not be in two parts."""

    group: Column | None = None
    same: tuple[RelatedSubjects, ...] = ()
    unrelated: tuple[RelatedSubjects, ...] = ()


class Question(Section):
    """What an experiment asks of a cohort."""

    experiment: str
    task: str
    target: str
    classes: MaskClasses
    # where there are none nothing is written: settings and runs of before stay what they were
    covariates: tuple[Column, ...] = Field((), exclude_if=operator.not_)


class Judged(Question):
    """How its answers are judged.

    Attributes:
        instances: Whether masks are judged by their objects too, and which these are.
        surface_tolerance: How far surfaces of masks may be apart and agree, mm.
    """

    instances: Instances = Field(False, exclude_if=operator.not_)
    surface_tolerance: float = SURFACE_TOLERANCE
