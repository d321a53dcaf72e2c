"""Files of weights: what is read, and what is refused before it runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from headstart.common.errors import UserError
from headstart.training.weights_files import read_weights

WEIGHTS = {"a.weight": torch.rand(2, 3), "a.bias": torch.rand(2), "a.count": torch.tensor(3)}


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_both_formats_give_the_same_tensors_without_counters(tmp_path):
    save_file(WEIGHTS, tmp_path / "w.safetensors")
    torch.save({"state_dict": WEIGHTS, "epoch": 7}, tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        found = read_weights(tmp_path / name)
        assert set(found) == {"a.weight", "a.bias"}
        assert all(torch.equal(found[key], WEIGHTS[key]) for key in found)


def test_what_would_run_is_refused_and_does_not(tmp_path):
    torch.save({"state_dict": WEIGHTS, "hook": Evil(tmp_path / "ran")}, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"can't be read as weights alone .* save it by torch.save"):
        read_weights(tmp_path / "w.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 torn"])
def test_a_torn_file_is_said_to_be_one(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"train.start: .*{name}"):
        read_weights(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"epoch": 3, "optimizer": {"lr": 1.0}}, "holds no weights: its keys are epoch, optimizer"),
        ([torch.rand(2, 2)], "holds a list, not weights by name"),
    ],
)
def test_a_file_without_weights_is_told_by_what_it_has(tmp_path, content, said):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(UserError, match=said):
        read_weights(tmp_path / "w.pt")
