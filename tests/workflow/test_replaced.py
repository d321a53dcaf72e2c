"""A raw file that was replaced is read again by the same command; the others are not."""

from __future__ import annotations

import gzip
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from study import Checkout
from study import write_scan

from headstart.common.keys import shard_of
from headstart.imaging.rejection_codes import REASONS

pytestmark = pytest.mark.slow

PASSED = "tiny/check/passed.csv"
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
SHAPE = (12, 12, 12)
MASKS = ("mask.nii.gz", "brain.nii.gz")


def table(checkout: Checkout, name: str) -> pd.DataFrame:
    return pd.read_csv(checkout.study / name, dtype=str, keep_default_na=False)


def test_a_replaced_scan_is_prepared_and_learnt_again_its_shard_alone(checkout: Checkout) -> None:
    shards = checkout.study / "prepare"
    before = {path.name: path.read_bytes() for path in shards.glob("shard-?.npy")}
    write_scan(checkout.folder / "scans/Sub_101/T1.nii.gz", 9)
    jobs = checkout.done()
    rules = ("label", "check_scans", "check", "prepare", "train")
    assert [jobs[rule] for rule in rules] == [1, 1, 1, 1, 2]
    after = {path.name: path.read_bytes() for path in shards.glob("shard-?.npy")}
    changed = f"shard-{shard_of('Sub_101', 2)}.npy"
    assert [name for name in before if before[name] != after[name]] == [changed]
    assert checkout.planned() == Counter()


def test_touching_the_scans_reads_them_and_stops_there(checkout: Checkout) -> None:
    for path in checkout.folder.joinpath("scans").rglob("*"):
        os.utime(path)
    assert checkout.done() == Counter(label=1, check_scans=2)
    assert checkout.planned() == Counter()


def test_the_size_may_stay_and_links_are_followed(new_checkout: Checkout, tmp_path: Path) -> None:
    scans = new_checkout.folder / "scans"
    (tmp_path / "store").mkdir()
    for folder in scans.glob("Sub_*"):
        image = nib.load(folder / "T1.nii.gz")
        kept = tmp_path / "store" / f"{folder.name}.nii"
        nib.save(image, kept)
        (folder / "T1.nii.gz").unlink()
        (folder / "T1.nii").symlink_to(kept)
    config = new_checkout.config()
    config["data"][0]["channels"] = {"T1": "{subject}/T1.nii"}
    config["check"] = {
        "max_rejected": 0.2,
        "accept": [{"code": "outside-root", "reason": "the store of the laboratory"}],
    }
    new_checkout.configure(config)
    target = tmp_path / "store" / "Sub_104.nii"
    good = target.read_bytes()
    image = nib.load(target)
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nib.save(image, target)
    assert target.stat().st_size == len(good)
    new_checkout.done(PASSED)
    assert table(new_checkout, "check/rejected.csv")["reason"].tolist() == ["no-orientation"]
    target.write_bytes(good)
    assert new_checkout.done(PASSED) == Counter(label=1, check_scans=1, check=1)
    assert len(table(new_checkout, "check/passed.csv")) == 12


def test_the_demo_is_a_cohort_like_any_other(new_checkout: Checkout) -> None:
    config = new_checkout.config()
    config["data"] = [
        {
            "source": "demo",
            "path": "demo/subjects",
            "channels": {"T1": "{subject}/{session}/T1.nii.gz"},
            "table": {"path": "participants.csv", "column": "ID"},
            "labels": {"age": "Age", "sex": "Sex"},
        }
    ]
    config["fetch"] = {"demo_subjects": 20}
    new_checkout.configure(config)
    jobs = new_checkout.done(PASSED)
    assert jobs == Counter(fetch_demo=1, label=1, check_scans=2, check=1)
    assert new_checkout.planned(PASSED) == Counter()

    first = table(new_checkout, "check/passed.csv").iloc[0]
    scan = new_checkout.folder / "scans" / first["channel:T1"]
    good = scan.read_bytes()
    scan.write_bytes(good[:9000])
    assert new_checkout.done(PASSED) == Counter(label=1, check_scans=1, check=1)
    assert first["channel:T1"] in table(new_checkout, "check/rejected.csv")["path"].tolist()
    scan.write_bytes(good)
    assert new_checkout.done(PASSED) == Counter(label=1, check_scans=1, check=1)
    assert first["channel:T1"] in table(new_checkout, "check/passed.csv")["channel:T1"].tolist()
    assert new_checkout.planned(PASSED) == Counter()


