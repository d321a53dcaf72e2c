"""Prepared volumes on the compute node's own disk, where a job was given a part of it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import masks_of
from headstart.cohort.shards import volumes_of
from headstart.common import files
from headstart.common.errors import UserError


def stage_in(prepared: Path, *, masks: bool) -> Path:
    """Copy the prepared shards into the folder that `HEADSTART_SCRATCH` names, if it names one.

    A network file system is slow at reading scans in random order, and all trainings share it.
    The folder belongs to the job, whose end removes it. Shards that are there already are kept.

    Args:
        prepared: Folder with `shard-K.npy` and `shard-K.json`.
        masks: Whether the masks are needed too.

    Returns:
        The folder to read from: the copy, or `prepared` itself where no disk was asked for, or
        where it has too little room.

    Raises:
        UserError: If a shard is not the one that its card describes.
    """
    scratch = os.environ.get("HEADSTART_SCRATCH")
    if not scratch:
        return prepared
    staged = Path(scratch, "prepare")
    staged.mkdir(parents=True, exist_ok=True)
    cards = {path: ShardCard.read(path) for path in sorted(prepared.glob("shard-*.json"))}
    wanted = {volumes_of(path): card.sha256 for path, card in cards.items()}
    if masks:
        wanted |= {masks_of(path): card.mask_sha256 for path, card in cards.items()}
    missing = {path: digest for path, digest in wanted.items() if not _is_there(path, staged)}
    size, free = sum(path.stat().st_size for path in missing), shutil.disk_usage(staged).free
    where = f"{size / 1e6:.0f} MB of volumes"
    if size > free:
        print(
            f"{where}, but {free / 1e6:.0f} MB free in {scratch}: they are read from {prepared}",
            file=sys.stderr,
        )
        return prepared
    for path, digest in missing.items():
        _copy(path, staged / path.name, digest)
    for card in cards:
        shutil.copyfile(card, staged / card.name)
    print(f"{where} copied to {staged}", file=sys.stderr)
    return staged


def _is_there(path: Path, staged: Path) -> bool:
    copy = staged / path.name
    return copy.exists() and copy.stat().st_size == path.stat().st_size


def _copy(path: Path, copy: Path, digest: str) -> None:
    with files.temporary(copy) as draft:
        shutil.copyfile(path, draft)
        if files.sha256(draft) != digest:
            raise UserError(
                f"{path}: is damaged, its sha256 is not the one in the .json beside it; delete it "
                "and run the stage prepare again"
            )
