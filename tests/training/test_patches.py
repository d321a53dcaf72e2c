"""Where patches lie, what is in them, and their order."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from prepared_shards import write_shard

from headstart.cohort.prepared import scan_of
from headstart.cohort.shards import ShardCard
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import Grid
from headstart.tasks.segmentation import Segmentation
from headstart.training.config import Patches
from headstart.training.config import Train
from headstart.training.data import EpochLoader
from headstart.training.data import seed_of
from headstart.training.patches import PatchPlaces

SHAPE = (20, 24, 9)
CPU = torch.device("cpu")
TASK = Segmentation(("large", "small"))


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Four scans that say of each voxel where it is; the last has an empty mask."""
    path = tmp_path_factory.mktemp("shards") / "shard-0.json"
    keys = [(f"s{number}", "1") for number in range(4)]
    places = np.indices(SHAPE).astype(np.float16)
    volumes = np.stack([places + 100 * number for number in range(4)])
    masks = np.zeros((4, *SHAPE), np.uint8)
    masks[:3, 4:16, 4:20, 2:7] = 1
    masks[:3, 10, 12, 4] = 2
    grid = Grid(SHAPE, np.eye(4))
    prepare = Preparation(voxel_size=(1, 1, 1), window=SHAPE, normalise="none")
    write_shard(path, keys, volumes, masks, prepare=prepare, affine=np.eye(4), source=grid)
    return [scan_of(path, entry) for entry in ShardCard.read(path).scans]


def places(scan, count=2000, size=(8, 8, 5), masks=True, **settings):
    drawn = PatchPlaces(Patches(patches=size, **settings), masks=masks)
    return np.array([drawn.draw(scan, seed_of("test", number)) for number in range(count)])


def test_patches_lie_inside_the_scan_everywhere_alike(scans):
    firsts = places(scans[0], foreground=0)[:, :, 0]
    for axis, room in enumerate(np.subtract(SHAPE, (8, 8, 5))):
        counts = np.bincount(firsts[:, axis], minlength=room + 1)
        assert len(counts) == room + 1
        expected = len(firsts) / (room + 1)
        assert ((counts - expected) ** 2 / expected).sum() < 2.5 * room + 10  # chi-squared


def test_a_share_is_centred_on_classes_each_as_often(scans):
    drawn = places(scans[0], foreground=1)
    centre = drawn[:, :, 0] + (4, 4, 2)
    on_small = (centre == (10, 12, 4)).all(axis=1).mean()
    # one of 960 voxels of class 1 is there too
    assert on_small == pytest.approx(0.5, abs=0.04)
    mask = scans[0].mask()
    assert (mask[tuple(centre.T)] > 0).all()
    some = places(scans[0], foreground=0.33)[:, :, 0] + (4, 4, 2)
    assert (some == (10, 12, 4)).all(axis=1).mean() == pytest.approx(0.33 / 2, abs=0.03)


def test_where_masks_are_not_learnt_none_is_looked_at():
    def no_mask():
        raise AssertionError("a mask is read")

    scan = SimpleNamespace(shape=SHAPE, mask=no_mask)
    drawn = places(scan, count=300, foreground=1, masks=False)
    assert len(np.unique(drawn[:, :, 0], axis=0)) > 100


def test_without_a_class_they_lie_anywhere(scans):
    drawn = places(scans[3], foreground=1)[:, :, 0]
    assert len(np.unique(drawn, axis=0)) > 100


def test_at_the_edge_the_patch_stays_inside(scans):
    drawn = places(scans[0], size=(16, 20, 9), foreground=1)
    assert drawn[:, :, 0].min(axis=0).tolist() == [0, 0, 0]
    assert drawn[:, :, 1].max(axis=0).tolist() == [*SHAPE]
    assert (drawn[:, 2] == (0, 9)).all()


def test_a_patch_one_voxel_shorter_than_the_scan_lies_at_either_end(scans):
    drawn = places(scans[0], count=100, size=(19, 23, 8), foreground=0)[:, :, 0]
    for axis in range(3):
        assert set(drawn[:, axis]) == {0, 1}


def test_of_a_large_class_every_so_many_voxels_are_centres(tmp_path):
    """Of 20001 every third: a step of two would leave more than 10000."""
    shape = (20_001, 1, 1)
    path, grid = tmp_path / "shard-0.json", Grid(shape, np.eye(4))
    prepare = Preparation(voxel_size=(1, 1, 1), window=shape, normalise="none")
    volumes, masks = np.zeros((1, 1, *shape), np.float16), np.ones((1, *shape), np.uint8)
    write_shard(path, [("s", "1")], volumes, masks, prepare=prepare, affine=np.eye(4), source=grid)
    scan = scan_of(path, ShardCard.read(path).scans[0])
    centres = places(scan, size=(1, 1, 1), foreground=1)[:, 0, 0]
    assert set(centres % 3) == {0}
    assert len(set(centres)) > 1000
    assert centres.min() < 200
    assert centres.max() > 19_800


