"""What counts as a number in a table."""

from __future__ import annotations

import pytest

from headstart.common.text import is_number


@pytest.mark.parametrize("text", ["1", "-1.5", "1e-3", " 2 ", ".5", "+3"])
def test_numbers(text: str) -> None:
    assert is_number(text)


@pytest.mark.parametrize("text", ["", "1_0", "1_000.5", "\u0663", "\uff11", "½", "1,5", "one"])
def test_what_python_or_nobody_takes_for_one(text: str) -> None:
    assert not is_number(text)
