"""Weights that others published, in weights.yaml: where they lie, and what is known of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import yaml
from pydantic import Field

from headstart.common.schema import Arguments
from headstart.common.schema import Edges
from headstart.common.schema import Section
from headstart.common.schema import Window
from headstart.training.start import Sha256

CATALOGUE = Path(__file__).with_name("weights.yaml")


class WeightsInput(Section):
    """What weights were trained on: mm per voxel, voxels, and the scale of the intensities."""

    voxel_size: Edges | None
    window: Window | None
    intensities: str


class PublishedWeights(Section):
    """One entry; see the head of weights.yaml."""

    mirrors: tuple[str, ...] = Field(min_length=1)
    sha256: Sha256 | None = None
    bytes: int | None = None
    licence: str
    page: str
    cite: str
    network: str
    network_arguments: Arguments = Field(default_factory=dict)
    input: WeightsInput
    cohorts: tuple[str, ...]
    trained_on: str

    @property
    def ending(self) -> str:
        """How the file's name ends."""
        return PurePosixPath(urlsplit(self.mirrors[0]).path).suffix


@cache
def read_weights_catalogue(path: Path = CATALOGUE) -> dict[str, PublishedWeights]:
    """Read weights.yaml."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: PublishedWeights.model_validate(entry) for name, entry in entries.items()}
