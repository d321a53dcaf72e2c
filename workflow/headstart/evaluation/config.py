"""The config's section `evaluate`."""

from __future__ import annotations

from pydantic import Field

from headstart.cohort.settings import SURFACE_TOLERANCE
from headstart.common.schema import Section


class Evaluate(Section):
    """How predictions are judged."""

    surface_tolerance: float = Field(
        SURFACE_TOLERANCE,
        gt=0,
        le=100,
        description="mm that the surface of a predicted mask may be from the true one and agree "
        "with it in NSD, the share of both surfaces that agrees; take what two experts differ by, "
        "and no less than a voxel",
    )
