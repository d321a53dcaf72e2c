"""The config's sections `check`, `prepare` and `classes`."""

from __future__ import annotations

import operator
from typing import Annotated
from typing import Literal

from pydantic import AfterValidator
from pydantic import BeforeValidator
from pydantic import Field
from pydantic import WithJsonSchema
from pydantic import model_validator

from headstart.common.keys import OfScan
from headstart.common.ordered import Ordered
from headstart.common.schema import COLUMN
from headstart.common.schema import VALUE
from headstart.common.schema import WORD
from headstart.common.schema import Column
from headstart.common.schema import Edges
from headstart.common.schema import EdgesOrOwn
from headstart.common.schema import Range
from headstart.common.schema import Reason
from headstart.common.schema import Section
from headstart.common.schema import Window
from headstart.common.schema import WindowOrOwn
from headstart.common.schema import word_or
from headstart.imaging import mask_classes
from headstart.imaging.rejection_codes import ACCEPTABLE

# Counts up where the same settings make other volumes of a scan: a network that learnt from others
# answers for none of these.
VOLUMES = 4
HEAD = (170.0, 220.0, 220.0)  # mm: the box around a head, from the neck on
USUAL_VOXEL = (1.0, 1.0, 1.0)  # mm: of a structural head scan
CLASSES_SCHEMA = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [
            {"type": "string", "pattern": COLUMN},
            {"type": "integer"},
            {"type": "array", "items": {"type": "integer"}},
        ]
    },
}
MaskClasses = Annotated[
    Ordered[
        Column,
        Annotated[
            Annotated[Literal["any"], WORD] | Annotated[tuple[int, ...], VALUE],
            word_or("any", "a whole number or a list of them"),
        ],
    ],
    BeforeValidator(mask_classes.by_name),
    AfterValidator(mask_classes.checked),
    WithJsonSchema(CLASSES_SCHEMA),
]


class Decision(Section):
    """A person's decision about one scan, with the reason."""

    subject: str = Field(description="the subject as in labels.csv")
    session: str | None = Field(None, description="one session; the default is all of them")
    reason: Reason = Field(description="why, in words; kept in the tables")


class Accepted(Section):
    """Scans that are kept in spite of a check."""

    subject: str | None = Field(None, description="the subject as in labels.csv; the default: all")
    session: str | None = Field(None, description="one session; the default is all of them")
    code: Literal[ACCEPTABLE] | None = Field(  # type: ignore[valid-type]
        None, description="one code of the table of codes; the default: whatever was found"
    )

    def keeps(self, scan: OfScan, code: str) -> bool:
        """Whether a scan is kept in spite of a code."""
        given = (scan.subject, scan.session, code)
        asked = (self.subject, self.session, self.code)
        return all(one in (None, value) for one, value in zip(asked, given, strict=True))


class Acceptance(Accepted):
    """A person's decision to keep scans in spite of a check."""

    reason: Reason = Field(description="why, in words; kept in the tables")

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
        description="largest share of scans that may be rejected before the run stops: of those "
        "found, when they are joined to their labels, and of those read, when they are checked",
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
    field_of_view: Range | None = Field(
        None,
        description="least and most edge of a scan, mm, e.g. [30, 80] for crops; by default 50 to "
        "600, of series 10 to 600; or from a third of the window's shortest edge on, if that is "
        "less",
    )
    personal_data: Literal["flag", "reject"] = Field(
        "flag", description="what to do where a header's text looks like a name or a date"
    )


def _is_off(step: str) -> bool:
    return step in ("none", "native")


