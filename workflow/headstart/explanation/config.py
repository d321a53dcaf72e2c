"""The section `explain` of an experiment."""

from __future__ import annotations

from typing import Annotated
from typing import Any
from typing import Literal

from pydantic import BeforeValidator
from pydantic import Field

from headstart.common.schema import Once
from headstart.common.schema import Section

Method = Literal["occlusion", "grad-cam++"]
# Share of the layers whose weights are shuffled, from the last one down, by the column that tells
# of it; 0 is the last one alone.
STEPS = {"last_layer": 0.0, "upper_half": 0.5, "all_layers": 1.0}
# Rank correlation from which on a network that has learnt nothing gives much the same map. The
# limit is ours: the paper has none.
SAME = 0.5
OCCLUSION: Method = "occlusion"
CHECKED = 3  # cases of each class, the ones that the figure shows, whose maps are put to the check


class Explain(Section):
    """Maps of where held-out answers come from; a list alone is short for `{methods: [...]}`."""

    methods: Annotated[tuple[Method, ...], Once] = Field(
        (),
        description="occlusion: how far the answer moves when a patch of the scan is replaced by "
        "air, in the target's unit or as a change of probability; grad-cam++: where features of a "
        "late layer raise the answer, relative to the largest. Begin with occlusion, whose "
        "numbers mean something; none by default, as occlusion takes minutes",
    )
    cases: int = Field(
        6,
        ge=CHECKED,
        le=60,
        description=f"held-out subjects of each class, or of all where a number is predicted, "
        f"{CHECKED} to 60: a third each of the best, the typical and the worst answers",
    )
    patch: float = Field(
        30.0,
        gt=0,
        le=200,
        description="occlusion: edge of a patch, mm, above 0, at most 200; about the size of what "
        "you look for, as too small a patch is filled in by what surrounds it",
    )
    stride: float = Field(
        20.0,
        gt=0,
        le=200,
        description="occlusion: from one patch to the next, mm, above 0, at most 200; half a patch "
        "draws a smooth map, at eight times the cost of a whole one",
    )
    passes: int = Field(
        1500,
        ge=27,
        le=1_000_000,
        description="occlusion: most patches of one map, 27 to 1000000, each a pass through the "
        "network; where the stride asks for more it is widened, and log and figure say so. "
        "Raise it on a GPU",
    )


def _methods(value: Any) -> Any:
    return {"methods": value} if isinstance(value, list | tuple) else value


AnyExplain = Annotated[
    Explain, BeforeValidator(_methods, json_schema_input_type=tuple[Method, ...] | Explain)
]
NOTHING = Explain()
