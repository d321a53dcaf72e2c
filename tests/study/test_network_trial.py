"""Networks that are built before anything runs: what is refused, and what is remembered."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from headstart.common.errors import UserError
from headstart.study import network_trial
from headstart.study.config import Config
from headstart.study.config import read_config
from headstart.study.network_trial import check_networks
from headstart.study.provenance import PACKAGE
from headstart.study.provenance import _read
from headstart.study.provenance import closure_digest
from headstart.training.registry import NETWORKS
from headstart.training.registry import networks_for
from headstart.training.registry import networks_of_scales
from headstart.training.start import Start

OWN = """
import torch
from pathlib import Path

class Net(torch.nn.Module):
    def __init__(self, in_channels, out_channels, width=3):
        super().__init__()
        self.head = torch.nn.Linear(in_channels, out_channels)
        self.count = self.head.weight.sum().item()  # fails where there are no numbers

    def forward(self, x):
        return self.head(x.mean((2, 3, 4)))

class Looks(Net):
    def forward(self, x):
        return super().forward(x) if x.sum().item() else x

class Wrong(Net):
    def forward(self, x):
        return super().forward(x)[:, :, None]

class Mask(Net):
    def forward(self, x):
        return x[..., 1:]

class Fails(Net):
    def __init__(self, in_channels, out_channels):
        raise SystemExit(3)

class Frozen(Net):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.requires_grad_(False)

