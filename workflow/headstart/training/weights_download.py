"""Weights that others published, downloaded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from headstart.common import files
from headstart.common.errors import UserError
from headstart.data.download import download
from headstart.data.fetch import HEAD_JOB
from headstart.data.file_checks import Checks
from headstart.training.weights_catalogue import read_weights_catalogue


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
