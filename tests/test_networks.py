from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from headstart.parts.config import DIVIDES
from headstart.parts.config import POOLS
from headstart.parts.errors import UserError
from headstart.parts.networks import build_network
from headstart.parts.networks import check_output
from headstart.parts.sfcn import SFCN

SMALL = {
    "densenet121": {"init_features": 8, "growth_rate": 4, "block_config": [1, 1, 1, 1]},
    "resnet18": {},
    "sfcn": {"channels": [4, 4, 4, 4, 4, 4]},
    "unet": {"channels": [4, 4, 8, 8, 8]},
    "segresnet": {"init_filters": 8},
    "dynunet": {"filters": [4, 4, 8, 8, 8]},
}


def build(name, arguments=None, folder=None):
    return build_network(name, arguments or {}, in_channels=2, out_channels=3, folder=folder)


@pytest.mark.parametrize("name", POOLS)
def test_networks_that_pool_take_the_smallest_window(name):
    network = build(name, SMALL[name]).eval()
    side = POOLS[name]
    assert network(torch.zeros(1, 2, side, side, side + 5)).shape == (1, 3)


@pytest.mark.parametrize("name", DIVIDES)
def test_networks_that_decode_take_windows_that_divide(name):
    network = build(name, SMALL[name]).eval()
    window = (DIVIDES[name], 2 * DIVIDES[name], 3 * DIVIDES[name])
    assert network(torch.zeros(1, 2, *window)).shape == (1, 3, *window)


@pytest.mark.parametrize("name", [*POOLS, *DIVIDES])
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
        "import sys; from headstart.parts.networks import build_network;"
        "build_network('sfcn', {}, in_channels=1, out_channels=1, folder=None);"
        "assert not {'monai', 'torchio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
