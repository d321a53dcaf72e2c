"""Deal out subjects to parts, or give each its place by a hash: exact, and the same everywhere.

There is no random number generator and no rounded number in here. Chance is sha256 of seed and
name, and shares are compared as whole numbers and fractions: no release of a library, machine or
order of rows can change who goes where.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable
from collections.abc import Mapping
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from itertools import pairwise


def deal(
    levels: Mapping[str, Sequence[Hashable]], sizes: Sequence[int], leader: Mapping[str, str]
) -> list[list[str]]:
    """Deal out subjects to parts of these sizes, those with one leader to one part.

    The larger groups come first, else the order is as given; each goes to the part, among those
    with room for it, that is furthest from its share of the group's levels (after Sechidis 2011,
    doi:10.1007/978-3-642-23808-6_10). Where there is room nowhere, the emptiest part takes it.

    Args:
        levels: For each subject the levels that are to be balanced between the parts.
        sizes: Numbers of subjects of the parts; they sum up to all subjects. They are met exactly
            where nobody has company.
        leader: For each subject the one that leads those who stay together.

    Returns:
        The parts, subjects in the order given.
    """
    groups: dict[str, list[str]] = {}
    for subject in levels:
        groups.setdefault(leader[subject], []).append(subject)
    held: list[Counter[Hashable]] = [Counter() for _ in sizes]
    free = list(sizes)
    part_of: dict[str, int] = {}
    for members in sorted(groups.values(), key=len, reverse=True):
        own = Counter(level for subject in members for level in levels[subject])
        with_room = [part for part in range(len(sizes)) if free[part] >= len(members)]
        emptiest = max(range(len(sizes)), key=free.__getitem__)

        def crowd(part: int, own: Counter[Hashable] = own) -> Fraction:
            # how much the sum of held² / size grows
            return Fraction(sum(n * (2 * held[part][k] + n) for k, n in own.items()), sizes[part])

        part = min(with_room or [emptiest], key=crowd)
        held[part].update(own)
        free[part] -= len(members)
        part_of |= dict.fromkeys(members, part)
    parts: list[list[str]] = [[] for _ in sizes]
    for subject in levels:
        parts[part_of[subject]].append(subject)
    return parts


def shares(total: int, parts: int) -> list[int]:
    """Sizes of so many parts of a total: as equal as can be."""
    return in_proportion(total, [1] * parts)


def in_proportion(total: int, sizes: Sequence[int]) -> list[int]:
    """Share out a total in proportion to these sizes, in whole numbers.

    Sizes that differ by one at most count as equal, so that the shares do so too.
    """
    if max(sizes) - min(sizes) <= 1:
        sizes = [1] * len(sizes)
    whole = sum(sizes)
    return [
        total * end // whole - total * start // whole
        for start, end in pairwise(accumulate(sizes, initial=0))
    ]


def rank(seed: int, name: str) -> bytes:
    """Place of a name in the random order that a seed makes."""
    return hashlib.sha256(f"{seed}\0{name}".encode()).digest()


def chance(seed: int, question: str, name: str) -> Fraction:
    """Return a number from 0 up to 1 that a seed, a question and a name decide alone."""
    return Fraction(int.from_bytes(rank(seed, f"{question}\0{name}")[:8]), 2**64)
