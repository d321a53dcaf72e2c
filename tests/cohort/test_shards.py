"""Prepared shards: what was changed since it was prepared is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from prepared_shards import write_digests
from small_study import SmallStudy

from headstart.cohort import shards
from headstart.cohort.prepared import cohort_digest
from headstart.cohort.prepared import read_cohort
from headstart.cohort.shards import array_digest
from headstart.common import integrity
from headstart.common.errors import UserError


@pytest.fixture
def study(tmp_path):
    return SmallStudy(tmp_path / "study")


def look(study, masks=True):
    """Look at all scans, and return the digest of what a training consumes."""
    cohort = read_cohort(**study.inputs, target="mask" if masks else "age")
    for scan in cohort.scans:
        scan.volume()
        if masks:
            scan.mask()
    return cohort_digest(cohort, 0)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path):
    path.write_bytes(b"")


def in_another_order(path):
    np.save(path, np.load(path)[::-1])


def without_a_scan(path):
    np.save(path, np.load(path)[:-1])


def as_pickle(path):
    np.save(path, np.array([{"scan": 1}]), allow_pickle=True)


DAMAGES = [flip_a_bit, truncate, empty, in_another_order, without_a_scan]


@pytest.mark.parametrize("name", ["shard-1.npy", "shard-1-mask.npy"])
@pytest.mark.parametrize("damage", [*DAMAGES, as_pickle])
def test_a_damaged_array_is_refused(study, name, damage):
    masks = np.lib.format.open_memmap(study.prepared / "shard-1-mask.npy", mode="r+")
    masks[0] = 0  # one mask differs from the others
    write_digests(study.prepared / "shard-1.json")
    damage(study.prepared / name)
    with pytest.raises(UserError, match=f"{name}: is damaged.*prepare makes the shard again"):
        look(study)


def test_masks_that_nobody_learns_from_are_not_looked_at(study):
    before = look(study, masks=False)
    flip_a_bit(study.prepared / "shard-1-mask.npy")
    assert look(study, masks=False) == before


def swap_two_scans(card):
    first, second = card["scans"][:2]
    first["offset"], second["offset"] = second["offset"], first["offset"]


def rename_a_subject(card):
    card["scans"][0]["subject"] = "s99"


def move_a_scan(card):
    card["scans"][0]["affine"][0][3] += 1


def another_channel(card):
    card["channels"] = ["T2"]


@pytest.mark.parametrize("edit", [swap_two_scans, rename_a_subject, move_a_scan, another_channel])
def test_an_edited_card_is_refused(study, edit):
    path = study.prepared / "shard-0.json"
    card = json.loads(path.read_text())
    edit(card)
    path.write_text(json.dumps(card))
    with pytest.raises(UserError, match=r"shard-0.json: was damaged or edited.*type the same"):
        look(study)


def test_scans_swapped_by_who_knows_how_to_seal_are_refused_too(study):
    path = study.prepared / "shard-0.json"
    card = integrity.read_sealed(path, "")
    swap_two_scans(card)
    integrity.write_sealed(path, card)
    with pytest.raises(UserError, match=r"shard-0.npy: is damaged or was edited: its scan"):
        look(study)


def test_a_card_that_was_only_formatted_is_the_same(study):
    before = look(study)
    path = study.prepared / "shard-0.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4))
    assert look(study) == before


def test_type_shape_and_numbers_make_the_digest():
    array = np.arange(8, dtype=np.float16).reshape(2, 4)
    same = [array.copy(), np.asfortranarray(array)]
    others = [array.reshape(4, 2), array.astype(np.float32), array.view(np.uint16), array + 1]
    assert {array_digest(one) for one in same} == {array_digest(array)}
    assert len({array_digest(one) for one in (array, *others)}) == 5


def test_what_an_array_s_header_says_is_not_asked(study):
    path, before = study.prepared / "shard-1.npy", look(study)
    path.write_bytes(bytes(128) + path.read_bytes()[128:])
    shards._checked.clear()
    assert look(study) == before


def test_an_archive_is_no_array(study):
    path = study.prepared / "shard-1.npy"
    np.savez(path.with_suffix(".npz"), np.zeros(3))
    path.with_suffix(".npz").replace(path)
    with pytest.raises(UserError, match="is damaged"):
        look(study)


@pytest.mark.parametrize("key", ["prepare", "mask_sha256"])
def test_a_card_of_older_code_is_a_sentence(study, key):
    (path, *_) = sorted(study.folder.rglob("shard-*.json"))
    card = {k: v for k, v in integrity.read_sealed(path, "").items() if k != key}
    card["scans"] = [{k: v for k, v in scan.items() if k != key} for scan in card["scans"]]
    integrity.write_sealed(path, card)
    with pytest.raises(UserError, match="older code; prepare the scans again"):
        look(study)