def test_a_patch_longer_than_the_scan_has_it_in_its_middle(scans):
    drawn = places(scans[0], count=10, size=(8, 24, 14), foreground=0.5)
    assert (drawn[:, 2] == (-3, 11)).all()
    volume = scans[1].part(drawn[0]).volume()
    assert (volume[:, :, :, :3] == 100).all()  # the least of the whole scan
    assert (volume[:, :, :, -2:] == 100).all()
    assert not scans[1].part(drawn[0]).mask()[:, :, -2:].any()


def batches(scans, epoch=1, start=0, seed=0, augment=(), size=3, sampling=None, patch=(8, 8, 5)):
    sampling = {"patches": patch, "per_scan": 3, "foreground": 0.5} | (sampling or {})
    train = Train(network="unet", batch_size=size, augment=augment, sampling=sampling)
    loader = EpochLoader(scans, TASK, train, seed, CPU)
    found = list(loader.epoch(epoch, start))
    assert start > 0 or sum(len(batch.scans) for batch in found) == loader.items(loader.steps)
    return found


def by_place(found):
    """Return each patch's volume and mask by its scan and first voxels."""
    return {
        (scan.subject, *volume[:, 0, 0, 0].tolist()): (volume, truth)
        for batch in found
        for scan, volume, truth in zip(batch.scans, batch.volumes, batch.targets, strict=True)
    }


def test_an_epoch_has_so_many_patches_of_each_scan_and_mixes_them(scans):
    found = batches(scans)
    drawn = [scan.subject for batch in found for scan in batch.scans]
    assert sorted(drawn) == sorted(f"s{number}" for number in range(4) for _ in range(3))
    assert [len(batch.scans) for batch in found] == [3, 3, 3, 3]
    assert any(len({scan.subject for scan in batch.scans}) > 1 for batch in found)
    assert found[0].volumes.shape == (3, 3, 8, 8, 5)
    assert found[0].targets.shape == (3, 1, 8, 8, 5)
    assert len(by_place(found)) > 9  # other places each time


def test_a_patch_holds_what_lies_there(scans):
    for batch in batches(scans):
        for scan, volume, truth in zip(batch.scans, batch.volumes, batch.targets, strict=True):
            x, y, z = (volume[:, 0, 0, 0] - 100 * int(scan.subject[1:])).int().tolist()
            whole = np.float32(scan.volume())[:, x : x + 8, y : y + 8, z : z + 5]
            np.testing.assert_array_equal(volume, whole)
            np.testing.assert_array_equal(truth[0], scan.mask()[x : x + 8, y : y + 8, z : z + 5])


NOISE = [{"RandomNoise": {}}, {"RandomAffine": {"degrees": 20}}, {"RandomGamma": {}}]


def test_an_epoch_goes_on_at_any_batch(scans):
    whole = batches(scans, augment=NOISE)
    for start in range(len(whole) + 1):
        rest = batches(scans, start=start, augment=NOISE)
        for one, other in zip(rest, whole[start:], strict=True):
            assert torch.equal(one.volumes, other.volumes)
            assert torch.equal(one.targets, other.targets)


def test_a_patch_follows_from_seed_epoch_scan_and_number(scans):
    def volumes(*asked, **kind):
        return {
            v.numpy().tobytes() for b in batches(*asked, augment=NOISE, **kind) for v in b.volumes
        }

    first = volumes(scans)
    # other neighbours in the batch, fewer scans, another number of patches
    assert volumes(scans, size=2) == first
    assert volumes(scans[1:]) < first
    assert volumes(scans, sampling={"per_scan": 2}) < first
    assert not volumes(scans, epoch=2) & first
    assert not volumes(scans, seed=1) & first


FAR = {"default_pad_value": -10_000}


@pytest.mark.parametrize(
    "augment",
    [
        {"RandomAffine": {"degrees": [30, 30], "scales": [1, 1], **FAR}},
        {"RandomAffine": {"scales": [0.6, 0.6], **FAR}},
        {"RandomAffine": {"translation": [4, 4], "center": "origin", **FAR}},
        {"RandomAffine": {"degrees": 20, "image_interpolation": "bspline", **FAR}},
        {"RandomElasticDeformation": {"max_displacement": 2, "num_control_points": 5}},
        {"RandomFlip": {"axes": [0, 1, 2]}},
    ],
)
def test_turned_patches_have_no_empty_corners(tmp_path, augment):
    """A ramp stays a ramp up to the patch's corners."""
    shape = (80, 80, 80)
    ramp = np.indices(shape).sum(0).astype(np.float16)[None, None]
    masks = np.zeros((1, *shape), np.uint8)
    masks[:, 40, 40, 40] = 1
    path, grid = tmp_path / "shard-0.json", Grid(shape, np.eye(4))
    prepare = Preparation(voxel_size=(1, 1, 1), window=shape, normalise="none")
    write_shard(path, [("s", "1")], ramp, masks, prepare=prepare, affine=np.eye(4), source=grid)
    scan = scan_of(path, ShardCard.read(path).scans[0])
    sampling = {"per_scan": 8, "foreground": 1}
    for batch in batches([scan], augment=[augment], sampling=sampling, patch=(16, 16, 16)):
        assert batch.volumes.shape[2:] == (16, 16, 16)
        for volume in batch.volumes[:, 0].numpy():
            assert volume.min() > 40
            assert max(np.abs(np.gradient(volume, axis=axis)).max() for axis in range(3)) < 4
