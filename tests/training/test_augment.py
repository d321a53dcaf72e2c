from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch
from small_study import SmallStudy

from headstart.cohort.prepared import read_cohort
from headstart.common.errors import UserError
from headstart.tasks.classification import Classification
from headstart.tasks.regression import Regression
from headstart.tasks.segmentation import Segmentation
from headstart.training.augment import augment
from headstart.training.augment import make_augmentation
from headstart.training.data import PreparedScans
from headstart.training.data import make_batches
from headstart.training.data import seed_of

AFFINE = np.eye(4)
ALL = [
    {"RandomFlip": {"axes": ["LR"], "flip_probability": 1}},
    {"RandomAffine": {"degrees": [-10, 10]}},
    {"OneOf": {"transforms": [{"RandomNoise": {}}, {"RandomBlur": {}}]}},
]


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
    truth = Regression().truth
    plain = PreparedScans(scans, truth)[0]
    noisy = PreparedScans(scans, truth, transform=transform, seed=0, epoch=1)[0]
    assert plain[1] == noisy[1] == float(scans[0].target)
    assert not torch.equal(plain[0], noisy[0])


def test_nothing_to_do_imports_nothing():
    assert make_augmentation([]) is None


def test_mistakes_are_named():
    with pytest.raises(UserError, match=r"train\.augment: RandomAffine does not take"):
        make_augmentation([{"RandomAffine": {"degrees": "much"}}])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16])
def test_a_mask_keeps_its_type_and_values(dtype):
    """SimpleITK gives floats, and a batch of two types can't be put together."""
    transform = make_augmentation([{"RandomAffine": {"degrees": 20, "p": 0.5}}])
    mask = torch.zeros(1, 8, 8, 8, dtype=dtype)
    mask[0, 2:6, 2:6, 2:6] = 3
    for seed in range(6):
        _, moved = augment(transform, mask.float(), mask, AFFINE, seed=seed)
        assert moved.dtype == dtype
        assert set(moved.unique().tolist()) == {0, 3}


@pytest.mark.parametrize("axes", [["LR"], [0], [0, 1], ["AP"], [1, 2]])
def test_a_mirrored_scan_gets_the_names_of_the_other_side(axes):
    transform = make_augmentation([{"RandomFlip": {"axes": axes, "flip_probability": 1}}])
    mask = torch.zeros(1, 8, 8, 8, dtype=torch.uint8)
    mask[0, :3], mask[0, 5:, 2:] = 1, 2
    table = Segmentation(("left", "right")).swap_table([("left", "right")])
    volume, moved = augment(transform, mask.float(), mask, AFFINE, seed=1, swap=table)
    mirrored = axes[0] in ("LR", 0)
    swapped = torch.tensor([0, 2, 1] if mirrored else [0, 1, 2], dtype=torch.uint8)
    assert torch.equal(moved, swapped[volume.long()])
    if axes == ["LR"]:
        # what lies on the left is still called left
        assert set(moved[0, :3].unique().tolist()) == {0, 1}
        assert set(moved[0, 5:].unique().tolist()) == {2}


def test_mirrored_twice_is_not_mirrored():
    twice = [{"RandomFlip": {"flip_probability": 1}}, {"RandomFlip": {"flip_probability": 1}}]
    inside = [{"OneOf": {"transforms": [{"RandomFlip": {"flip_probability": 1}}]}}]
    table = Classification(("L", "M", "R")).swap_table([("L", "R")])
    volume, truth = torch.rand(1, 4, 4, 4), torch.tensor(0)
    for transforms, value in ((twice, 0), (inside, 2)):
        out = augment(make_augmentation(transforms), volume, truth, AFFINE, 1, swap=table)[1]
        assert out.item() == value
        assert out.dtype == truth.dtype
