"""Two scans of one person under two consecutive numbers are seen; chance and sites are not."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from headstart.cohort.numbering import numbered_in_twos


def resembling(partner_of: dict[int, int], number: int) -> list[int]:
    """Return each scan's most similar: a partner, or somebody far away in number."""
    return [partner_of.get(one, (one + number // 2) % number) for one in range(number)]


def test_two_scans_of_one_person_under_consecutive_numbers_are_named() -> None:
    names = [f"case_{number:03d}" for number in range(1, 101)]  # 1 and 2 are one, 3 and 4, …
    one_in_four = {one: one ^ 1 for one in range(0, 100, 4)}
    found = numbered_in_twos(resembling(one_in_four, 100), names)
    assert found == [(n, n + 1) for n in range(0, 100, 4)]
    assert numbered_in_twos(resembling(one_in_four, 100), [f"{n}x" for n in names]) == []


@pytest.mark.parametrize("step", [12, 50])
def test_few_consecutive_likes_mean_nothing(step: int) -> None:
    names = [str(number) for number in range(100)]
    partner_of = {one: one ^ 1 for one in range(0, 100, step)}
    assert numbered_in_twos(resembling(partner_of, 100), names) == []


def test_likes_on_both_sides_are_a_site_not_a_person() -> None:
    names = [str(number) for number in range(100)]
    either = {one: one + 1 for one in range(99)}
    assert numbered_in_twos(resembling(either, 100), names) == []


@settings(max_examples=50)
@given(st.randoms(use_true_random=False), st.integers(20, 300))
def test_chance_names_nobody(random: Random, number: int) -> None:
    others = [random.choice([n for n in range(number) if n != one]) for one in range(number)]
    assert numbered_in_twos(others, [f"s{n}" for n in range(number)]) == []
