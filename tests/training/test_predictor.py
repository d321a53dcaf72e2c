"""Prediction by tiles: what a network says of a whole scan, seams, edges and odd sizes included."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tile_scans import filters
from tile_scans import noise
from tile_scans import scan_like
from torch import Tensor
from torch import nn

from headstart.imaging.channel_scale import ChannelScale
from headstart.training.config import Predict
from headstart.training.config import Train
from headstart.training.inference import predict_scan
from headstart.training.inference import predict_slabs
from headstart.training.predictor import Tiled
from headstart.training.predictor import make_predictor
from headstart.training.receptive_field import receptive_field

CPU = torch.device("cpu")
ONE = (1, 1, 1)


class Halving(nn.Module):
    """A network that halves, sees there, and has a skip."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.top, self.deep = nn.Conv3d(1, 2, 3, padding=1), nn.Conv3d(2, 2, 3, padding=1)
        self.last = nn.Conv3d(4, 2, 1)

    def forward(self, volumes: Tensor) -> Tensor:
        top = self.top(volumes)
        deep = self.deep(nn.functional.max_pool3d(top, 2)).relu()
        wide = nn.functional.interpolate(deep, scale_factor=2, mode="nearest")
        return self.last(torch.cat([top, wide], 1))


@pytest.mark.parametrize(
    "shape", [(37, 24, 51), (24, 24, 24), (25, 24, 24), (70, 29, 24), (31, 90, 33)]
)
def test_tiles_of_a_linear_filter_are_the_whole_to_rounding(shape, capsys) -> None:
    network, volumes = filters(channels=2), noise(2, 2, *shape)
    with torch.inference_mode():
        tiled = Tiled(network, (24, 24, 24), steps=ONE, overlap=0)(volumes)
        whole = network(volumes)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)
    said = capsys.readouterr().err
    assert said == (
        ""
        if shape == (24, 24, 24)
        else "tiles of 24x24x24 voxels with margins of 4x4x4: the same answer as for a whole scan "
        "at once\n"
    )


def test_too_narrow_margins_would_be_seen() -> None:
    """The test above can fail: one voxel less, and seams are far beyond rounding."""
    network, volumes = filters(), noise(1, 1, 42, 24, 24)
    tiled = Tiled(network, (24, 24, 24), steps=ONE, overlap=0)
    tiled._margins[tiled.size] = [3, 3, 3]
    with torch.inference_mode():
        difference = (tiled(volumes) - network(volumes)).abs().amax((0, 1, 3, 4))
    assert difference.max() > 1e-3
    assert difference.nonzero().flatten().tolist() == [20, 21]


@pytest.mark.parametrize("shape", [(36, 20, 50), (37, 21, 51)])
def test_tiles_of_a_network_that_halves_begin_where_its_halves_do(shape) -> None:
    network, volumes = Halving().eval(), noise(1, 1, *shape)
    padded = volumes.amin().repeat(1, 1, *(n + n % 2 for n in shape))
    padded[..., : shape[0], : shape[1], : shape[2]] = volumes
    with torch.inference_mode():
        tiled = Tiled(network, (20, 20, 20), steps=(2, 2, 2), overlap=0)(volumes)
        whole = network(padded)[..., : shape[0], : shape[1], : shape[2]]
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_a_scan_shorter_than_a_tile_lies_in_its_middle() -> None:
    network, volumes = filters(), noise(1, 1, 9, 30, 24)
    padded = volumes.amin().repeat(1, 1, 24, 30, 24)
    padded[:, :, 8:17] = volumes
    with torch.inference_mode():
        tiled = Tiled(network, (24, 24, 24), steps=ONE, overlap=0)(volumes)
        np.testing.assert_allclose(tiled, network(padded)[:, :, 8:17], atol=1e-5)


def test_how_far_a_network_sees() -> None:
    size = (40, 32, 24)
    assert receptive_field(filters(layers=2), 1, size, ONE, CPU) == [4, 4, 4]
    assert receptive_field(filters(layers=5), 1, size, ONE, CPU) == [10, 10, 10]
    assert receptive_field(filters(layers=6), 1, size, ONE, CPU) == [12, 12, None]
    assert receptive_field(nn.Conv3d(1, 1, (7, 1, 3), padding=(3, 0, 1)), 1, size, ONE, CPU) == [
        3,
        0,
        1,
    ]
    tied = nn.Sequential(nn.Conv3d(1, 2, 3, padding=1), nn.InstanceNorm3d(2)).eval()
    assert receptive_field(tied, 1, size, ONE, CPU) == [None, None, None]


