"""Amounts of memory: as a user writes them, and as the system tells them of this process."""

from __future__ import annotations

import resource
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from headstart.common import memory_size
from headstart.common.memory_size import bytes_of
from headstart.common.memory_size import peak
from headstart.common.memory_size import resident
from headstart.common.memory_size import taken_at_most
from headstart.training.spent import Spent

MB = 10**6
TOLD = "Name:\tpython\nVmHWM:\t 3000000 kB\nVmRSS:\t 2000000 kB\n"


def test_linux_tells_units_of_1024_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = tmp_path / "status"
    status.write_text(TOLD)
    monkeypatch.setattr(memory_size, "STATUS", status)
    assert (peak(), resident()) == (3_072_000_000, 2_048_000_000)
    spent = Spent()
    spent.measure_memory()
    assert spent.memory == 3.072  # GB of 10^9 bytes


@pytest.mark.parametrize(("platform", "told"), [("darwin", 7e8), ("freebsd", 7e8 * 1024)])
def test_other_systems_tell_the_peak_alone(
    platform: str, told: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_size, "STATUS", tmp_path / "none")
    monkeypatch.setattr(memory_size.sys, "platform", platform)
    usage = SimpleNamespace(ru_maxrss=700_000_000)
    monkeypatch.setattr(resource, "getrusage", lambda _: usage)
    assert peak() == resident() == told


def test_the_peak_stays_when_memory_is_given_back() -> None:
    before = resident()
    np.ones(25 * MB)
    assert peak() - before > 190 * MB
    assert resident() - before < 100 * MB


def test_memory_that_work_takes_is_seen() -> None:
    taken_at_most(lambda: np.ones(10 * MB))
    assert 75 * MB < taken_at_most(lambda: np.ones(10 * MB)) < 100 * MB
    assert taken_at_most(lambda: None) < 10 * MB


@pytest.mark.parametrize(("text", "expected"), [("2G", 2e9), ("1.5 GB", 1.5e9), ("800M", 8e8)])
def test_amounts_of_memory(text: str, expected: float) -> None:
    assert bytes_of(text) == expected


@pytest.mark.parametrize("text", ["2", "G", "0G", "2T", "-2G", "2GiB"])
def test_what_is_no_amount_of_memory(text: str) -> None:
    with pytest.raises(ValueError, match="is no amount of memory; write"):
        bytes_of(text)
