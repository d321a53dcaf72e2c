"""Files of weights: what is read, and what is refused before it runs."""

from __future__ import annotations

import pickle
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


def test_nobody_is_told_to_run_what_a_file_holds(tmp_path):
    (tmp_path / "w.pth").write_bytes(pickle.dumps({"a.weight": [1.0]}, protocol=4))
    with pytest.raises(UserError, match="can't be read as weights alone") as caught:
        read_weights(tmp_path / "w.pth")
    assert "weights_only" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"no weights at all", b"PK\x03\x04 torn", b"hello", b"\x80\x02}q", b"(lp0\n"]
)
def test_a_torn_file_is_said_to_be_one(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"train.start: .*{name}"):
        read_weights(tmp_path / name)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_was_copied_in_part_is_said_to_be_one(tmp_path, name, share):
    weights = {"a.weight": torch.rand(200, 300)}
    save = save_file if name == "w.safetensors" else torch.save
    save(weights, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=f"train.start: .*{name} can't be read as weights alone"):
        read_weights(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"epoch": 3, "optimizer": {"lr": 1.0}}, "holds no weights: its keys are epoch, optimizer"),
        ([torch.rand(2, 2)], "holds a list, not weights by name"),
        ({"a.weight": torch.zeros(2, 2, dtype=torch.complex64)}, "no tensor of real numbers"),
    ],
)
def test_a_file_without_weights_is_told_by_what_it_has(tmp_path, content, said):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(UserError, match=said):
        read_weights(tmp_path / "w.pt")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300])
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_weights_that_are_no_numbers_are_refused(tmp_path, name, number):
    broken = {**WEIGHTS, "b.weight": torch.tensor([[1.0, number]], dtype=torch.float64)}
    save = save_file if name == "w.safetensors" else torch.save
    save(broken, tmp_path / name)
    with pytest.raises(UserError, match=rf"{name} has NaN or infinity in b\.weight"):
        read_weights(tmp_path / name)


def test_half_precision_is_read_and_what_holds_no_numbers_is_not(tmp_path):
    others = {"s": torch.eye(3).to_sparse(), "m": torch.empty(2, 2, device="meta")}
    torch.save({"h": torch.ones(2, 2).half(), **others}, tmp_path / "w.pth")
    found = read_weights(tmp_path / "w.pth")
    assert set(found) == {"h"}
    assert found["h"].dtype == torch.float32
