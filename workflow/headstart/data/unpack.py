"""Files of a collection's archives: unpacked, counted, and converted to NIfTI."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.meter import say
from headstart.data.analyze import SPACES
from headstart.data.analyze import convert
from headstart.data.archives import extract
from headstart.data.collections import MARKER
from headstart.data.collections import Modality
from headstart.data.fetch_job import HIDDEN
from headstart.data.fetch_job import FetchJob
from headstart.data.file_checks import Receipt


def unpack_archives(
    missing: Mapping[str, Modality], archives: Mapping[str, Receipt], job: FetchJob
) -> None:
    """Unpack the missing modalities, each archive once, and show their folders when complete."""
    draft = job.output / HIDDEN / "unpacking"
    if draft.exists():
        shutil.rmtree(draft)
    if not missing:
        return
    draft.mkdir()
    unpacked: dict[str, list[str]] = {name: [] for name in missing}
    try:
        for number, (name, receipt) in enumerate(archives.items(), start=1):
            say(f"{name}: unpacking, {number} of {len(archives)}")
            wanted = {
                title: modality.pattern
                for title, modality in missing.items()
                if name in modality.archives
            }
            for title, names in extract(receipt.path, wanted, draft).items():
                unpacked[title] += _as_nifti(names, draft / title, missing[title])
        for title, modality in missing.items():
            counts = _count(unpacked[title], title, modality, job)
            sums = {name: checksums(archives[name]) for name in modality.archives}
            note = {
                "archives": sums,
                "members": missing[title].members,
                "counts": counts,
                "files": len(unpacked[title]),
            }
            files.write_json(draft / title / f".{MARKER}", note)
            (draft / title).rename(job.output / title)
            say(f"{job.output / title}: {len(unpacked[title])} files are complete")
    finally:
        shutil.rmtree(draft)


def checksums(receipt: Receipt) -> dict[str, Any]:
    """Return where a file came from, and its digests."""
    return {"url": receipt.url, **asdict(receipt.digests)}


def _as_nifti(names: Sequence[str], folder: Path, modality: Modality) -> list[str]:
    """Convert Analyze pairs and remove them; return the names that are left."""
    if modality.space is None:
        return list(names)
    headers = [name for name in names if name.endswith(".hdr")]
    images = {name.removesuffix(".img") for name in names if name.endswith(".img")}
    alone = images - {name.removesuffix(".hdr") for name in headers}
    if alone:
        raise UserError(f"{folder / min(alone)}.img: its .hdr is missing; fetch the archive again")
    converted = []
    for name in headers:
        header = folder / name
        nifti = name.removesuffix(".hdr") + ".nii.gz"
        convert(header, SPACES[modality.space], folder / nifti)
        header.unlink()
        header.with_suffix(".img").unlink()
        converted.append(nifti)
    return converted


def _count(names: Sequence[str], title: str, modality: Modality, job: FetchJob) -> dict[str, int]:
    """Count what was unpacked; a source with published counts must have as many."""
    if not names:
        raise UserError(
            f"{', '.join(modality.archives)}: nothing in it has a name of {job.request.source}'s "
            f"{title}; the archive is another one, or its layout has changed"
        )
    counts = {}
    for what, count in modality.counts.items():
        found = {match[0] for name in names if (match := re.search(count.of, name, re.ASCII))}
        if len(found) != count.expected:
            raise UserError(
                f"{job.request.source}, {title}: {len(found)} {what} were unpacked instead of "
                f"{count.expected}; an archive is not complete: delete {job.output / HIDDEN} and "
                "fetch again"
            )
        counts[what] = len(found)
    return counts
