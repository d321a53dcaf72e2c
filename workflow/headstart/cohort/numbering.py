"""Find the sign that two scans of one person are numbered as two subjects."""

from __future__ import annotations

import re
from collections.abc import Sequence

FEWEST = 10  # pairs


def numbered_in_twos(nearest: Sequence[int], names: Sequence[str]) -> list[tuple[int, int]]:
    """Find pairs of consecutive numbers that are the two scans of one person: 1 and 2, 3 and 4.

    Two sides or two sessions need not look more alike than any two people do. But if many scans
    resemble the scan with one neighbouring number more than all others, and hardly any the one
    with the other neighbouring number, then the numbering shows which belong together.

    Args:
        nearest: For each scan, the scan of another subject that it resembles most.
        names: A name of each scan that ends in its number.

    Returns:
        The pairs of which one is the other's most similar scan. None if these are fewer than 10
        or than a twentieth of all scans, or if the other numbering (2 and 3, 4 and 5) gives more
        than a third as many.
    """
    numbers = [re.fullmatch(r"(.*?)(\d+)", name) for name in names]
    partners: dict[int, set[tuple[int, int]]] = {0: set(), 1: set()}
    for first, second in enumerate(nearest):
        one, two = numbers[first], numbers[second]
        if one and two and one[1] == two[1] and abs(int(one[2]) - int(two[2])) == 1:
            lower = min(int(one[2]), int(two[2])) % 2
            partners[lower].add((min(first, second), max(first, second)))
    few, many = sorted(partners.values(), key=len)
    if len(many) < max(FEWEST, len(names) / 20) or len(few) > len(many) / 3:
        return []
    return sorted(many)
