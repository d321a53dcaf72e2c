"""The catalogue of weights: what it says."""

from __future__ import annotations

import pytest

from headstart.training.registry import NETWORKS
from headstart.training.start import ENDINGS
from headstart.training.weights_catalogue import read_weights_catalogue


@pytest.mark.parametrize("name", read_weights_catalogue())
def test_an_entry_is_for_a_network_of_ours_from_a_safe_address(name):
    entry = read_weights_catalogue()[name]
    assert entry.network in NETWORKS
    assert entry.ending in ENDINGS
    assert all(mirror.startswith("https://") for mirror in entry.mirrors)
    assert entry.cohorts
    assert "." not in name