def test_tiles_that_are_not_the_whole_are_told(capsys) -> None:
    tied = nn.Sequential(nn.Conv3d(1, 2, 3, padding=1), nn.InstanceNorm3d(2)).eval()
    tiled = Tiled(tied, (24, 24, 24), steps=(8, 8, 8), overlap=0.25)
    with torch.inference_mode():
        one = tiled(noise(1, 1, 37, 24, 51))
        two = tiled(noise(1, 1, 37, 24, 51))
    assert torch.equal(one, two)
    assert capsys.readouterr().err == (
        "tiles of 24x24x24 voxels with margins of 3x3x3: not the very answer as for a whole scan "
        "at once: the network normalises each tile by itself (InstanceNorm3d); larger patches and "
        "predict.overlap bring it closer\n"
    )


def test_a_network_that_sees_further_than_its_patches_is_told_with_figures(capsys) -> None:
    far = nn.Conv3d(1, 2, (3, 9, 31), padding=(1, 4, 15)).eval()
    with torch.inference_mode():
        Tiled(far, (12, 12, 24), steps=(1, 1, 4), overlap=0.25)(noise(1, 1, 20, 20, 30))
    assert capsys.readouterr().err == (
        "tiles of 12x12x24 voxels with margins of 1x2x3: not the very answer as for a whole scan "
        "at once: the network sees 1, 4, at least 10 voxels far along x, y and z; larger patches "
        "and predict.overlap bring it closer\n"
    )


def settings(**train: object) -> Train:
    return Train(network="unet", **train)


@pytest.mark.parametrize(
    ("patch", "steps"),
    [
        ((9, 9, 9), (1, 1, 1)),
        ((6, 6, 6), (1, 1, 1)),
        ((8, 8, 8), (2, 2, 2)),
        ((16, 16, 16), (4, 4, 4)),
        ((24, 24, 24), (4, 4, 4)),
        ((32, 32, 32), (8, 8, 8)),
        ((32, 32, 10), (8, 8, 2)),
        ((64, 64, 1), (16, 16, 1)),
        ((64, 64, 64), (16, 16, 16)),
    ],
)
def test_tiles_of_ones_own_network_begin_where_its_halves_may(patch, steps) -> None:
    """A network that nothing is known of may halve four times, down to 4 voxels."""
    assert first_voxels("net.py:Own", {}, patch) == [[0, step] for step in steps]


@pytest.mark.parametrize(
    ("network", "arguments", "patch", "steps"),
    [
        ("unet", {"channels": [4, 8, 8], "strides": [2, [2, 2, 1]]}, (16, 16, 16), (4, 4, 2)),
        ("unet_slices", {"channels": [4, 8], "strides": [4]}, (16, 16, 1), (4, 4, 1)),
        ("unet_slices", {"strides": [2] * 4, "plane": "coronal"}, (32, 7, 64), (16, 1, 16)),
    ],
)
def test_tiles_begin_where_a_network_s_halves_do_along_each_axis(
    network, arguments, patch, steps
) -> None:
    assert first_voxels(network, arguments, patch) == [[0, step] for step in steps]


def first_voxels(name: str, arguments: dict[str, Any], patch: tuple[int, ...]) -> list[list[int]]:
    """See along each axis where tiles begin in a scan that is one voxel longer."""
    firsts: list[int] = []

    class Identity(nn.Module):
        def forward(self, volumes: Tensor) -> Tensor:
            firsts.append(int(volumes.flatten()[0]))
            return volumes

    train = Train(network=name, network_arguments=arguments, sampling={"patches": patch})
    found = []
    for axis in range(3):
        predictor = make_predictor(Identity(), train, Predict())
        longer = list(patch)
        longer[axis] += 1
        places = torch.arange(float(longer[axis])).reshape(
            [-1 if a == axis else 1 for a in range(3)]
        )
        volumes = places.expand(longer)[None, None]
        with torch.inference_mode():
            predictor(volumes)  # how far the network sees is measured once
            firsts.clear()
            assert torch.equal(predictor(volumes), volumes)
        found.append(list(firsts))
    return found


def test_the_mean_over_mirror_images() -> None:
    augment = [{"RandomFlip": {"axes": [0, 1, 2]}}]
    network, volumes = filters(), noise(1, 1, 8, 9, 10)
    assert make_predictor(network, settings(augment=augment), Predict()) is network
    for flips, axes in ((2, (0,)), (4, (0, 1)), (8, (0, 1, 2))):
        mean = make_predictor(network, settings(augment=augment), Predict(flips=flips))
        with torch.inference_mode():
            found = mean(volumes)
            outputs = []
            for number in range(flips):
                dims = [axis - 3 for axis in axes if number >> axis & 1]
                outputs.append(network(volumes.flip(dims)).flip(dims))
        np.testing.assert_allclose(found, torch.stack(outputs).mean(0), atol=1e-6)
        # what comes out of a mirrored scan is mirrored
        with torch.inference_mode():
            np.testing.assert_allclose(mean(volumes.flip(-3)).flip(-3), found, atol=1e-6)


