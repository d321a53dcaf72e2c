from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from headstart.common.errors import UserError
from headstart.training.covariate_effect import add_covariates
from headstart.training.network_arguments import PLANES
from headstart.training.networks import build_network
from headstart.training.networks import check_output
from headstart.training.registry import NETWORKS
from headstart.training.registry import networks_for
from headstart.training.registry import networks_of_scales
from headstart.training.sfcn import SFCN

SMALL = {
    "densenet121": {"init_features": 8, "growth_rate": 4, "block_config": [1, 1, 1, 1]},
    "resnet18": {},
    "sfcn": {"channels": [4, 4, 4, 4, 4, 4]},
    "unet": {"channels": [4, 4, 8, 8, 8]},
    "segresnet": {"init_filters": 8},
    "dynunet": {"filters": [4, 4, 8, 8, 8]},
    "efficientnet_b0": {},
    "vit": {"hidden_size": 12, "mlp_dim": 8, "num_layers": 2, "num_heads": 2},
    "resnet18_slices": {},
    "resenc_unet": {"channels": [4, 4, 8, 8, 8], "blocks": [1, 1, 2, 1, 1]},
    "swin_unetr": {"feature_size": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]},
    "plain_unet": {"channels": [4, 4, 8]},
    "unet_slices": {"channels": [4, 4, 8, 8, 8]},
}


def build(name, arguments=None, folder=None):
    return build_network(name, arguments or {}, in_channels=2, out_channels=3, folder=folder)


@pytest.mark.parametrize("name", networks_for(per_voxel=False))
def test_networks_that_pool_take_the_smallest_window(name):
    network = build(name, SMALL[name]).eval()
    x, y, z = NETWORKS[name].least(SMALL[name])
    assert network(torch.zeros(1, 2, x, y, z + 5)).shape == (1, 3)


@pytest.mark.parametrize("name", networks_for(per_voxel=True))
def test_networks_that_decode_take_windows_that_divide(name):
    network = build(name, SMALL[name]).eval()
    x, y, z = NETWORKS[name].multiples(SMALL[name])
    window = (x, 2 * y, 3 * z)
    assert network(torch.zeros(1, 2, *window)).shape == (1, 3, *window)


@pytest.mark.parametrize(
    ("name", "arguments", "multiples"),
    [
        ("unet", {"channels": [4, 8, 8], "strides": [2, 2]}, (4, 4, 4)),
        ("unet", {"channels": [4, 8], "strides": [[1, 2, 2]]}, (1, 2, 2)),
        ("segresnet", {"init_filters": 8, "blocks_down": [1, 2], "blocks_up": [1]}, (2, 2, 2)),
        ("dynunet", {"filters": [4, 4, 8], "strides": [1, [2, 2, 1], 2]}, (4, 4, 2)),
        ("resenc_unet", {"channels": [4, 4, 8], "blocks": [1, 1, 1]}, (4, 4, 4)),
        ("resenc_unet", {"channels": [4, 4], "strides": [1, [1, 2, 2]]}, (1, 2, 2)),
        ("unet_slices", {"channels": [4, 8], "strides": [2]}, (2, 2, 1)),
        ("unet_slices", {"channels": [4, 8], "strides": [2], "plane": "coronal"}, (2, 1, 2)),
        ("unet_slices", {"channels": [4, 8], "strides": [[4, 2]], "plane": "sagittal"}, (1, 4, 2)),
    ],
)
def test_fewer_halvings_ask_less_of_a_window(name, arguments, multiples):
    assert NETWORKS[name].multiples(arguments) == multiples
    window = tuple(n * m for n, m in zip(multiples, (1, 3, 5), strict=True))
    # batch norm and instance norm want more than one value
    assert build(name, arguments).eval()(torch.zeros(1, 2, *window)).shape == (1, 3, *window)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_wrong_argument_is_named(name):
    with pytest.raises(UserError, match=r"train\.network_arguments: .* not take widht; allowed: "):
        build(name, {"widht": 3})