# --- break, run, fix, the same command: for every code


def image(shape: tuple[int, ...] = SHAPE, affine: np.ndarray = AFFINE) -> nib.Nifti1Image:
    noise = np.random.default_rng(1).normal(100, 20, shape)
    return nib.Nifti1Image(noise.astype(np.int16), affine)


def both(made: nib.Nifti1Image) -> Callable[[Path], None]:
    """Save an image, and masks on its grid."""

    def spoil(folder: Path) -> None:
        nib.save(made, folder / "T1.nii.gz")
        for name in MASKS:
            ones = np.ones(made.shape, np.uint8)
            nib.save(nib.Nifti1Image(ones, made.affine, made.header), folder / name)

    return spoil


def voxels(name: str, value: float, kind: str = "f4") -> Callable[[Path], None]:
    """Set one voxel of a file."""

    def spoil(folder: Path) -> None:
        old = nib.load(folder / name)
        array = np.asarray(old.dataobj).astype(kind)
        array[5, 5, 5] = value
        nib.save(nib.Nifti1Image(array, old.affine), folder / name)

    return spoil


def filled(name: str, value: int) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        nib.save(nib.Nifti1Image(np.full(SHAPE, value, np.uint8), AFFINE), folder / name)

    return spoil


def cut(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "T1.nii.gz"
        path.write_bytes(change(path.read_bytes()))

    return spoil


def on_grid(affine: np.ndarray) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        nib.save(nib.Nifti1Image(np.ones(SHAPE, np.uint8), affine), folder / "mask.nii.gz")

    return spoil


def dangling(folder: Path) -> None:
    (folder / "T1.nii.gz").unlink()
    (folder / "T1.nii.gz").symlink_to(folder / "nowhere")


def linked_out(folder: Path) -> None:
    elsewhere = folder.parents[1] / "elsewhere.nii.gz"
    (folder / "T1.nii.gz").rename(elsewhere)
    (folder / "T1.nii.gz").symlink_to(elsewhere)


def forms(sform: int, qform: int, turned: np.ndarray) -> nib.Nifti1Image:
    made = image()
    made.set_sform(AFFINE, sform)
    made.set_qform(turned, qform)
    return made


def named(folder: Path) -> None:
    made = image()
    made.header["descrip"] = b"DOE^JANE"
    nib.save(made, folder / "T1.nii.gz")


def flipped_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]


def by_the_config(_: Path) -> None:
    """Nothing is wrong with the scan."""


SHEARED = AFFINE.copy()
SHEARED[0, 1] = 0.4
BREAK: dict[str, Callable[[Path], Any]] = {
    "missing": dangling,
    "unreadable": cut(lambda _: b"<html>404</html>"),
    "truncated": cut(lambda content: content[:-400]),
    "crc": cut(flipped_bit),
    "not-3d": lambda folder: nib.save(image((*SHAPE, 2)), folder / "T1.nii.gz"),
    "dimensions": cut(lambda content: gzip.compress(gzip.decompress(content) + b"\0")),
    "not-finite": voxels("T1.nii.gz", np.nan),
    "mask-grid": on_grid(np.diag([5.0, 5.0, 5.0, 1.0])),
    "brain-mask-empty": filled("brain.nii.gz", 0),
    "outside-root": linked_out,
    "no-orientation": both(forms(0, 0, AFFINE)),
    "sform-qform": lambda folder: nib.save(
        forms(1, 1, AFFINE @ np.diag([-1, 1, 1, 1])), folder / "T1.nii.gz"
    ),
    "sheared": both(image(affine=SHEARED)),
    "shape": both(image((12, 12, 40))),
    "voxel-size": both(image(affine=np.diag([4.0, 4.0, 9.0, 1.0]))),
    "field-of-view": both(image((12, 12, 28))),
    "intensity-range": voxels("T1.nii.gz", 1e8),
    "constant": filled("T1.nii.gz", 7),
    "mask-offset": on_grid(AFFINE + np.outer([1, 0, 0, 0], [0, 0, 0, 1])),
    "mask-values": voxels("mask.nii.gz", 0.5),
    "mask-class": voxels("mask.nii.gz", 9),
    "mask-empty": filled("mask.nii.gz", 0),
    "duplicate": lambda folder: shutil.copyfile(
        folder.parent / "twin/T1.nii.gz", folder / "T1.nii.gz"
    ),
    "personal-data": named,
    "excluded": by_the_config,
}


