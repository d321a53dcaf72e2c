"""What a training costs in memory and time, worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from headstart.training.costs import learning_seconds
from headstart.training.costs import looking_seconds
from headstart.training.costs import training_memory
from headstart.training.costs import weights
from headstart.training.networks import build_network
from headstart.training.registry import NETWORKS

WINDOW = (100, 100, 100)
HALF = {"channels": [16, 32, 64, 128, 128, 64]}


def test_a_process_on_a_cpu_holds_libraries_weights_and_what_the_step_keeps() -> None:
    # 2.95 million weights of 16 bytes; 480 bytes for each of 4 million voxels
    expected = 0.56e9 + 2.95e6 * 16 + 480 * 4e6
    assert training_memory("sfcn", {}, WINDOW, 4, 0) == pytest.approx(expected)


def test_a_segmentation_holds_monai_and_its_classes_too() -> None:
    expected = 0.77e9 + 4.8e6 * 16 + (160 + 3 * 30) * 2e6
    assert training_memory("unet", {}, WINDOW, 2, 2) == pytest.approx(expected)


def test_a_gpu_holds_cuda_s_context_and_no_libraries() -> None:
    cpu = training_memory("sfcn", {}, WINDOW, 4, 0)
    assert training_memory("sfcn", {}, WINDOW, 4, 0, gpu=True) == pytest.approx(cpu + 0.44e9)


def test_half_the_width_keeps_half_and_has_a_quarter_of_the_weights() -> None:
    expected = 0.56e9 + 2.95e6 / 4 * 16 + 240 * 4e6
    assert training_memory("sfcn", HALF, WINDOW, 4, 0) == pytest.approx(expected)


def test_a_network_without_its_lowest_levels_has_few_weights_however_wide() -> None:
    # the hippocampus's: 64 * 128 in place of 128 * 256 weights of a kernel's voxel
    arguments = {"channels": [32, 64, 128], "strides": [2, 2]}
    expected = 0.77e9 + 4.8e6 / 4 * 16 + (320 + 90) * 4e6
    assert training_memory("unet", arguments, WINDOW, 4, 2) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("network", "arguments", "counted"),
    [
        ("sfcn", {}, 2_950_466),
        ("sfcn", {"channels": [16, 32, 64, 128, 128, 64]}, 742_722),
        ("unet", {"channels": [4, 8, 16], "strides": [2, 2]}, 18_269),
    ],
)
def test_the_weights_are_those_that_torch_counts(
    network: str, arguments: dict[str, Any], counted: int
) -> None:
    assert weights(network, arguments) == pytest.approx(counted, rel=0.1)


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        ("densenet121", {}),
        ("densenet121", {"block_config": [6, 12, 32, 32]}),
        ("densenet121", {"block_config": [6, 12, 64, 48]}),
        ("densenet121", {"block_config": [2, 3, 4], "init_features": 24, "growth_rate": 12}),
        ("densenet121", {"growth_rate": 16, "bn_size": 2}),
        ("segresnet", {}),
        ("segresnet", {"init_filters": 16}),
        ("segresnet", {"init_filters": 16, "blocks_down": [1, 2, 2], "blocks_up": [1, 1]}),
        ("segresnet", {"blocks_down": [1, 2], "blocks_up": [1]}),
        ("segresnet", {"blocks_down": [2, 2, 4, 8], "blocks_up": [3, 2, 1]}),
    ],
)
def test_layers_are_counted_as_they_are_built(network: str, arguments: dict[str, Any]) -> None:
    size = NETWORKS[network].size
    assert size is not None
    with torch.device("meta"):
        built = build_network(network, arguments, in_channels=1, out_channels=1, folder=Path())
    counted = sum(weights.numel() for weights in built.parameters())
    assert size(arguments).weights == counted
    assert weights(network, arguments) == pytest.approx(counted, rel=0.03)


def test_deeper_networks_keep_more_and_shallower_ones_less() -> None:
    def kept(network: str, **arguments: Any) -> float:
        classes = 2 if network == "segresnet" else 0
        of_one = training_memory(network, arguments, WINDOW, 1, classes)
        return (training_memory(network, arguments, WINDOW, 2, classes) - of_one) / 1e6

    # measured: 510 and 670 bytes of each voxel; 800 and, of two levels, 680
    assert kept("densenet121") == pytest.approx(510)
    assert 590 < kept("densenet121", block_config=[6, 12, 64, 48]) < 740
    assert kept("segresnet") == pytest.approx(800)
    assert 620 < kept("segresnet", blocks_down=[1, 2], blocks_up=[1]) < 740


def test_one_width_for_all_layers() -> None:
    once, twice = (
        training_memory("segresnet", {"init_filters": 16}, WINDOW, scans, 1) for scans in (1, 2)
    )
    assert twice - once == pytest.approx((2 * 710 + 60) * 1e6)


def test_to_look_at_scans_takes_a_share_of_the_time_of_learning_from_them() -> None:
    assert looking_seconds("unet", {}, WINDOW, 4) == pytest.approx(0.35 * 0.6 * 4)


def test_time_grows_with_voxels_scans_and_width() -> None:
    assert learning_seconds("sfcn", {}, WINDOW, 10) == pytest.approx(8)
    assert learning_seconds("sfcn", HALF, WINDOW, 10) == pytest.approx(8 / 2**1.3)
    wide = {"channels": [32, 64], "strides": [2]}
    assert learning_seconds("unet", wide, WINDOW, 10) == pytest.approx(12)
