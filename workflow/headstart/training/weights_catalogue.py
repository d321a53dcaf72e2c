"""Weights that others published, in weights.yaml: where they lie, and what is known of them."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import yaml
from pydantic import Field

from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.schema import Arguments
from headstart.common.schema import Edges
from headstart.common.schema import Section
from headstart.common.schema import Window
from headstart.data.download import download
from headstart.data.fetch import HEAD_JOB
from headstart.data.file_checks import Checks
from headstart.training.start import Sha256

CATALOGUE = Path(__file__).with_name("weights.yaml")


class Input(Section):
    """What weights were trained on: mm per voxel, voxels, and the scale of the intensities."""

    voxel_size: Edges | None
    window: Window | None
    intensities: str


class Weights(Section):
    """One entry; see the head of weights.yaml."""

    mirrors: tuple[str, ...] = Field(min_length=1)
    sha256: Sha256 | None = None
    bytes: int | None = None
    licence: str
    page: str
    cite: str
    network: str
    network_arguments: Arguments = Field(default_factory=dict)
    input: Input
    cohorts: tuple[str, ...]
    trained_on: str

    @property
    def ending(self) -> str:
        """How the file's name ends."""
        return PurePosixPath(urlsplit(self.mirrors[0]).path).suffix


@cache
def read_weights_catalogue(path: Path = CATALOGUE) -> dict[str, Weights]:
    """Read weights.yaml."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: Weights.model_validate(entry) for name, entry in entries.items()}


def fetch_weights(name: str, sha256: str, path: Path, mirrors: tuple[str, ...] = ()) -> None:
    """Download weights of the catalogue, unless they are there.

    Args:
        name: Their name.
        sha256: Of the file.
        path: Where to put it.
        mirrors: Addresses to look at before the published ones.

    Raises:
        UserError: If there is no such name, no mirror has the right bytes, or a job of a cluster
            is asked to download.
    """
    catalogue = read_weights_catalogue()
    if name not in catalogue:
        raise UserError(f"--weights {name}: not in the catalogue; known: {', '.join(catalogue)}")
    if path.is_file():
        return
    if os.environ.get(HEAD_JOB):
        raise UserError(
            f"{name}: must be downloaded, which a job must not do; first type, on a login or "
            f"transfer node: headstart fetch --weights {name} --sha256 {sha256} --output "
            f"{path.resolve()}"
        )
    entry = catalogue[name]
    received = download([*mirrors, *entry.mirrors], path, Checks(sha256=sha256, size=entry.bytes))
    if received.path != path:
        with files.temporary(path) as draft:
            shutil.copyfile(received.path, draft)