def test_break_run_fix_and_the_same_command_for_every_code(new_checkout: Checkout) -> None:
    found_later = {"brain-mask", "registration"}  # the stage prepare tells of them, and stops
    of_series = {"not-4d"}
    assert set(BREAK) == set(REASONS) - found_later - of_series, (
        "a code has no way to break a scan here"
    )
    scans = new_checkout.folder / "scans"
    shutil.rmtree(scans)
    for number, code in enumerate((*BREAK, "twin", "good")):
        write_scan(scans / code / "T1.nii.gz", number)
        for name in MASKS:
            filled(name, 1)(scans / code)
    config = new_checkout.config()
    config["data"] = [
        {
            "source": "own",
            "path": ".",
            "channels": {"T1": "{subject}/T1.nii.gz"},
            "mask": "{subject}/mask.nii.gz",
            "brain_mask": "{subject}/brain.nii.gz",
        }
    ]
    config["classes"] = {1: "all"}
    train = config["experiments"]["age"]["train"] | {"network": "unet"}
    config["experiments"] = {"all": {"task": "segmentation", "target": "mask", "train": train}}
    config["final"] = []
    config["prepare"]["window"] = [32, 32, 32]
    config["check"] = {
        "max_rejected": 1,
        "shape": [10, 30],
        "voxel_size": [3, 5],
        "field_of_view": [40, 90],
        "personal_data": "reject",
        "exclude": [{"subject": "excluded", "reason": "a test"}],
    }
    new_checkout.configure(config)
    shutil.copytree(scans, new_checkout.folder / "good")
    for code, spoil in BREAK.items():
        spoil(scans / code)
    new_checkout.done(PASSED)
    rejected = table(new_checkout, "check/rejected.csv")
    found = dict(zip(rejected["subject"], rejected["reason"], strict=True))
    assert found == {code: code for code in BREAK} | {"twin": "duplicate"}

    for code in BREAK:
        (scans / code / "T1.nii.gz").unlink()
        for name in ("T1.nii.gz", *MASKS):
            shutil.copyfile(new_checkout.folder / "good" / code / name, scans / code / name)
    config["check"]["exclude"] = []
    new_checkout.configure(config)
    new_checkout.done(PASSED)
    assert len(table(new_checkout, "check/passed.csv")) == len(BREAK) + 2
    assert table(new_checkout, "check/rejected.csv").empty
    assert new_checkout.planned(PASSED) == Counter()


def test_too_many_rejected_stop_the_run_and_the_table_of_reasons_stays(
    new_checkout: Checkout,
) -> None:
    for number in (101, 102, 103):
        scan = new_checkout.folder / f"scans/Sub_{number}/T1.nii.gz"
        scan.write_bytes(scan.read_bytes()[:900])
    failed = new_checkout.snakemake(PASSED)
    assert failed.code == 1
    rejected = new_checkout.study / "check/rejected.csv"
    assert f"all are in {rejected}" in failed.text
    assert len(table(new_checkout, "check/rejected.csv")) == 3
    assert not (new_checkout.study / "check/passed.csv").exists()
    for number in (101, 102, 103):
        write_scan(new_checkout.folder / f"scans/Sub_{number}/T1.nii.gz", number)
    new_checkout.done(PASSED)
    assert table(new_checkout, "check/rejected.csv").empty
