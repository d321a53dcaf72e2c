"""The rows of the figures' registry."""

from __future__ import annotations

import pytest

from headstart.figures.registry import FIGURES


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_by_the_module_of_its_name(name: str):
    module, _, _ = FIGURES[name].draw.partition(":")
    assert module == f"headstart.figures.{name.replace('-', '_')}"
