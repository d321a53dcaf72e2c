from __future__ import annotations

from itertools import chain

import pytest
import torch
from small_study import SmallStudy

from headstart.cohort.prepared import read_cohort
from headstart.tasks.regression import Regression
from headstart.training.augmentation.augmentation import Augmentation
from headstart.training.data import PreparedScans
from headstart.training.data import make_batches
from headstart.training.data import seed_of


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    study = SmallStudy(tmp_path_factory.mktemp("study"))
    return read_cohort(**study.inputs, target="age").training(0)


def test_seeds_tell_their_parts_apart():
    assert seed_of(1, 23) != seed_of(12, 3)
    assert 0 <= seed_of("x") < 2**64


def test_order_depends_on_seed_epoch_and_scan_alone(scans):
    first = make_batches(scans, 3, seed=0, epoch=1)
    assert sorted(chain(*first)) == list(range(len(scans)))
    assert make_batches(scans, 3, seed=0, epoch=1) == first
    assert make_batches(scans, 3, seed=0, epoch=2) != first
    assert make_batches(scans, 3, seed=1, epoch=1) != first
    # without one of them, the others keep their order
    order = [scans[i] for i in chain(*first) if i != 0]
    fewer = scans[1:]
    assert [fewer[i] for i in chain(*make_batches(fewer, 3, seed=0, epoch=1))] == order


def test_no_batch_of_one(scans):
    sizes = [len(batch) for batch in make_batches(scans[:7], 3, 0, 1)]
    assert sizes == [3, 4]
    assert make_batches(scans[:1], 3, 0, 1) == [[0]]


def test_augmentation_changes_volumes_by_seed_and_epoch_and_no_number(scans):
    noise = Augmentation([{"RandomNoise": {}}])
    truth = Regression().truth
    plain = PreparedScans(scans, truth)[0]
    noisy = [
        PreparedScans(scans, truth, augmentation=noise, seed=seed, epoch=epoch)[0]
        for seed, epoch in ((0, 1), (0, 1), (1, 1), (0, 2))
    ]
    assert {one[1].item() for one in noisy} == {plain[1].item()} == {float(scans[0].target)}
    volumes = [plain[0], *(one[0] for one in noisy[1:])]
    assert torch.equal(noisy[0][0], noisy[1][0])
    assert not any(torch.equal(a, b) for n, a in enumerate(volumes) for b in volumes[:n])
