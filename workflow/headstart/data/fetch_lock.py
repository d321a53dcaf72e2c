"""The checksums of what was fetched before, which must stay the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.common import files
from headstart.common.errors import UserError
from headstart.data.collections import MARKER
from headstart.data.collections import Collection
from headstart.data.collections import Modality
from headstart.data.fetch_job import FetchJob
from headstart.data.file_checks import Checks
from headstart.data.file_checks import Digests


class ArchiveLock:
    """The sha256 of files when they were first verified."""

    def __init__(self, path: Path | None):
        self.path = path
        self._entries: dict[str, dict[str, Any]] = {}
        if path is None or not path.exists():
            return
        try:
            self._entries = json.loads(path.read_text(encoding="utf-8"))
            faulty = [name for name, entry in self._entries.items() if len(entry["sha256"]) != 64]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"{path}: is not a lock file ({error!r}); restore it") from error
        if faulty:
            raise UserError(f"{path}: the sha256 of {faulty[0]} has not 64 digits; restore it")

    def checks(self, name: str, source: Collection) -> Checks:
        """Return what is known of a file; a locked checksum counts before a published one."""
        entry, file = self._entries.get(name), source.files[name]
        if entry is not None:
            if file.sha256 not in (None, entry["sha256"]):
                raise UserError(
                    f"{self.path}: {name} is locked with another sha256 than the study or the "
                    "catalogue gives; remove the wrong one"
                )
            return Checks(sha256=entry["sha256"])
        return Checks(file.md5, file.sha256, file.bytes)

    def keep(self, name: str, receipt: Mapping[str, Any]) -> None:
        """Lock a file, or check it against its lock."""
        locked = self._entries.get(name, {}).get("sha256", receipt["sha256"])
        if locked != receipt["sha256"]:
            raise UserError(
                f"{self.path}: {name} had another sha256 when it was locked; delete what was "
                "fetched from it, or its entry in the lock if the new file is the right one"
            )
        if self.path is not None and name not in self._entries:
            self._entries[name] = {key: receipt[key] for key in ("sha256", "bytes", "url")}
            files.write_json(self.path, self._entries)


def check_lock(
    modalities: Mapping[str, Modality], job: FetchJob, source: Collection, lock: ArchiveLock
) -> None:
    """Check that earlier unpacked files came from the known or locked archives."""
    for name, modality in modalities.items():
        if modality.archives:
            marker = job.output / name / f".{MARKER}"
            for archive, sums in json.loads(marker.read_text(encoding="utf-8"))["archives"].items():
                lock.keep(archive, sums)
                found = Digests(sums["bytes"], sums["sha256"], sums["md5"])
                fault = lock.checks(archive, source).fault(found)
                if fault:
                    raise UserError(
                        f"{marker.parent}: was unpacked from another {archive}: {fault}; move it "
                        "away to fetch again"
                    )
