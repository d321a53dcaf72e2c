from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch
from small_study import SmallStudy

from headstart.cohort.prepared import read_cohort
from headstart.tasks.regression import Regression
from headstart.training import data
from headstart.training.config import Train
from headstart.training.data import EpochLoader
from headstart.training.data import Item
from headstart.training.data import load_volume
from headstart.training.data import make_batches
from headstart.training.data import read_batch
from headstart.training.data import seed_of
from headstart.training.data import validation_batches


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    study = SmallStudy(tmp_path_factory.mktemp("study"))
    return read_cohort(**study.inputs, target="age").training(0)


def test_seeds_tell_their_parts_apart():
    assert seed_of(1, 23) != seed_of(12, 3)
    assert 0 <= seed_of("x") < 2**64


def test_order_depends_on_seed_epoch_and_scan_alone(scans):
    first = make_batches(scans, 3, seed=0, epoch=1)
    assert sorted(scans.index(item.scan) for item in chain(*first)) == list(range(len(scans)))
    assert make_batches(scans, 3, seed=0, epoch=1) == first
    assert make_batches(scans, 3, seed=0, epoch=2) != first
    assert make_batches(scans, 3, seed=1, epoch=1) != first
    # without one of them, the others keep their order
    order = [item for item in chain(*first) if item.scan is not scans[0]]
    assert list(chain(*make_batches(scans[1:], 3, seed=0, epoch=1))) == order


def test_no_batch_of_one(scans):
    sizes = [len(batch) for batch in make_batches(scans[:7], 3, 0, 1)]
    assert sizes == [3, 4]
    assert [len(batch) for batch in make_batches(scans[:7], 2, 0, 1)] == [2, 2, 3]
    assert [len(batch) for batch in make_batches(scans[:4], 3, 0, 1)] == [4]
    assert make_batches(scans[:1], 3, 0, 1) == [[Item(scans[0])]]


CPU = torch.device("cpu")
NOISE = [{"RandomNoise": {}}, {"RandomAffine": {"degrees": 20}}]


def batches(scans, epoch=1, start=0, seed=0, augment=(), size=3):
    train = Train(network="sfcn", batch_size=size, augment=augment)
    return list(EpochLoader(scans, Regression(), train, seed, CPU).epoch(epoch, start))


def by_subject(found):
    rows = [zip(one.scans, one.volumes, one.targets, strict=True) for one in found]
    return {(scan.subject, scan.session): (v, t) for row in rows for scan, v, t in row}


def test_batches_hold_what_was_prepared(scans):
    found = batches(scans)
    order = [item.scan for batch in make_batches(scans, 3, 0, 1) for item in batch]
    assert [scan for batch in found for scan in batch.scans] == order
    for scan, (volume, truth) in zip(order, by_subject(found).values(), strict=True):
        assert volume.dtype == torch.float32
        np.testing.assert_array_equal(volume, np.float32(scan.volume()))
        assert truth == float(scan.target)


def test_batches_are_sent_to_where_the_network_computes(scans):
    batch = read_batch(scans[:2], Regression(), torch.device("meta"))
    assert {part.device.type for part in (batch.volumes, batch.targets)} == {"meta"}
    volume = load_volume(scans[0])
    assert (volume.device.type, volume.dtype) == ("cpu", torch.float32)


def test_an_epoch_goes_on_at_any_batch(scans):
    whole = batches(scans, augment=NOISE)
    for start in range(len(whole) + 1):
        rest = batches(scans, start=start, augment=NOISE)
        assert len(rest) == len(whole) - start
        for one, other in zip(rest, whole[start:], strict=True):
            assert one.scans == other.scans
            assert torch.equal(one.volumes, other.volumes)


def test_one_batch_is_read_ahead_and_no_more(scans, monkeypatch):
    read = []
    monkeypatch.setattr(data, "read_batch", lambda *asked: read.append(1) or read_batch(*asked))
    train = Train(network="sfcn", batch_size=2)
    loader = EpochLoader(scans, Regression(), train, 0, CPU)
    seen = [len(read) for _ in loader.epoch(1, 0)]
    assert seen == [min(number + 2, loader.steps) for number in range(loader.steps)]


def test_augmentation_follows_from_seed_epoch_and_scan_and_changes_no_number(scans):
    plain = by_subject(batches(scans))
    drawn = by_subject(batches(scans, augment=NOISE))
    others = (
        by_subject(batches(scans, augment=NOISE, seed=1)),
        by_subject(batches(scans, augment=NOISE, epoch=2)),
        plain,
    )
    # other neighbours in its batch, another place in the order
    again = by_subject(batches(scans[1:], augment=NOISE, size=4))
    for who, (volume, truth) in drawn.items():
        assert truth == plain[who][1]
        assert not any(torch.equal(volume, other[who][0]) for other in others)
        assert who not in again or torch.equal(volume, again[who][0])


def test_validation_scans_come_in_their_order(scans):
    found = list(validation_batches(scans[:5], Regression(), 2, CPU))
    assert [len(batch.scans) for batch in found] == [2, 2, 1]
    assert [scan for batch in found for scan in batch.scans] == list(scans[:5])
