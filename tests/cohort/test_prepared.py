from __future__ import annotations

import numpy as np
import pytest
from prepared_shards import write_digests
from small_study import SmallStudy

from headstart.cohort.prepared import cohort_digest
from headstart.cohort.prepared import read_cohort
from headstart.cohort.shards import ShardCard
from headstart.common.errors import UserError


@pytest.fixture
def study(tmp_path):
    return SmallStudy(tmp_path / "study")


def read(study, target="age"):
    return read_cohort(**study.inputs, target=target)


def subjects(scans):
    return {scan.subject for scan in scans}


def test_parts_share_nobody(study):
    cohort = read(study)
    parts = [cohort.training(0), cohort.validation(0), cohort.held_out(0), cohort.test()]
    assert sum(len(part) for part in parts) == len(cohort.scans) == 21
    assert len(set.union(*map(subjects, parts))) == sum(len(subjects(part)) for part in parts)
    # both sessions of subject 0 are held out together
    assert sum(scan.subject == "s00" for scan in cohort.held_out(0)) == 2
    assert cohort.window == (8, 8, 8)
    assert cohort.channels == ("T1",)


def test_each_scan_finds_its_volume(study):
    cohort = read(study)
    for scan in cohort.scans:
        card = ShardCard.read(scan.volumes.path.with_suffix(".json"))
        row = next(entry.index for entry in card.scans if entry.key == (scan.subject, scan.session))
        np.testing.assert_array_equal(scan.volume(), np.load(scan.volumes.path)[row])
        assert scan.volume().shape == (1, 8, 8, 8)
        assert scan.volume().dtype == np.float16
        assert scan.mask().shape == (8, 8, 8)


def test_scans_without_target_are_not_learnt_from(study):
    study.change_table("age", {3: "", 4: ""})
    cohort = read(study)
    assert len(cohort.scans) == 21
    used = (*cohort.training(0), *cohort.validation(0))
    assert all(scan.target for scan in used)
    assert {"s02", "s03"} & subjects(used) == set()
    assert "s03" in subjects(cohort.held_out(0))


def test_digest_covers_what_is_consumed_and_nothing_else(study):
    def digest():
        return cohort_digest(read(study), 0)

    first = digest()
    assert digest() == first
    study.table["iq"] = "100"
    study.change_table("site", {2: "B"})
    assert digest() == first
    # row 0 is subject 0, held out in fold 0
    study.change_table("age", {0: "99"})
    assert digest() == first
    study.change_table("age", {2: "99"})
    second = digest()
    assert second != first
    masks = np.load(study.prepared / "shard-0-mask.npy")
    np.save(study.prepared / "shard-0-mask.npy", 2 - masks)
    assert digest() == second


def test_digest_sees_voxels_and_masks(study):
    cohort = read(study)
    scan = cohort.training(0)[0]
    with_masks = cohort_digest(read(study, "mask"), 0)
    without = cohort_digest(cohort, 0)
    prepare_again(scan.masks, (1, 1, 1))
    assert cohort_digest(read(study), 0) == without
    assert cohort_digest(read(study, "mask"), 0) != with_masks
    prepare_again(scan.volumes, (0, 0, 0, 0))
    assert cohort_digest(read(study), 0) != without


def prepare_again(stored, place):
    """Change a voxel as another preparation would have."""
    path = stored.path
    array = np.memmap(path, stored.kind, "r+", stored.offset, stored.shape)
    array[place] += 1
    array.flush()
    write_digests(path.with_name(f"{path.stem.removesuffix('-mask')}.json"))


def test_a_target_that_is_no_column_is_named(study):
    with pytest.raises(UserError, match=r"no column 'iq' to predict; .* one of site, age, sex$"):
        read(study, "iq")


def test_a_missing_neighbour_is_named(study):
    study.change_table("subject", {3: "s99"})
    with pytest.raises(UserError, match=r"splits\.csv: subject s99 is missing"):
        read(study)


def test_shards_left_from_another_number(study):
    old = study.prepared / "shard-7.json"
    old.write_text((study.prepared / "shard-1.json").read_text())
    with pytest.raises(UserError, match=r"shard-7\.json: .* is also in shard-1\.json"):
        read(study)