def test_a_wrong_value_is_named():
    with pytest.raises(UserError, match=r"train\.network_arguments: unet can't be built"):
        build("unet", {"channels": [4, 8, 8], "strides": [2]})


def test_what_the_task_decides_is_not_an_argument():
    with pytest.raises(UserError, match="does not take in_channels"):
        build("unet", {"in_channels": 3})


def test_sfcn_has_the_paper_s_size():
    # Peng et al. 2021 state about 3 million parameters, for 40 age bins
    parameters = sum(p.numel() for p in SFCN(1, 40).parameters())
    assert 2.9e6 < parameters < 3.1e6


def test_own_network(tmp_path):
    (tmp_path / "my_net.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, in_channels, out_channels, width):\n"
        "        super().__init__()\n"
        "        self.layer = nn.Conv3d(in_channels, out_channels, width)\n"
        "    def forward(self, volumes):\n"
        "        return self.layer(volumes)\n"
    )
    network = build("my_net.py:Net", {"width": 3}, tmp_path)
    assert network(torch.zeros(1, 2, 4, 4, 4)).shape == (1, 3, 2, 2, 2)
    with pytest.raises(UserError, match="does not take depth; allowed: width"):
        build("my_net.py:Net", {"depth": 3}, tmp_path)
    with pytest.raises(UserError, match="has no class Other"):
        build("my_net.py:Other", {}, tmp_path)


def test_wrong_output_shape():
    check_output("my_net.py:Net", (2, 1), (2, 1))
    with pytest.raises(UserError, match=r"my_net\.py:Net gives an output of shape \(2, 5\)"):
        check_output("my_net.py:Net", (2, 5), (2, 1))


