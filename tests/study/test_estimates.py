"""How long a training takes, worked out by hand from what its network costs."""

from __future__ import annotations

import os
from typing import Any

import pytest

from headstart.imaging.config import Preparation
from headstart.imaging.step_costs import BIAS_SECONDS
from headstart.study.config import read_config
from headstart.study.estimates import AUGMENT_SECONDS
from headstart.study.estimates import START_SECONDS
from headstart.study.estimates import preparing_seconds
from headstart.study.estimates import training_seconds
from headstart.study.held_out_shards import predicting_seconds
from headstart.study.part_sizes import PartSizes
from headstart.training.config import Train
from headstart.training.costs import FORWARD
from headstart.training.costs import TILES

# A million voxels: costs in microseconds a voxel are seconds a scan.
PREPARE = Preparation(voxel_size=(2, 2, 2), window=(100, 100, 100))
SIZES = PartSizes(200, 20)
FLIP = ({"RandomFlip": {}},)


def work(sizes: PartSizes = SIZES, prepare: Preparation = PREPARE, **train: Any) -> float:
    """Seconds of a training without its start."""
    settings = Train(**{"network": "unet", "epochs": 1, "threads": 1, **train})
    seconds = training_seconds(settings, prepare, sizes)
    assert seconds is not None
    return seconds - START_SECONDS["train"]


def test_a_u_net_learns_and_validates() -> None:
    assert work() == pytest.approx(0.6 * (200 + FORWARD * 20))
    assert work(epochs=7) == pytest.approx(7 * work())
    assert work(PartSizes(200, 0)) == pytest.approx(0.6 * 200)


def test_batch_norm_is_measured_on_no_more_scans_than_are_enough() -> None:
    assert work(network="sfcn") == pytest.approx(0.8 * (200 + FORWARD * (128 + 20)))
    few = PartSizes(30, 20)
    assert work(few, network="sfcn") == pytest.approx(0.8 * (30 + FORWARD * (30 + 20)))


def test_augmentation_is_of_what_is_learnt_and_measured() -> None:
    more = AUGMENT_SECONDS * 1e6
    assert work(augment=FLIP) - work() == pytest.approx(more * 200)
    more *= 328
    assert work(network="sfcn", augment=FLIP) - work(network="sfcn") == pytest.approx(more)


def test_patches_are_learnt_and_tiles_validated() -> None:
    sampling = {"patches": [50, 50, 50], "per_scan": 3}
    learnt, tiles = 200 * 3 / 8, TILES * 20
    assert work(sampling=sampling) == pytest.approx(0.6 * (learnt + FORWARD * tiles))


def test_threads_share_the_work() -> None:
    cores = os.cpu_count() or 1
    assert work(threads=64) == pytest.approx(work() / min(64, cores))


def test_iterations_are_as_long_as_the_epochs_that_they_are() -> None:
    assert work(epochs=None, iterations=25, batch_size=4) == pytest.approx(work() / 2)


def test_a_budget_ends_it() -> None:
    assert work(epochs=100, budget="10min") == 600
    assert work(epochs=1, budget="10min") == work()


def test_of_the_user_s_own_network_nothing_is_known() -> None:
    own = Train(network="my_net.py:Net", epochs=1)
    assert training_seconds(own, PREPARE, SIZES) is None


def test_a_prediction_looks_at_each_scan_once() -> None:
    unet = Train(network="unet", epochs=1)
    assert predicting_seconds(unet, PREPARE, 10) == pytest.approx(FORWARD * 0.6 * 10)


@pytest.mark.parametrize(
    ("brain_mask", "seconds"), [({}, "head"), ({"brain_mask": "{subject}_brain.nii"}, "brain")]
)
def test_a_step_of_preparation_takes_its_time_of_each_channel(
    brain_mask: dict[str, str], seconds: str
) -> None:
    channels = {"T1": "{subject}_T1.nii", "T2": "{subject}_T2.nii"}
    source = {"source": "own", "channels": channels, **brain_mask}
    experiments = {"e": {"task": "regression", "target": "age", "train": {"network": "sfcn"}}}
    raw = {"study": "s", "data": [source], "experiments": experiments}
    assert preparing_seconds(read_config(raw)) == 0
    steps = preparing_seconds(read_config(raw | {"prepare": {"bias": "n4"}}))
    assert steps == 2 * BIAS_SECONDS[seconds]
