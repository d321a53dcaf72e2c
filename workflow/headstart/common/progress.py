"""Progress of long work: a bar on a terminal, plain lines in a log file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from collections.abc import Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], *, total: int, label: str) -> Iterator[Item]:
    """Yield the items and show how far they have come; of a single one there is nothing to show.

    Args:
        items: What is worked through.
        total: How many there are.
        label: What they are, e.g. `scans checked`.
    """
    if total < 2:
        yield from items
        return
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=label)
        return
    step = max(1, total // 10)
    for done, item in enumerate(items, start=1):
        yield item
        if done % step == 0 or done == total:
            print(f"{done} of {total} {label}", file=sys.stderr, flush=True)
