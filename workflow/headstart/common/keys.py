"""Whose scan: the key by which every table of a study is joined, and the shard it is in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

Key = tuple[str, str]  # subject, session


@dataclass(frozen=True)
class OfScan:
    """What is about one scan.

    Attributes:
        subject: Who was scanned.
        session: Which of the subject's scans it is.
    """

    subject: str
    session: str

    @property
    def key(self) -> Key:
        """Subject and session."""
        return self.subject, self.session


def shard_of(subject: str, shards: int) -> int:
    """Return the shard of a subject: a stable hash, so that a new subject touches one shard."""
    return int(hashlib.sha256(subject.encode()).hexdigest()[:8], 16) % shards
