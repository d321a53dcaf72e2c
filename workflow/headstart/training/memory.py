"""What is done where memory does not hold all scans that are to be looked at at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from headstart.common.machine_errors import is_out_of_memory
from headstart.training.data import Batch

Result = TypeVar("Result")


def in_parts(look: Callable[[Batch], Result], batch: Batch) -> list[Result]:
    """Look at a batch, or at halves of it, and halves of these, until memory holds them.

    Args:
        look: What is done; to each scan the same, whichever are looked at with it.
        batch: The batch.

    Returns:
        What came of each part, in the batch's order.
    """
    try:
        return [look(batch)]
    except Exception as error:
        if not is_out_of_memory(error) or len(batch.scans) == 1:
            raise
    # not in the handler, whose error keeps alive what was computed
    half = (len(batch.scans) + 1) // 2
    return in_parts(look, batch.part(slice(half))) + in_parts(look, batch.part(slice(half, None)))