class Plain(torch.nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.head = torch.nn.Linear(in_channels, out_channels)

    def forward(self, x):
        return self.head(x.mean((2, 3, 4)))

class Pair(Plain):
    def forward(self, x):
        return super().forward(x), x

class Detached(Plain):
    def forward(self, x):
        return super().forward(x).detach()

class InPlace(Plain):
    def forward(self, x):
        output = super().forward(x).exp()
        output += 1
        return output

class Otherwise(Plain):
    def forward(self, x):
        return super().forward(x) if self.training else super().forward(x)[:, 0]

class Late(Plain):
    def forward(self, x):
        self.last = torch.nn.Linear(2, 2)
        return self.last(super().forward(x))

class Listed(Plain):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.more = [torch.nn.Linear(out_channels, out_channels)]

    def forward(self, x):
        return self.more[0](super().forward(x))

class Lazy(Plain):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.head = torch.nn.LazyLinear(out_channels)

class Nothing:
    def __init__(self, in_channels, out_channels):
        print("no network")
"""
WELL = {
    "a": ("resnet18", {}),
    "b": ("densenet121", {"growth_rate": 8}),
    "c": ("sfcn", {"channels": [4, 8, 8, 8, 8, 8]}),
    "d": ("net.py:Net", {"width": 9}),
    "e": ("net.py:Looks", {}),
    "lazy": ("net.py:Lazy", {}),
}
BADLY = {
    "f": ("resnet18", {"channels": [8]}, "does not take channels; allowed: conv1_t_size"),
    "g": ("net.py:Net", {"widht": 9}, "does not take widht; allowed: width"),
    "h": ("net.py:Wrong", {}, "gives an output of shape (2, 2, 1) where (2, 2) is needed"),
    "i": ("net.py:Fails", {}, "can't be built with {}: SystemExit: 3"),
    "j": ("net.py:Nothing", {}, "is no torch.nn.Module"),
    "k": ("net.py:Away", {}, "has no class Away"),
    "l": ("densenet121", {"init_features": "x"}, "can't be built"),
    "frozen": ("net.py:Frozen", {}, "net.py:Frozen has no weights to learn"),
    "pair": ("net.py:Pair", {}, "gives a tuple where one tensor of floating-point numbers"),
    "detached": ("net.py:Detached", {}, "no gradient can be computed: element 0 of tensors"),
    "in-place": ("net.py:InPlace", {}, "modified by an inplace operation"),
    "otherwise": ("net.py:Otherwise", {}, "of shape (2,) where (2, 2) is needed"),
    "listed": ("net.py:Listed", {}, "of shape (2, 2) that its parameters() does not have"),
    "late": ("net.py:Late", {}, "makes last.bias when it first sees a scan"),
}


def study(
    experiments: dict[str, tuple[str, dict[str, Any]]], train: Any = (), **keys: Any
) -> Config:
    return read_config(
        {
            "study": "s",
            "data": [{"source": "own", "channels": {"T1": "{subject}.nii"}, "mask": "m.nii"}],
            "classes": {1: "grey"},
            "prepare": {"window": [48, 48, 64]},
            "experiments": {
                name: {
                    "task": "segmentation" if _is_dense(network) else "classification",
                    "target": "mask" if _is_dense(network) else "sex",
                    "train": {"network": network, "network_arguments": arguments} | dict(train),
                }
                for name, (network, arguments) in experiments.items()
            },
        }
        | keys
    )


def _is_dense(network: str) -> bool:
    return network in (*networks_for(per_voxel=True), "net.py:Mask")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "net.py").write_text(OWN)
    return tmp_path


@pytest.mark.slow
def test_what_can_be_built_is_remembered_and_the_rest_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = {name: (network, arguments) for name, (network, arguments, _) in BADLY.items()}
    unet = {"m": ("unet", {}), "n": ("net.py:Mask", {})}
    with pytest.raises(UserError) as caught:
        check_networks(study(WELL | bad | unet), folder)
    said = dict(line.split(".train.", 1) for line in str(caught.value).splitlines())
    assert set(said) == {f"experiments.{name}" for name in [*BADLY, "n"]}
    for name, (_, _, why) in BADLY.items():
        assert why in said[f"experiments.{name}"]
    assert "(2, 2, 48, 48, 64) is needed" in said["experiments.n"]

    monkeypatch.setattr(network_trial, "_in_own_process", None)
    check_networks(study(WELL | {"m": ("unet", {})}), folder)


# What each of ours halves to a single voxel, which instance norm has nothing to do with.
HALVED = {"unet": 16, "dynunet": 16, "resenc_unet": 16, "unet_slices": 16, "swin_unetr": 32}


@pytest.mark.slow
@pytest.mark.parametrize("edge", [16, 32])
def test_a_window_of_which_a_single_voxel_is_left_is_refused(folder: Path, edge: int) -> None:
    halved = {n.replace("_", "-"): (n, {}) for n, length in HALVED.items() if length == edge}
    with pytest.raises(UserError) as caught:
        check_networks(study(halved, prepare={"window": [edge] * 3}), folder)
    lines = str(caught.value).splitlines()
    said = {
        line.partition(" to a single one, which has no spread to be normal")[0] for line in lines
    }
    assert said == {
        f"experiments.{name}.train.network: {network} halves {edge}x{edge}x{edge} voxels"
        for name, (network, _) in halved.items()
    }
    assert all(line.endswith(f"e.g. {[2 * edge, edge, edge]}") for line in lines)
    check_networks(study(halved, prepare={"window": [2 * edge, edge, edge]}), folder)


@pytest.mark.slow
def test_the_shortest_windows_that_are_allowed_can_be_learnt_from(folder: Path) -> None:
    whole = {n.replace("_", "-"): (n, {}) for n in networks_for(per_voxel=False)}
    check_networks(study(whole, prepare={"window": [32] * 3}), folder)
    check_networks(study({"s": ("segresnet", {})}, prepare={"window": [8] * 3}), folder)


@pytest.mark.slow
def test_each_of_our_networks_is_built_as_it_comes(folder: Path) -> None:
    every: dict[str, tuple[str, dict[str, Any]]] = {
        name.replace("_", "-"): (name, {}) for name in NETWORKS
    }
    check_networks(study(every, prepare={"window": [64, 96, 64]}), folder)
    deep = {name: one for name, one in every.items() if one[0] in networks_of_scales()}
    check_networks(study(deep, {"deep_supervision": True}, prepare={"window": [64] * 3}), folder)
    remembered = list((folder / "cache/headstart/networks").iterdir())
    assert len(remembered) == len(NETWORKS) + len(networks_of_scales()) > len(NETWORKS)


@pytest.mark.slow
def test_values_that_an_augmentation_does_not_take_are_named(folder: Path) -> None:
    config = study({"a": ("net.py:Net", {})})
    raw = config.model_dump(mode="json", exclude_defaults=True)
    raw["experiments"] = dict(raw["experiments"])
    raw["experiments"]["a"]["train"]["augment"] = [{"RandomNoise": {"std": "much"}}]
    with pytest.raises(UserError, match=r"experiments\.a\.train\.augment: RandomNoise"):
        check_networks(read_config(raw), folder)


@pytest.mark.slow
def test_what_a_network_starts_from_must_fit_it(folder: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"module.stem.weight": torch.rand(8, 1, 3, 3, 3)}, folder / "other.pt")
    small = {"channels": [4, 8, 8]}
    config = study({"a": ("sfcn", small), "b": ("densenet121", {})})
    starts: dict[str, Any] = {
        "well": {"from": "a", "freeze": ["features.0"], "rate": {"features.[12]": 0.1}},
        "none": "b",
        "file": "other.pt",
        "typo": {"from": "a", "freeze": ["featurs"]},
        "twice": {"from": "a", "rate": {"features": 0.1, "features.0": 0.2}},
    }
    experiments = dict(config.experiments)
    for name, start in starts.items():
        begun = config.experiments["a"].train.model_copy(
            update={"start": Start(**({"from": start} if isinstance(start, str) else start))}
        )
        experiments[name] = config.experiments["a"].model_copy(update={"train": begun})
    with pytest.raises(UserError) as caught:
        check_networks(config.model_copy(update={"experiments": experiments}), folder)
    said = dict(line.split(".train.start", 1) for line in str(caught.value).splitlines())
    assert set(said) == {f"experiments.{name}" for name in set(starts) - {"well"}}
    assert ": b has 0% of this network's weights" in said["experiments.none"]
    assert "features.conv0.weight (64, 1, 7, 7, 7)" in said["experiments.none"]
    assert "module.stem.weight (8, 1, 3, 3, 3)" in said["experiments.file"]
    assert (
        ".freeze: 'featurs' is no module of this network; there are: features, features.0"
        in (said["experiments.typo"])
    )
    assert ".rate: features and features.0 both match a weight" in said["experiments.twice"]


def test_another_file_of_weights_is_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    monkeypatch.setattr(
        network_trial, "_in_own_process", lambda trials, *_: tried.extend(trials) or {}
    )
    plain = study({"a": ("sfcn", {})})
    begun = plain.experiments["a"].train.model_copy(update={"start": Start(**{"from": "w.pt"})})
    one = plain.experiments["a"].model_copy(update={"train": begun})
    config = plain.model_copy(update={"experiments": {"a": one}})
    for content in (b"one", b"one", b"other"):
        (folder / "w.pt").write_bytes(content)
        check_networks(config, folder)
    assert tried == ["a", "a"]


def test_only_what_is_new_is_tried(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def fake(trials: dict[str, Any], *_: Path) -> dict[str, str]:
        tried.extend(trials)
        return {name: "train.network: no" for name in trials if name == "bad"}

    monkeypatch.setattr(network_trial, "_in_own_process", fake)
    config = study({"a": ("sfcn", {}), "b": ("net.py:Net", {})})
    for changed, new in (
        (config, ["a", "b"]),
        (config, []),
        (study({"c": ("sfcn", {}), "d": ("resnet18", {})}), ["d"]),
        (study({"a": ("sfcn", {"channels": [8]})}), ["a"]),
        (study({"a": ("sfcn", {})}, prepare={"window": [64, 64, 64]}), ["a"]),
    ):
        tried.clear()
        check_networks(changed, folder)
        assert tried == new
    (folder / "net.py").write_text(f"{OWN}\n# another file\n")
    tried.clear()
    check_networks(config, folder)
    assert tried == ["b"]

    for _ in range(2):
        tried.clear()
        with pytest.raises(UserError, match=r"^experiments\.bad\.train\.network: no$"):
            check_networks(study({"bad": ("resnet18", {"widen_factor": 2})}), folder)
        assert tried == ["bad"]
    tried.clear()
    check_networks(
        study({"bad": ("resnet18", {"widen_factor": 2}), "a": ("sfcn", {})}), folder, "a"
    )
    assert tried == []


def test_where_nothing_can_be_remembered_it_is_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    (folder / "cache").write_text("a file, not a folder")
    monkeypatch.setattr(
        network_trial, "_in_own_process", lambda trials, *_: tried.extend(trials) or {}
    )
    for _ in range(2):
        check_networks(study({"a": ("sfcn", {})}), folder)
    assert tried == ["a", "a"]


@pytest.mark.parametrize(
    ("file", "line", "again"),
    [
        ("own_modules.py", "EXTRA = 1", True),
        ("blocks.py", "EXTRA = 1", True),  # a new module, which nobody listed
        ("blocks.py", "# a comment", False),
        ("loop.py", "EXTRA = 1", False),  # builds no network
    ],
)
def test_it_is_tried_again_after_an_edit_of_what_builds_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, file: str, line: str, again: bool
) -> None:
    training = shutil.copytree(PACKAGE, folder / "headstart") / "training"
    (training / "blocks.py").write_text("WIDTH = 1\n")
    add(training / "networks.py", "from headstart.training.blocks import WIDTH")
    tried: list[str] = []
    monkeypatch.setattr(network_trial, "PACKAGE", training.parent)
    monkeypatch.setattr(
        network_trial, "_in_own_process", lambda trials, *_: tried.extend(trials) or {}
    )
    check_networks(study({"a": ("sfcn", {})}), folder)
    add(training / file, line)
    closure_digest.cache_clear()
    _read.cache_clear()
    check_networks(study({"a": ("sfcn", {})}), folder)
    assert tried == ["a"] * (1 + again)


def add(module: Path, line: str) -> None:
    module.write_text(f"{module.read_text()}{line}\n")


@pytest.mark.parametrize("home", ["/proc/nohome", "/dev/null"])
def test_nothing_is_remembered_where_there_is_no_home(monkeypatch, tmp_path, home):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    asked = []

    def tried(trials, *_):
        asked.append(list(trials))
        return {}

    monkeypatch.setattr(network_trial, "_in_own_process", tried)
    for _ in range(2):
        check_networks(study({"c": WELL["c"]}), tmp_path)
    assert asked == [["c"], ["c"]]


# What a job would not have: it gets the network's file and what that is seen to import.
LACKING = {
    "named": "import importlib\nimportlib.import_module('helper')\n",
    "above": "import shared_blocks\n",
    "data": "import reader\n",
    "near": "open('sub/k.json')\n",
}


@pytest.mark.slow
def test_a_network_is_built_from_the_files_that_a_job_gets(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    reader = "from pathlib import Path\n(Path(__file__).parent / 'k.json').read_text()\n"
    texts = {f"sub/{name}.py": text + OWN for name, text in LACKING.items()} | {
        "sub/reader.py": reader,
        "sub/k.json": "1",
        "sub/helper.py": "",
        "shared_blocks.py": "",
        "a/net.py": f"from helper import A\n{OWN}",
        "a/helper.py": "A = 1\n",
        "b/net.py": f"from helper import B\n{OWN}",
        "b/helper.py": "B = 1\n",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    lacking = {name: (f"sub/{name}.py:Net", {}) for name in LACKING}
    well = {"a": ("a/net.py:Net", {}), "b": ("b/net.py:Net", {})}
    with pytest.raises(UserError) as caught:
        check_networks(study(lacking | well), folder)
    said = dict(line.split(".train.", 1) for line in str(caught.value).splitlines())
    assert set(said) == {f"experiments.{name}" for name in LACKING}
    for name, what in {
        "named": "No module named 'helper'",
        "above": "No module named 'shared_blocks'",
        "data": "k.json",
        "near": "k.json",
    }.items():
        assert f"sub/{name}.py" in said[f"experiments.{name}"]
        assert what in said[f"experiments.{name}"]


OWN_LOSS = """
import numpy as np
from torch.nn import functional

class Loss:
    def __call__(self, output, truth):
        return functional.cross_entropy(output, truth)

class Masks(Loss):
    def __call__(self, output, truth):
        return super().__call__(output, truth[:, 0].long())

class Numpy(Loss):
    def __call__(self, output, truth):
        return functional.cross_entropy(output.detach(), truth)
"""


@pytest.mark.slow
def test_a_loss_of_ones_own_is_tried_as_well(folder: Path) -> None:
    (folder / "loss.py").write_text(OWN_LOSS)
    raw = study({"a": ("sfcn", {}), "b": ("unet", {})})
    raw = raw.model_dump(mode="json", exclude_defaults=True)
    (_, sex), (_, mask) = raw["experiments"]

    def tried(**losses: str) -> list[str]:
        experiments = {
            name: {**of, "train": of["train"] | {"loss": f"loss.py:{losses[name]}"}}
            for name, of in (("a", sex), ("b", mask))
            if name in losses
        }
        try:
            check_networks(read_config(raw | {"experiments": experiments}), folder)
        except UserError as error:
            return str(error).splitlines()
        return []

    assert tried(a="Loss", b="Masks") == []
    one, two = tried(a="Numpy", b="Loss")
    assert one.startswith("experiments.a.train.loss: loss.py:Numpy: no gradient can be computed")
    assert two.startswith("experiments.b.train.loss: loss.py:Loss can't take an output of shape (2")
    (folder / "loss.py").write_text(OWN_LOSS.replace("super().__call__", "self.absent"))
    assert "absent" in tried(b="Masks")[0]