def test_an_answer_for_the_scan_is_not_mirrored_back() -> None:
    network = nn.Sequential(filters(), nn.Flatten(), nn.LazyLinear(3)).eval()
    augment = [{"RandomFlip": {"axes": [1, 2]}}]
    volumes = noise(1, 1, 6, 6, 6)
    with torch.inference_mode():
        network(volumes)
        mean = make_predictor(network, settings(augment=augment), Predict(flips=4))(volumes)
        images = [volumes, volumes.flip(-2), volumes.flip(-1), volumes.flip(-2, -1)]
        np.testing.assert_allclose(
            mean, torch.stack([network(v) for v in images]).mean(0), atol=1e-6
        )


@pytest.mark.parametrize(
    ("channels", "flips", "shape"),
    [(1, "none", (31, 17, 24)), (1, 2, (20, 33, 21)), (3, 4, (16, 40, 12)), (2, 8, (29, 33, 22))],
)
def test_no_seams_in_what_a_linear_filter_says_of_a_scan_by_patches_and_mirror_images(
    tmp_path, capsys, channels, flips, shape
) -> None:
    """All that prediction by patches is made of, against the filter on the whole scan at once."""
    torch.manual_seed(2)
    # further along y than along the others, along x further up than down, and along z the reverse
    filters = nn.Sequential(
        nn.Conv3d(channels, 3, (3, 7, 3), padding=(1, 3, 1)),
        nn.ConstantPad3d((2, 0, 0, 0, 0, 2), 0),
        nn.Conv3d(3, 2, 3, padding=(0, 1, 0)),
    ).eval()
    volume = noise(channels, *shape).half()
    # odd lengths halve nowhere, so that a tile may begin at any voxel
    patch = (17, 19, 13)
    train = Train(
        network="net.py:Net",
        sampling={"patches": patch},
        augment=[{"RandomFlip": {"axes": [0, 1, 2]}}],
    )
    predictor = make_predictor(filters, train, Predict(flips=flips)).eval()
    tiled = predict_scan(predictor, scan_like(tmp_path, volume.numpy()), CPU)
    # a scan that is shorter than a patch lies in its middle, and beyond it there is no signal
    missing = [max(n - m, 0) for n, m in zip(patch, shape, strict=True)]
    x, y, z = (slice((m + 1) // 2, (m + 1) // 2 + n) for m, n in zip(missing, shape, strict=True))
    padded = volume.float().amin((1, 2, 3), keepdim=True)
    padded = padded.repeat(1, *(n + m for n, m in zip(shape, missing, strict=True)))
    expected = torch.zeros(1, 2, *shape)
    images = list(itertools.product((False, True), repeat={"none": 0, 2: 1, 4: 2, 8: 3}[flips]))
    for image in images:
        dims = [axis - 3 for axis, turned in enumerate(image) if turned]
        padded[:, x, y, z] = volume.float().flip(dims)
        with torch.inference_mode():
            whole = filters(padded[None])[:, :, x, y, z]
        expected += whole.flip(dims) / len(images)
    np.testing.assert_allclose(tiled, expected, atol=2e-6)
    # slab by slab, in memory and in a file, to the last bit
    for scratch in (False, True):
        slabs = predict_slabs(predictor, scan_like(tmp_path, volume.numpy()), CPU, scratch=scratch)
        assert slabs.shape == (2, *shape)
        np.testing.assert_array_equal(slabs.whole(), tiled[0])
        np.testing.assert_array_equal(slabs.read(3, 9), tiled[0, :, 3:9])
    assert capsys.readouterr().err == (
        "tiles of 17x19x13 voxels with margins of 3x4x3: the same answer as for a whole scan at "
        "once\n"
    )


def test_flags_of_optional_channels_are_seen_slab_by_slab_too(tmp_path) -> None:
    scan = scan_like(tmp_path, noise(2, 31, 26, 24).half().numpy())
    first, second = (ChannelScale(mean=0, scale=1, air=0), ChannelScale(mean=0, scale=1, air=0))
    lacking = replace(scan, intensities=(first, second.model_copy(update={"there": False})))
    train = Train(network="net.py:Net", sampling={"patches": [17, 17, 17]})
    predictor = make_predictor(filters(channels=3), train, Predict()).eval()
    slabs = predict_slabs(predictor, lacking, CPU, scratch=True)
    np.testing.assert_array_equal(slabs.whole(), predict_scan(predictor, lacking, CPU)[0])