class Steps(Section):
    """What is done to each volume of every scan."""

    voxel_size: EdgesOrOwn = Field(
        (2.0, 2.0, 2.0),
        description="voxel size of the prepared volumes, mm, 0.01 to 100. own: that of each scan, "
        "which is neither resampled nor cropped, for denoising; it needs `window: own`",
    )
    window: WindowOrOwn = Field(
        (96, 112, 96),
        description="voxels left-right, back-front, down-up; cropped about the middle of the head "
        "(a taller one from the crown down) or of the brain, padded about the middle of the scan. "
        "own: each volume at its own size, cropped to the head with 8 mm around it, for networks "
        "that learn from patches (train.sampling)",
    )
    normalise: Literal["zscore", "percentile", "none"] = Field(
        "zscore",
        description="zscore: mean 0, standard deviation 1 over the head or brain, both of "
        "intensities clipped to their 0.5th and 99.5th percentile, so that single voxels don't "
        "move them; percentile: 1st to 99th to 0 to 1",
    )
    # at its default a step is not written: studies of before it was there stay what they were
    brain: Literal["given", "deepbet", "none"] = Field(
        "none",
        exclude_if=_is_off,
        description="given: what lies outside the brain masks (`data[].brain_mask`, which each "
        "scan needs) becomes air, intensities are normalised inside, and the window lies about the "
        "brain; deepbet: the same, by masks that deepbet's networks find, some 4 CPU-seconds a "
        "scan (of T1 of grown people; scans that are stripped already are left as they are); none: "
        "the head stays, and a brain mask only says where to normalise. Advice: deepbet for age "
        "and tissue; none where a face or the skull matters",
    )
    bias: Literal["n4", "none"] = Field(
        "none",
        exclude_if=_is_off,
        description="n4: divide each channel by the smooth field of the coils that N4 finds in the "
        "head (in the brain, where there is a brain mask: better, and half as slow), some 4 to 10 "
        "CPU-seconds a scan. Advice: n4 where scanners differ; less RandomBiasField then",
    )

    space: Literal["native", "rigid", "affine"] = Field(
        "native",
        exclude_if=_is_off,
        description="native: along the scan's own axes; affine: the brain is brought onto the "
        "MNI152 template, in turn, place, sizes and shears, some 3 CPU-seconds a scan; rigid: in "
        "turn and place alone, so that sizes stay. Needs `brain`. Masks go back to the scan's own "
        "voxels; a scan that does not lie on the template is refused. Advice: affine for small "
        "cohorts of classes or ages, native for lesions",
    )

    series: bool = Field(
        False,
        exclude_if=operator.not_,
        description="true: every scan of the study is a 4-D series (x, y, z, t), e.g. of fMRI, to "
        "be denoised by the neighbours in time of each of its volumes (train.neighbours)",
    )

    @property
    def steps(self) -> bool:
        """Whether a step is asked for that leaves figures of each scan."""
        return (self.brain, self.bias, self.space) != ("none", "none", "native")

    @property
    def planes(self) -> bool:
        """Whether it has brains for a person to judge."""
        return self.brain != "none"

    @model_validator(mode="after")
    def _has_a_brain_to_place(self) -> Steps:
        if self.space != "native" and self.brain == "none":
            raise ValueError(
                f"space: {self.space} needs a brain, for the template is one; add brain: deepbet, "
                "or brain: given where the scans have brain masks"
            )
        return self

    @property
    def usual_voxel_size(self) -> Edges:
        """Edges of a voxel, mm: of all volumes, or at their own voxel size of a usual scan."""
        return USUAL_VOXEL if self.voxel_size == "own" else self.voxel_size

    @property
    def usual_window(self) -> Window:
        """Voxels of a volume: of all of them, or at their own size of a usual head."""
        if self.window != "own":
            return self.window
        axes = zip(HEAD, self.usual_voxel_size, strict=True)
        x, y, z = (max(1, round(n / edge)) for n, edge in axes)
        return x, y, z

    @model_validator(mode="after")
    def _is_cropped_at_a_known_voxel_size(self) -> Steps:
        if self.voxel_size == "own" and self.window != "own":
            raise ValueError("window: scans of their own voxel size have their own window; own")
        if self.voxel_size == "own" and self.steps:
            raise ValueError(
                "voxel_size: own leaves each scan as it is; remove brain, bias and space, or give "
                "it three lengths"
            )
        if self.series and self.voxel_size != "own":
            raise ValueError(
                "series: each stays as it is; write voxel_size: own and window: own, too"
            )
        return self


Alignment = Literal["header", "rigid"]


class Preparation(Steps):
    """What is done to each volume, and to some channels before.

    Attributes:
        align: How channels on other grids than the first one are brought onto it.
        optional: Channels that a scan may lack.
    """

    align: Ordered[Column, Alignment] = Field({}, exclude_if=operator.not_)
    optional: tuple[Column, ...] = Field((), exclude_if=operator.not_)

    @property
    def steps(self) -> bool:
        """Whether a step is asked for that leaves figures of each scan."""
        return super().steps or bool(self.align)


class Prepare(Steps):
    """What is done to each volume, once, before any training."""

    shards: int = Field(16, ge=1, le=4096, description="parts of the cohort that run side by side")