def test_sfcn_needs_no_monai():
    code = (
        "import sys; from headstart.training.networks import build_network;"
        "build_network('sfcn', {}, in_channels=1, out_channels=1, folder=None);"
        "assert not {'monai', 'torchio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unet_is_residual_as_methods_says():
    network = build("unet", SMALL["unet"])
    assert any("ResidualUnit" in type(module).__name__ for module in network.modules())


def test_resenc_unet_has_the_size_of_nnu_net_s():
    """As many weights as in dynamic_network_architectures 0.4.4 without its three unused heads."""
    with torch.device("meta"):
        network = build("resenc_unet")
    assert sum(p.numel() for p in network.parameters()) == 62_809_923


def test_resenc_unet_takes_strides_of_its_own():
    network = build("resenc_unet", {"channels": [4, 4, 8], "strides": [1, [1, 2, 2], 2]})
    assert network(torch.zeros(1, 2, 2, 8, 12)).shape == (1, 3, 2, 8, 12)
    with pytest.raises(UserError, match="strides need one entry for each of 2 resolutions"):
        build("resenc_unet", {"channels": [4, 4, 8], "strides": [1, 2]})


def test_a_residual_block_begins_as_its_shortcut():
    encoder = build("resenc_unet", {**SMALL["resenc_unet"], "channels": [4] * 5}).encoder
    volumes = torch.randn(2, 4, 6, 6, 6)
    assert torch.equal(encoder[0](volumes), functional.leaky_relu(volumes, 0.01))
    pooled = functional.avg_pool3d(volumes, 2)
    assert torch.equal(encoder[1](volumes), functional.leaky_relu(pooled, 0.01))


@pytest.mark.parametrize("name", networks_of_scales())
def test_deep_supervision_is_over_all_resolutions_but_the_lowest_two(name):
    given = {"in_channels": 2, "out_channels": 3, "folder": None, "deep_supervision": True}
    network = build_network(name, SMALL[name], **given)  # type: ignore[arg-type]
    volumes = torch.randn(1, 2, 32, 48, 32)
    scales = network.train()(volumes)
    windows = [(32, 48, 32), (16, 24, 16), (8, 12, 8)]
    assert [tuple(scale.shape) for scale in scales] == [(1, 3, *window) for window in windows]
    assert torch.equal(network.eval()(volumes), scales[0])
    plain = build(name, SMALL[name])
    assert plain.train()(volumes).shape == (1, 3, 32, 48, 32)
    with pytest.raises(UserError, match="does not take deep_supervision"):
        build(name, {"deep_supervision": True})


@pytest.mark.parametrize(("axis", "plane"), [*enumerate(PLANES, start=2)])
def test_a_network_on_slices_looks_at_one_slice_at_a_time(plane, axis):
    network = build("unet_slices", {**SMALL["unet_slices"], "plane": plane}).eval()
    volumes = torch.randn(1, 2, 32, 32, 32)
    changed = volumes.clone()
    changed.select(axis, 5).add_(1)
    differs = (network(volumes) != network(changed)).movedim(axis, 0).flatten(1).any(dim=1)
    assert differs.nonzero().flatten().tolist() == [5]


@pytest.mark.parametrize(("axis", "plane"), [*enumerate(PLANES, start=2)])
def test_slices_are_a_set_of_which_some_count_more(plane, axis):
    network = build("resnet18_slices", {"plane": plane}).eval()
    volumes = torch.randn(1, 2, 32, 32, 32)
    halves = torch.stack([network(half) for half in volumes.chunk(2, dim=axis)])
    assert torch.allclose(network(volumes), halves.mean(dim=0), atol=1e-5)  # a plain mean at first
    torch.nn.init.normal_(network.attention.weight)
    assert not torch.allclose(network(volumes), halves.mean(dim=0), atol=1e-5)
    assert torch.allclose(network(volumes.flip(axis)), network(volumes), atol=1e-5)


def test_of_slices_there_may_be_any_number():
    for axis, plane in enumerate(PLANES):
        for name in ("resnet18_slices", "unet_slices"):
            given = {**SMALL[name], "plane": plane}
            least, multiples = NETWORKS[name].least(given), NETWORKS[name].multiples(given)
            assert least[axis] == multiples[axis] == 1
            assert max(least) == (32 if name == "resnet18_slices" else 1)
            # instance norm wants more than one voxel of a slice
            window = [max(pair) * 2 for pair in zip(least, multiples, strict=True)]
            window[axis] = 1
            build(name, given).eval()(torch.zeros(1, 2, *window))


def test_there_are_three_planes():
    with pytest.raises(UserError, match="there is no 'frontal'; allowed: sagittal, coronal, axial"):
        build("unet_slices", {"plane": "frontal"})


def test_a_vision_transformer_sees_where_something_is():
    network = build("vit", SMALL["vit"]).eval()
    volumes = torch.randn(1, 2, 32, 32, 48)
    for axis in (2, 3, 4):  # the cubes in another order along one axis
        swapped = volumes.roll(16, axis)
        assert not torch.allclose(network(volumes), network(swapped), atol=1e-6)
    with pytest.raises(UserError, match="hidden_size needs to be a multiple of 6, but is 10"):
        build("vit", {"hidden_size": 10})


def test_efficientnet_forgets_what_batch_norm_saw_within_tens_of_steps():
    with torch.device("meta"):
        modules = list(build("efficientnet_b0").modules())
    norms = [module for module in modules if isinstance(module, torch.nn.BatchNorm3d)]
    assert {norm.momentum for norm in norms} == {0.1}


def test_sfcn_drops_what_it_is_told_to():
    drops = [m.p for m in SFCN(1, 1, dropout=0.2).modules() if isinstance(m, torch.nn.Dropout)]
    assert drops == [0.2]
    network = SFCN(1, 1, channels=[4, 4], dropout=0.9).train()
    torch.manual_seed(0)
    volumes = torch.randn(2, 1, 4, 4, 4)
    assert not torch.equal(network(volumes), network(volumes))


OWN = """
{top}
from torch import nn

class Net(nn.Module):
    def __init__(self, in_channels, out_channels):
        {built}
        super().__init__()

    def forward(self, volumes):
        {run}
        return SCALE * volumes
"""
HELPED = {
    "at the top": {"top": "from helper import SCALE"},
    "as a module": {"top": "import helper", "run": "SCALE = helper.SCALE"},
    "when it is built": {"built": "global SCALE; from helper import SCALE"},
    "when it runs": {"run": "from helper import SCALE"},
    "by a helper, when it runs": {"top": "import relay", "run": "SCALE = relay.scale()"},
    "from a package": {"top": "from blocks.inner import SCALE"},
    "from a folder": {"top": "from folder.deep.inner import SCALE"},
    "by a name made when it runs": {
        "run": "import importlib as i; SCALE = i.import_module('helper').SCALE"
    },
}


def write_own(folder: Path, scale: float, **lines: str) -> Path:
    texts = {
        "net.py": OWN.format_map({"top": "", "built": "", "run": "", **lines}),
        "helper.py": f"SCALE = {scale}\n",
        "relay.py": "def scale():\n    from helper import SCALE\n    return SCALE\n",
        "blocks/__init__.py": "from blocks import inner\n",
        "blocks/inner.py": "from . import other\nSCALE = other.SCALE\n",
        "blocks/other.py": f"SCALE = {scale}\n",
        "folder/deep/inner.py": f"SCALE = {scale}\n",
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize("lines", HELPED.values(), ids=HELPED)
def test_each_own_network_has_its_own_helpers(tmp_path, lines):
    path, modules = list(sys.path), set(sys.modules)
    networks = {
        scale: build("net.py:Net", folder=write_own(tmp_path / name, scale, **lines))
        for name, scale in {"a": 1.0, "b": -1.0, "c": 3.0}.items()
    }
    for _ in range(2):
        for scale, network in networks.items():
            assert network(torch.ones(1)).item() == scale
    assert sys.path == path
    assert not {"helper", "relay", "blocks", "folder", "own_network"} & (set(sys.modules) - modules)


def test_a_helper_that_was_edited_within_a_second_is_the_edited_one(tmp_path):
    """By its size and the second, Python would take what it compiled before."""
    for scale in (1.0, 2.0):
        folder = write_own(tmp_path, scale, **HELPED["at the top"])
        os.utime(folder / "helper.py", (9**9, 9**9))
        assert build("net.py:Net", folder=folder)(torch.ones(1)).item() == scale
    assert not list(tmp_path.rglob("*.pyc"))


def test_an_own_network_may_call_itself(tmp_path):
    """Averaged over a mirror image, say."""
    run = "from helper import SCALE\n        if len(volumes) > 1: return self(volumes[1:])"
    network = build("net.py:Net", folder=write_own(tmp_path, 2.0, run=run))
    assert network(torch.ones(3)).tolist() == [2.0]


def test_what_an_own_network_writes_into_a_scan_nobody_else_sees(tmp_path):
    """Tiles overlap, and a step of which memory holds too little is repeated."""
    run = "from helper import SCALE; volumes -= 1"
    network = build("net.py:Net", folder=write_own(tmp_path, 2.0, run=run))
    seen = torch.ones(3)
    assert network(seen).tolist() == [0, 0, 0]
    assert seen.tolist() == [1, 1, 1]


COPIED = """
import threading
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layer, self.head = nn.Linear(in_channels, 4), nn.Linear(4, out_channels)
        self.make()

    def make(self):
        pass

    def forward(self, volumes):
        return self.head(self.layer(volumes))

class Lambda(Net):
    def make(self):
        self.both = lambda volumes: self.head(self.layer(volumes))

    def forward(self, volumes):
        return self.both(volumes)

class Hook(Net):
    def make(self):
        self.layer.register_forward_hook(lambda layer, seen, said: setattr(self, "said", said))

    def forward(self, volumes):
        self.layer(volumes)
        return self.head(self.said)

class Norm(Net):
    def make(self):
        self.layer = nn.utils.weight_norm(self.layer)

class Lock(Net):
    def make(self):
        self.lock = threading.Lock()
"""


@pytest.mark.parametrize("name", ["Net", "Lambda", "Hook", "Norm", "Lock"])
@pytest.mark.parametrize("columns", [0, 2])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_a_copy_of_an_own_network_runs_by_its_own_weights(tmp_path, name, columns):
    """The average of the weights is one, and the network whose maps are those of shuffled ones."""
    (tmp_path / "net.py").write_text(COPIED)
    network = build(f"net.py:{name}", folder=tmp_path).eval()
    add_covariates(network, f"net.py:{name}", columns, 3)
    inputs = [torch.rand(2, 2), torch.rand(2, 2)][: 1 + bool(columns)]
    said = network(*inputs)
    drawn = torch.get_rng_state()
    other = copy.deepcopy(network)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert torch.equal(other(*inputs), said)
    assert not other.training
    with torch.no_grad():
        for weights in other.parameters():
            weights.mul_(2)
    assert not torch.equal(other(*inputs), said)
    assert torch.equal(network(*inputs), said)


FAULTS = {
    "a helper elsewhere": ({"top": "import shared_blocks"}, r"shared_blocks.*beside net\.py"),
    "no such name": ({"top": "from helper import WIDTH"}, "cannot import name 'WIDTH'"),
    "a data file": ({"top": "open('k.json')"}, r"k\.json.* data file.* not copied"),
    "a slip": (
        {"top": "from helper import SCALE\nSCALE / 0"},
        r"ZeroDivisionError.*net\.py, line 3",
    ),
    "its syntax": ({"top": "def"}, "SyntaxError: invalid syntax"),
    "it leaves": ({"top": "raise SystemExit(0)"}, "SystemExit: 0"),
    "when it is built": ({"built": "1 / 0"}, r"ZeroDivisionError.*net\.py, line 7"),
    "when it runs": (
        {"run": "import relay, absent"},
        r"batch of shape \(1, 2\).*absent.*net\.py, line 11.*beside net\.py",
    ),
}


@pytest.mark.parametrize(("lines", "why"), FAULTS.values(), ids=FAULTS)
def test_a_fault_in_an_own_network_is_one_sentence_about_it(tmp_path, lines, why):
    with pytest.raises(UserError, match=rf"^train\.network: net\.py:Net .*{why}") as caught:
        build("net.py:Net", folder=write_own(tmp_path, 1.0, **lines))(torch.ones(1, 2))
    assert "\n" not in str(caught.value)


def test_full_memory_is_no_fault_of_the_network(tmp_path):
    network = build("net.py:Net", folder=write_own(tmp_path, 1.0, run="raise MemoryError"))
    with pytest.raises(MemoryError):
        network(torch.ones(1))


def test_a_helper_that_another_module_hides_is_to_be_renamed(tmp_path):
    (tmp_path / "torch.py").write_text("SCALE = 1\n")
    (tmp_path / "net.py").write_text("from torch import SCALE\n")
    with pytest.raises(UserError, match=r"net\.py imports torch.* rename"):
        build("net.py:Net", folder=tmp_path)


def test_what_is_no_network_is_refused(tmp_path):
    (tmp_path / "net.py").write_text("def Net(channels): return len\n")
    with pytest.raises(UserError, match="does not take in_channels, out_channels; a network's"):
        build("net.py:Net", folder=tmp_path)
    (tmp_path / "net.py").write_text("def Net(in_channels, out_channels): return len\n")
    with pytest.raises(UserError, match=r"net\.py:Net is no torch\.nn\.Module"):
        build("net.py:Net", folder=tmp_path)
