from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch
from small_study import SmallStudy

from headstart.parts.augment import PreparedScans
from headstart.parts.augment import augment
from headstart.parts.augment import make_augmentation
from headstart.parts.augment import make_batches
from headstart.parts.augment import seed_of
from headstart.parts.cohort import read_cohort
from headstart.parts.errors import UserError
from headstart.parts.tasks import Task

AFFINE = np.eye(4)
ALL = [
    {"RandomFlip": {"axes": ["LR"], "flip_probability": 1}},
    {"RandomAffine": {"degrees": [-10, 10]}},
    {"OneOf": {"transforms": [{"RandomNoise": {}}, {"RandomBlur": {}}]}},
]


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    study = SmallStudy(tmp_path_factory.mktemp("study"))
    return read_cohort(**study.inputs, target="age", task="regression").training(0)


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


def test_augmentation_is_a_function_of_its_seed():
    transform = make_augmentation(ALL)
    volume, mask = torch.rand(2, 8, 8, 8), torch.randint(3, (1, 8, 8, 8), dtype=torch.uint8)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one = augment(transform, volume, mask, AFFINE, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    again = augment(transform, volume, mask, AFFINE, seed=1)
    other = augment(transform, volume, mask, AFFINE, seed=2)
    assert torch.equal(one[0], again[0])
    assert torch.equal(one[1], again[1])
    assert not torch.equal(one[0], other[0])
    assert one[0].dtype == torch.float32
    assert set(one[1].unique().tolist()) <= {0, 1, 2}


def test_mask_moves_with_the_volume():
    transform = make_augmentation([{"RandomFlip": {"axes": ["LR"], "flip_probability": 1}}])
    mask = torch.zeros(1, 8, 8, 8, dtype=torch.uint8)
    mask[0, 0] = 1
    volume, moved = augment(transform, mask.float(), mask, AFFINE, seed=1)
    assert torch.equal(volume, moved.float())
    assert moved[0, -1].all()


def test_a_scalar_truth_stays(scans):
    transform = make_augmentation([{"RandomNoise": {}}])
    truth = Task("regression").truth
    plain = PreparedScans(scans, truth)[0]
    noisy = PreparedScans(scans, truth, transform=transform, seed=0, epoch=1)[0]
    assert plain[1] == noisy[1] == float(scans[0].target)
    assert not torch.equal(plain[0], noisy[0])


def test_nothing_to_do_imports_nothing():
    assert make_augmentation([]) is None


def test_mistakes_are_named():
    with pytest.raises(UserError, match=r"train\.augment: RandomAffine does not take"):
        make_augmentation([{"RandomAffine": {"degrees": "much"}}])
