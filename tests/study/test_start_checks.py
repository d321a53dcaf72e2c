"""What an experiment may start from, as it is known before anything runs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from headstart.common.errors import UserError
from headstart.common.run_id import RunId
from headstart.study.config import Config
from headstart.study.config import read_config
from headstart.study.starts import Starts
from headstart.study.starts import digests
from headstart.training.weights_catalogue import read_weights_catalogue

KNOWN = read_weights_catalogue()["medicalnet-resnet18"].sha256
STATED = {"from": "sfcn-ukb-age", "sha256": "ab" * 32}


def study(start: Any, parent: Any = None, source: str = "own", **more: Any) -> Config:
    """Experiments a and b, which start from what is given."""
    age: dict[str, Any] = {"task": "regression", "target": "age", "train": {"network": "sfcn"}}
    a, b = copy.deepcopy(age), copy.deepcopy(age)
    a["train"]["start"], b["train"]["start"] = parent, start
    b["train"] |= more.pop("train", {})
    return read_config(
        {
            "study": "s",
            "data": [{"source": source, "channels": {"T1": "{subject}.nii"}}],
            "prepare": {"window": [48, 48, 48]},
            "experiments": {"a": a, "b": b | more},
        }
    )


def test_a_name_alone_is_short_for_a_section() -> None:
    start = study("a").experiments["b"].train.start
    assert start is not None
    assert start == study({"from": "a"}).experiments["b"].train.start
    assert (start.origin, start.freeze, start.rate) == ("a", (), {})


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            {"start": "c"},
            "train.start: 'c' is neither another experiment of this study (a), nor in",
        ),
        ({"start": "c"}, "nor in the catalogue (medicalnet-resnet18, sfcn-ukb-age, sfcn-ukb-sex)"),
        ({"start": "w.bin"}, "nor a file (its name ends in .safetensors, .pt, .pth, .p, .ckpt)"),
        ({"start": "b"}, "experiments.b.train.start: a loop, b -> b; start one of them from none"),
        ({"start": "a", "parent": "b"}, "a loop, a -> b -> a"),
        ({"start": {"from": "a", "sha256": "ab" * 32}}, "start.sha256: is for files and names"),
        ({"start": "a", "folds": [0, 2]}, "a trains no network of folds [2] to start from; write"),
        ({"start": "a", "seeds": [1]}, "write seeds: [0, 1] in experiments.a"),
        ({"start": "sfcn-ukb-age"}, "nobody publishes the sha256 of sfcn-ukb-age; download https"),
        ({"start": STATED, "source": "ukb"}, "and so has seen the subjects of the source ukb"),
        (
            {"start": "medicalnet-resnet18"},
            "has weights of resnet18, not of sfcn; write network: resnet18 and network_arguments: "
            "{conv1_t_stride: 2, shortcut_type: A}",
        ),
        ({"start": {"from": "a", "sha256": "x"}}, "train.start.sha256: 'x' is not allowed"),
        ({"start": {"from": "a", "rate": {"x": 0}}}, "train.start.rate.x: 0 is not allowed"),
        ({"start": {"from": "a", "freze": []}}, "did you mean 'freeze'?"),
        ({"start": {}}, "train.start.from: this key is missing"),
    ],
)
def test_what_can_be_known_is_refused_with_what_is_allowed(
    written: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        study(**written)
    assert said in str(caught.value)


def test_each_training_starts_from_its_own(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"weights")

    def place(start: Any, fold: int = 0) -> tuple[str, list[str]]:
        config = study(start, train={"network": "resnet18"} if "medical" in str(start) else {})
        starts = Starts(config, tmp_path, digests(config, tmp_path))
        run = RunId("b", fold, 3)
        assert starts.place(RunId("a", fold, 3)) == ""
        return starts.place(run), starts.waits_for(run)

    folder = "s/train/a/main/fold-1/seed-3"
    assert place("a", 1) == (folder, [f"{folder}/model.safetensors", f"{folder}/model.json"])
    assert place("w.pt") == (str(tmp_path / "w.pt"), [])
    assert KNOWN is not None
    file = f".weights/medicalnet-resnet18-{KNOWN[:16]}.pth"
    assert place("medicalnet-resnet18") == (file, [file])
    assert place(STATED)[0] == f".weights/sfcn-ukb-age-{'ab' * 8}.p"
    assert place(None) == ("", [])


def test_what_is_downloaded_is_asked_for_by_its_digest(tmp_path: Path) -> None:
    config = study(STATED)
    starts = Starts(config, tmp_path, digests(config, tmp_path))
    file = Path(starts.place(RunId("b", 0, 0))).name
    assert starts.request(file) == ["--weights", "sfcn-ukb-age", "--sha256", "ab" * 32]


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("gone.pt", r"experiments\.b\.train\.start: .*gone\.pt is not there; its path starts at"),
        (
            {"from": "w.pt", "sha256": "ab" * 32},
            r"b\.train\.start: .*w\.pt has the sha256 [0-9a-f]{64}, not ab",
        ),
    ],
)
def test_a_file_must_be_there_and_the_stated_one(tmp_path: Path, start: Any, said: str) -> None:
    (tmp_path / "w.pt").write_bytes(b"weights")
    with pytest.raises(UserError, match=said):
        digests(study(start), tmp_path)
