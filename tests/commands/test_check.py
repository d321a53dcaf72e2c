"""The check stage: which scans pass, and why the others do not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from rows import frame_of

from headstart import cli
from headstart.cohort.quality import compare_scans
from headstart.common.errors import UserError
from headstart.common.records import read_rows
from headstart.common.records import write_rows
from headstart.data.found_scans import RejectedRow
from headstart.data.label_table import LabelRow
from headstart.imaging.config import Check
from headstart.imaging.mask_classes import Classes
from headstart.imaging.nifti import BadScanError
from headstart.imaging.nifti import read_volume
from headstart.imaging.rejection_codes import ACCEPTABLE
from headstart.imaging.rejection_codes import REASONS
from headstart.imaging.scan_check import check_scans
from headstart.imaging.scan_rows import CheckRow
from headstart.imaging.scan_rows import ScanFiles
from headstart.imaging.volume import Volume

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
CLASSES = {"grey": (1,), "white": (2,)}


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 500, shape).astype("i2")


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)


def shard(*subjects: str, mask: bool = True) -> list[ScanFiles]:
    return [
        ScanFiles(s, "1", {"T1": f"{s}/T1.nii.gz"}, f"{s}/mask.nii.gz" if mask else "", "")
        for s in subjects
    ]


def one_scan(subject: str = "a", *, masked: bool = True, **more: str) -> list[ScanFiles]:
    """Return one scan, with other files of it."""
    (plain,) = shard(subject, mask=masked)
    masks = {name: more.pop(name, path) for name, path in plain.masks.items()}
    return [replace(plain, channels=plain.channels | more, **masks)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number, subject in enumerate("abcdefghij"):
        save(tmp_path / subject / "T1.nii.gz", noise(10, 9, 8, seed=number))
        save(tmp_path / subject / "mask.nii.gz", (noise(10, 9, 8) % 3).astype("u1"))
    return tmp_path


def verdict(data: Path, subject: str = "a", **more: Any) -> CheckRow:
    given = {"scans": shard(subject), "data": data, "masks": True, "classes": CLASSES} | more
    return check_scans(**given)[0]


def checked_frame(**more: Any) -> pd.DataFrame:
    return frame_of(check_scans(**more), CheckRow)


# --- one scan


def test_a_good_scan_and_what_is_known_of_it(data: Path) -> None:
    row = verdict(data)
    assert (row.key, row.path, row.codes, row.detail) == (("a", "1"), "a/T1.nii.gz", [], "")
    assert (row.shape, row.voxel_size, row.orientation) == ((10, 9, 8), (2, 2, 2), "RAS")
    quantiles = np.percentile(noise(10, 9, 8), (1, 50, 99))
    assert [row.p01, row.p50, row.p99] == pytest.approx(quantiles, 1e-4)
    assert len(row.hash) == 64


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def with_nan(path: Path) -> None:
    array = noise(10, 9, 8).astype("f4")
    array[5, 5, 5] = np.nan
    save(path, array)


def with_infinity(path: Path) -> None:
    array = noise(10, 9, 8).astype("f4")
    array[5, 5, 5] = -np.inf
    save(path, array)


def spike(path: Path) -> None:
    array = noise(10, 9, 8).astype("i4")
    array[5, 5, 5] = 10_000_000
    save(path, array)


def set_forms(sform: int, qform: int, turned: np.ndarray = AFFINE) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        image = nib.Nifti1Image(noise(10, 9, 8, seed=99), AFFINE)
        image.set_sform(AFFINE, sform)
        image.set_qform(turned, qform)
        nib.save(image, path)

    return spoil


def without_orientation(path: Path) -> None:
    set_forms(0, 0)(path)
    mask = nib.load(path.with_name("mask.nii.gz"))  # on the grid that is then guessed
    save(path.with_name("mask.nii.gz"), np.asarray(mask.dataobj), nib.load(path).affine)


def shear(path: Path) -> None:
    affine = AFFINE.copy()
    affine[0, 1] = 0.2
    save(path, noise(10, 9, 8), affine)
    save(path.with_name("mask.nii.gz"), (noise(10, 9, 8) % 3).astype("u1"), affine)


def move_away(path: Path) -> None:
    elsewhere = path.parents[1].with_name(f"{path.parents[1].name}-elsewhere.nii.gz")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


ELSEWHERE = AFFINE + np.array([[0, 0, 0, 20.0]] + 3 * [[0, 0, 0, 0]])
MIRRORED = AFFINE @ np.diag([-1, 1, 1, 1])
BAD: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "not there": ("missing", lambda path: path.unlink()),
    "cut off": ("truncated", lambda path: path.write_bytes(path.read_bytes()[:400])),
    "crc": ("crc", flip),
    "web page": ("unreadable", lambda path: path.write_bytes(b"<html>404</html>")),
    "empty": ("unreadable", lambda path: path.write_bytes(b"")),
    "4-D": ("not-3d", lambda path: save(path, noise(10, 9, 8, 3))),
    "NaN": ("not-finite", with_nan),
    "infinity": ("not-finite", with_infinity),
    "constant": ("constant", lambda path: save(path, np.full((10, 9, 8), 7, "i2"))),
    "elsewhere": ("mask-grid", lambda path: save(path, noise(10, 9, 8), ELSEWHERE)),
    "other affine": ("mask-grid", lambda path: save(path, noise(10, 9, 8), np.eye(4))),
    "wild voxel": ("intensity-range", spike),
    "beyond any scanner": (
        "intensity-range",
        lambda path: save(path, noise(10, 9, 8).astype("f4") * 1e15),
    ),
    "no orientation": ("no-orientation", without_orientation),
    "two left sides": ("sform-qform", set_forms(1, 1, MIRRORED)),
    "two voxel sizes": ("sform-qform", set_forms(1, 2, AFFINE @ np.diag([1, 1, 1.5, 1]))),
    "sheared": ("sheared", shear),
    "a link out": ("outside-root", move_away),
    "too short": (
        "dimensions",
        lambda path: path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1])),
    ),
    "too long": (
        "dimensions",
        lambda path: path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"\0")),
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_image_gets_its_reason_and_the_others_pass(data: Path, kind: str) -> None:
    reason, spoil = BAD[kind]
    spoil(data / "b/T1.nii.gz")
    checked = checked_frame(scans=shard("a", "b", "c"), data=data, masks=True, classes=CLASSES)
    assert checked["subject"].tolist() == ["a", "b", "c"]
    assert checked["reason"].tolist() == ["", reason, ""]
    detail = checked["detail"][1]
    assert detail.startswith(("b/T1.nii.gz: ", "b/mask.nii.gz: "))
    assert ";" in detail, "the fix is missing"
    assert str(data) not in detail
    unread = {"missing", "truncated", "crc", "unreadable", "not-3d"}
    assert (checked["hash"][1] == "") == (reason in unread or kind == "too short")


def test_an_aligned_channel_may_lie_on_another_grid(data: Path) -> None:
    scan = ScanFiles("b", "1", {"T1": "b/T1.nii.gz", "FLAIR": "c/T1.nii.gz"}, "", "")
    save(data / "c/T1.nii.gz", noise(10, 9, 8), np.eye(4))
    for aligned, reason in (((), "mask-grid"), (("FLAIR",), "")):
        (row,) = check_scans(scans=[scan], data=data, masks=False, classes={}, aligned=aligned)
        assert row.reason == reason
        assert ("align: rigid" in row.detail) == bool(reason)


def test_all_that_is_wrong_is_listed_the_worst_first(data: Path) -> None:
    image = nib.Nifti1Image(np.full((10, 9, 8), 7, "i2"), AFFINE)
    image.set_sform(AFFINE, 1)
    image.set_qform(MIRRORED, 1)
    image.header["descrip"] = "Doe^Jane"
    nib.save(image, data / "a/T1.nii.gz")
    save(data / "a/mask.nii.gz", np.zeros((10, 9, 8), "u1"))
    row = verdict(data)
    assert row.reason == "sform-qform"
    assert row.also == ("constant", "mask-empty", "personal-data")
    assert "Doe" not in row.detail


def test_header_text_is_marked_and_never_shown(data: Path) -> None:
    for name, text in (("a", "Doe^Jane 1950-05-03"), ("b", "FSL5.0")):
        image = nib.load(data / name / "T1.nii.gz")
        image.header["descrip"] = text
        nib.save(image, data / name / "T1.nii.gz")
    checked = checked_frame(scans=shard("a", "b"), data=data, masks=True, classes=CLASSES)
    assert checked["also"].tolist() == [("personal-data",), ()]
    assert checked["reason"].tolist() == ["", ""]
    assert "Jane" not in checked.to_csv()


def test_a_root_that_is_a_link_is_no_way_out(data: Path) -> None:
    root = data.with_name(f"{data.name}-linked")
    root.symlink_to(data)
    assert verdict(root).reason == ""


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.unlink(), "missing"),
        (flip, "crc"),
        (lambda path: save(path, np.full((10, 9, 8), 3, "u1")), "mask-class"),
        (lambda path: save(path, np.full((10, 9, 8), 0.5, "f4")), "mask-values"),
        (lambda path: save(path, np.full((10, 9, 8), -1, "i2")), "mask-class"),
        (lambda path: save(path, np.full((10, 9, 8), 1.0004, "f4")), ""),
        (lambda path: save(path, np.zeros((10, 9, 8), "u1")), "mask-empty"),
        (lambda path: save(path, noise(10, 9, 8) % 3, AFFINE + 5e-4 * np.eye(4)), ""),
        (lambda path: save(path, noise(10, 9, 8) % 3, AFFINE + 5e-3 * np.eye(4)), "mask-offset"),
        (lambda path: save(path, noise(10, 9, 8) % 3, AFFINE + 0.5 * np.eye(4)), "mask-grid"),
    ],
)
def test_masks(data: Path, spoil: Callable[[Path], Any], reason: str) -> None:
    spoil(data / "a/mask.nii.gz")
    row = verdict(data)
    assert row.reason == reason
    assert row.path == "a/T1.nii.gz"


def test_without_declared_classes_nothing_is_learnt_from_a_mask(data: Path) -> None:
    save(data / "a/mask.nii.gz", np.full((10, 9, 8), 1026, "i2"))
    assert verdict(data, classes={}).reason == ""
    save(data / "a/mask.nii.gz", np.full((10, 9, 8), 0.5, "f4"))
    assert verdict(data, classes={}).reason == "mask-values"


@pytest.mark.parametrize(
    ("classes", "values", "reason"),
    [
        ({"core": (1,), "oedema": (2,), "enhancing": (4,)}, (0, 1, 2, 4), ""),
        ({"lesion": (255,)}, (0, 255), ""),
        ({"lesion": (255,)}, (0, 254, 255), "mask-class"),
        ({"cortex": (1026, 2026)}, (0, 2026), ""),
        ({"cortex": (1026, 2026)}, (0, 2), "mask-class"),  # 1026 as a byte
        ({"left": (-1,), "right": (1,)}, (0, 1, -1), ""),
        ({"lesion": (255,)}, (0,), "mask-empty"),
        ({"lesion": "any"}, (0, 1, 5, 65535), ""),
        ({"lesion": "any"}, (0, 1, -1), "mask-class"),
        ({"lesion": "any"}, (0, 1, 2.5), "mask-values"),
        ({"lesion": "any"}, (0,), "mask-empty"),
    ],
)
def test_values_of_classes(
    data: Path, classes: Classes, values: tuple[float, ...], reason: str
) -> None:
    mask = np.zeros((10, 9, 8), "f4")
    mask.flat[: len(values)] = values
    save(data / "a/mask.nii.gz", mask)
    assert verdict(data, classes=classes).reason == reason


def test_what_any_does_not_hold_can_t_be_declared(data: Path) -> None:
    mask = np.zeros((10, 9, 8), "f8")
    mask.flat[:3] = 1, -1, 2**31
    save(data / "a/mask.nii.gz", mask)
    said = verdict(data, classes={"lesion": "any"}).detail
    assert said.endswith(
        "holds -1, 2147483648, of no class; `any` holds 1 to 2147483647; correct the mask"
    )


@pytest.mark.parametrize("name", ["mask", "brain_mask", "T2"])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("flipped", ""),
        ("permuted", ""),
        ("cropped", ""),
        ("extended", ""),
        ("1e-4 mm", ""),
        ("0.01 mm", "mask-offset"),
        ("half a voxel", "mask-offset"),
        ("a voxel", "mask-grid"),
        ("coarser", "mask-grid"),
    ],
)
def test_grids_of_masks_and_channels(data: Path, name: str, kind: str, reason: str) -> None:
    array, affine = (1 + np.arange(720).reshape(10, 9, 8) % 2).astype("i2"), AFFINE.copy()
    if kind == "flipped":
        array, affine = array[::-1], AFFINE @ np.diag([-1, 1, 1, 1])
        affine[0, 3] = 18
    elif kind == "permuted":
        array, affine = array.transpose(2, 0, 1), AFFINE[:, [2, 0, 1, 3]]
    elif kind == "cropped":
        array = array[2:, :, 1:-1]
        affine[:3, 3] = 4, 0, 2
    elif kind == "extended":
        array = np.pad(array, 2)
        affine[:3, 3] = -4
    elif kind == "coarser":
        affine[2, 2] = 3
    else:
        affine[0, 3] = {"1e-4 mm": 1e-4, "0.01 mm": 0.01, "half a voxel": -1, "a voxel": 2}[kind]
    save(data / "a/other.nii.gz", array, affine)
    scans = one_scan(**{name: "a/other.nii.gz"})
    row = verdict(data, scans=scans)
    assert row.reason == reason
    if reason:
        assert {"0.01 mm": "0.01 mm", "half a voxel": "1 mm", "a voxel": "2 mm"}.get(
            kind, "voxels of 2x2x3 mm instead of 2x2x2 mm"
        ) in row.detail


def test_a_mask_that_every_scan_needs(data: Path) -> None:
    assert verdict(data, scans=shard("a", mask=False)).reason == "missing"
    assert verdict(data, scans=shard("a", mask=False), masks=False).reason == ""


def test_brain_masks_and_second_channels_are_read_too(data: Path) -> None:
    scans = one_scan(T2="a/T2.nii.gz", brain_mask="a/brain.nii.gz")
    save(data / "a/T2.nii.gz", noise(10, 9, 8))
    save(data / "a/brain.nii.gz", np.full((10, 9, 8), 255, "u1"))
    assert verdict(data, scans=scans).reason == ""
    save(data / "a/brain.nii.gz", np.zeros((10, 9, 8), "u1"))
    assert verdict(data, scans=scans).reason == "brain-mask-empty"
    save(data / "a/brain.nii.gz", np.full((10, 9, 8), -1, "i2"))
    assert verdict(data, scans=scans).reason == "brain-mask-empty"
    save(data / "a/brain.nii.gz", np.full((10, 9, 8), 256, "i2"))
    save(data / "a/T2.nii.gz", np.zeros((10, 9, 8), "u1"))
    row = verdict(data, scans=scans)
    assert (row.reason, row.also) == ("constant", ())
    assert row.detail.startswith("a/T2.nii.gz")


def test_a_study_of_series_takes_series_and_nothing_else(data: Path) -> None:
    save(data / "a/T1.nii.gz", noise(10, 9, 8, 7))
    save(data / "b/T1.nii.gz", noise(10, 9, 8, 6))
    series: dict[str, Any] = {"masks": False, "classes": {}, "volumes": 7}
    alone = {"scans": shard("a", mask=False)} | series
    row = verdict(data, **alone)
    assert (row.codes, row.shape) == ([], (10, 9, 8))
    short = verdict(data, scans=shard("b", mask=False), **series)
    assert (short.reason, "has 6 volumes" in short.detail) == ("not-4d", True)
    flat = verdict(data, scans=shard("c", mask=False), **series)
    assert (flat.reason, "10x9x8 voxels, no 4-D series" in flat.detail) == ("not-4d", True)
    one = verdict(data)
    assert (one.reason, "prepare.series: true" in one.detail) == ("not-3d", True)
    later = noise(10, 9, 8, 7).astype("f4")
    later[5, 5, 5, 6] = np.nan
    save(data / "a/T1.nii.gz", later)
    assert verdict(data, **alone).reason == "not-finite"


def test_an_unforeseen_error_is_a_reason_too(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Path, **__: object) -> None:
        raise ZeroDivisionError("no\none thought of it")

    monkeypatch.setattr("headstart.imaging.scan_check.read_volume", broken)
    row = verdict(data)
    assert row.reason == "unreadable"
    assert "ZeroDivisionError: no one thought of it" in row.detail


@settings(max_examples=10)
@given(order=st.permutations("abcdefghij"))
def test_the_order_is_that_of_the_shard(
    order: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.getbasetemp() / "shuffled"
    for number, subject in enumerate("abcdefghij"):
        if not (data / subject / "T1.nii.gz").exists() and subject != "d":
            save(data / subject / "T1.nii.gz", noise(3, 3, 3, seed=number))
    checked = checked_frame(scans=shard(*order, mask=False), data=data, masks=False, classes={})
    assert checked["subject"].tolist() == order
    assert checked.loc[checked["reason"] != "", "subject"].tolist() == ["d"]


@pytest.mark.parametrize(
    "attack", ["nifti-2298e682-a.nii.gz", "nifti-c15c0a8f-a.nii", "nifti-d0518f92-a.nii.gz"]
)
def test_files_that_once_ended_the_stage(shared_data: Path, attack: str) -> None:
    folder = shared_data.parent / "cases" / "attack"
    scans = one_scan(masked=False, T1=attack)
    row = verdict(folder, scans=scans, masks=False)
    assert row.reason in ("", *REASONS)


@pytest.mark.parametrize("stem", ["T1", "mask", "brain"])
def test_an_error_in_judging_a_file_is_a_reason_too(
    data: Path, stem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(data / "a/brain.nii.gz", np.full((10, 9, 8), 1, "u1"))

    spoilt = read_volume(data / f"a/{stem}.nii.gz").digest

    def broken(volume: Volume, *_: Any) -> list[BadScanError]:
        if volume.digest == spoilt:
            raise ZeroDivisionError("nobody thought of it")
        return []

    monkeypatch.setattr("headstart.imaging.scan_check._grid_problems", broken)
    row = verdict(data, scans=one_scan(brain_mask="a/brain.nii.gz"))
    assert row.reason == "unreadable"
    assert row.detail.startswith(f"a/{stem}.nii.gz: can't be interpreted (ZeroDivisionError")


@settings(max_examples=300)
@given(
    version=st.sampled_from([nib.Nifti1Image, nib.Nifti2Image]),
    changes=st.lists(st.tuples(st.integers(0, 543), st.integers(0, 255)), max_size=4),
)
def test_any_header_is_judged(
    version: type, changes: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = tmp_path_factory.getbasetemp() / "headers"
    data.mkdir(exist_ok=True)
    image = version(noise(6, 5, 4), AFFINE)
    image.set_qform(AFFINE, 1)
    content = bytearray(image.to_bytes())
    for place, value in changes:
        content[place] = value
    (data / "a.nii").write_bytes(content)
    row = verdict(data, scans=one_scan(masked=False, T1="a.nii"), masks=False)
    assert row.reason in ("", *REASONS)
    assert "can't be interpreted" not in row.detail


# --- the cohort


def cohort(*subjects: str) -> list[ScanFiles]:
    return shard(*subjects, mask=False)


def gathered(
    data: Path, scans: list[ScanFiles], checked: list[CheckRow] | None = None, **rules: Any
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    labels = labelled(scans)
    if checked is None:
        checked = check_scans(scans=scans, data=data, masks=False, classes={})
    output = data / "check"
    compare_scans(checked=checked, labels=labels, rules=Check.model_validate(rules), output=output)
    kinds = {"passed": LabelRow, "rejected": RejectedRow, "summary": CheckRow}
    passed, rejected, summary = (
        frame_of(read_rows(output / f"{name}.csv", kind), kind) for name, kind in kinds.items()
    )
    assert len(passed) + len(rejected) == len(labels) == len(summary)
    assert summary["subject"].tolist() == [row.subject for row in labels]
    return passed, rejected, summary


def labelled(scans: list[ScanFiles]) -> list[LabelRow]:
    return [LabelRow.of(one, source="ours", site="", labels={"age": "50"}) for one in scans]


def test_the_bad_are_rejected_and_the_run_goes_on(data: Path) -> None:
    flip(data / "d/T1.nii.gz")
    passed, rejected, summary = gathered(data, cohort(*"abcdefghij"), max_rejected=0.1)
    assert passed["subject"].tolist() == list("abcefghij")
    assert rejected[["subject", "session", "path", "reason"]].values.tolist() == [
        ["d", "1", "d/T1.nii.gz", "crc"]
    ]
    assert summary["reason"].tolist() == ["", "", "", "crc", *[""] * 6]


def test_too_many_are_an_error(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip(data / "d/T1.nii.gz")
    save(data / "e/T1.nii.gz", np.zeros((3, 3, 3), "u1"))
    message = r"2 of 10 scans are rejected \(1 constant, 1 crc\), more than .* = 0.1 allows"
    with pytest.raises(UserError, match=message):
        gathered(data, cohort(*"abcdefghij"))
    assert "subject 'd', session '1': crc: d/T1.nii.gz: its compressed" in capsys.readouterr().err


def test_those_excluded_by_hand_do_not_count(data: Path) -> None:
    flip(data / "d/T1.nii.gz")
    exclude = [{"subject": name, "reason": "moved a lot"} for name in "def"]
    passed, rejected, _ = gathered(data, cohort(*"abcdefghij"), exclude=exclude, max_rejected=0)
    assert passed["subject"].tolist() == list("abcghij")
    assert set(rejected["reason"]) == {"excluded"}
    assert set(rejected["detail"]) == {"moved a lot"}


def test_one_session_may_be_excluded(data: Path) -> None:
    keys = [("a", "1"), ("a", "2"), ("b", "1")]
    scans = [
        replace(one, subject=subject, session=session)
        for one, (subject, session) in zip(cohort("a", "b", "c"), keys, strict=True)
    ]
    exclude = [{"subject": "a", "session": "2", "reason": "another coil"}]
    passed, _, _ = gathered(data, scans, exclude=exclude)
    assert passed[["subject", "session"]].values.tolist() == [["a", "1"], ["b", "1"]]


def test_a_person_may_accept_a_scan(data: Path) -> None:
    save(data / "d/T1.nii.gz", np.full((3, 3, 3), 7, "u1"))
    accept = [{"subject": "d", "reason": "a phantom"}]
    passed, rejected, summary = gathered(data, cohort(*"abcd"), accept=accept, max_rejected=0)
    assert passed["subject"].tolist() == list("abcd")
    assert rejected.empty
    assert summary["reason"][3] == "constant"
    assert summary["detail"][3].endswith("(accepted: a phantom)")


@pytest.mark.parametrize("kind", ["not there", "cut off", "crc", "4-D", "NaN", "too short"])
def test_no_one_can_accept_what_can_not_be_computed_with(data: Path, kind: str) -> None:
    reason, spoil = BAD[kind]
    spoil(data / "d/T1.nii.gz")
    with pytest.raises(UserError, match=rf"check\.accept: subject 'd'.*{reason}: d/T1"):
        gathered(data, cohort(*"abcd"), accept=[{"subject": "d", "reason": "let me"}])


@pytest.mark.parametrize("section", ["exclude", "accept"])
@pytest.mark.parametrize("who", [{"subject": "sub"}, {"subject": "a", "session": "9"}])
def test_decisions_about_nobody(data: Path, section: str, who: dict[str, str]) -> None:
    with pytest.raises(
        UserError, match=rf"check\.{section}: labels\.csv has no subject .*e\.g\., a"
    ):
        gathered(data, cohort(*"abc"), **{section: [{**who, "reason": "because"}]})


def test_a_scan_can_not_be_excluded_and_accepted(data: Path) -> None:
    decision = [{"subject": "a", "reason": "because"}]
    with pytest.raises(UserError, match="is in check"):
        gathered(data, cohort(*"abc"), exclude=decision, accept=decision)


def test_a_code_may_be_accepted_in_every_scan(data: Path) -> None:
    for subject in "bd":
        save(data / subject / "T1.nii.gz", np.full((3, 3, 3), 7 + ord(subject), "i2"))
    set_forms(1, 1, MIRRORED)(data / "c/T1.nii.gz")
    accept = [{"code": "constant", "reason": "phantoms"}]
    passed, rejected, _ = gathered(data, cohort(*"abcd"), accept=accept, max_rejected=1)
    assert passed["subject"].tolist() == list("abd")
    assert rejected[["subject", "reason"]].values.tolist() == [["c", "sform-qform"]]

    one = [{"code": "constant", "subject": "b", "reason": "a phantom"}]
    passed, rejected, _ = gathered(data, cohort(*"abcd"), accept=one, max_rejected=1)
    assert passed["subject"].tolist() == list("ab")


def test_what_else_is_wrong_counts_once_the_worst_is_accepted(data: Path) -> None:
    image = nib.Nifti1Image(np.full((10, 9, 8), 7, "i2"), AFFINE)
    image.set_sform(AFFINE, 1)
    image.set_qform(MIRRORED, 1)
    nib.save(image, data / "a/T1.nii.gz")
    accept = [{"code": "sform-qform", "reason": "the sform is right"}]
    _, rejected, _ = gathered(data, cohort("a", "b"), accept=accept, max_rejected=1)
    assert rejected["reason"].tolist() == ["constant"]
    accept.append({"subject": "a", "reason": "a phantom"})
    assert len(gathered(data, cohort("a", "b"), accept=accept)[0]) == 2


@pytest.mark.parametrize(
    "entry",
    [
        {"reason": "whatever it is"},
        {"session": "1", "code": "constant", "reason": "in all"},
        {"code": "crc", "reason": "let me"},
        {"code": "constnat", "reason": "a typo"},
    ],
)
def test_acceptances_that_make_no_sense(entry: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="accept"):
        Check.model_validate({"accept": [entry]})


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"shape": [8, 10]}, None),
        ({"shape": [9, 20]}, "shape"),
        ({"shape": [2, 9]}, "shape"),
        ({"voxel_size": [1.9, 2.1]}, None),
        ({"voxel_size": [0.5, 1.5]}, "voxel-size"),
        ({"voxel_size": [2.5, 3]}, "voxel-size"),
        ({"field_of_view": [16, 20]}, None),
        ({"field_of_view": [50, 600]}, "field-of-view"),
        ({"field_of_view": [10, 19]}, "field-of-view"),
    ],
)
def test_ranges_of_the_study(data: Path, rules: dict[str, Any], reason: str | None) -> None:
    accept = [{"subject": "c", "reason": "is as it is"}]
    passed, rejected, _ = gathered(data, cohort("a", "c"), accept=accept, max_rejected=1, **rules)
    if reason is None:
        assert rejected.empty
        return
    assert passed["subject"].tolist() == ["c"]
    assert rejected["reason"].tolist() == [reason]
    assert "outside check." in rejected["detail"][0]


def test_personal_data_is_rejected_if_asked_for(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = nib.load(data / "b/T1.nii.gz")
    image.header["descrip"] = "Doe^Jane"
    nib.save(image, data / "b/T1.nii.gz")
    passed, _, summary = gathered(data, cohort(*"abc"))
    assert len(passed) == 3
    assert summary["also"].tolist() == [(), ("personal-data",), ()]
    assert "the headers of 1 scans look as if they named persons" in capsys.readouterr().err
    _, rejected, _ = gathered(data, cohort(*"abc"), personal_data="reject", max_rejected=1)
    assert rejected[["subject", "reason"]].values.tolist() == [["b", "personal-data"]]
    assert "Doe" not in (data / "check/rejected.csv").read_text()


def test_the_same_voxels_under_two_names(data: Path) -> None:
    save(data / "c/T1.nii.gz", noise(10, 9, 8), np.eye(4))  # as a
    scans = cohort(*"abc")
    _, rejected, _ = gathered(data, scans, max_rejected=1)
    assert rejected["subject"].tolist() == ["a", "c"]
    assert set(rejected["reason"]) == {"duplicate"}
    assert "subject 'c', session '1'" in rejected["detail"][0]

    decision = [{"subject": "c", "reason": "a copy of a"}]
    passed, _, _ = gathered(data, scans, exclude=decision)
    assert passed["subject"].tolist() == ["a", "b"]
    passed, _, _ = gathered(data, scans, accept=decision, max_rejected=1)
    assert passed["subject"].tolist() == ["b", "c"]


def test_one_person_may_have_the_same_voxels_twice(data: Path) -> None:
    save(data / "b/T1.nii.gz", noise(10, 9, 8))  # as a
    first, second = cohort("a", "b")
    scans = [first, replace(second, subject="a", session="2")]
    passed, _, _ = gathered(data, scans)
    assert len(passed) == 2


CODES = [code for code in REASONS if code not in ("duplicate", "excluded", "personal-data")]


@settings(max_examples=100)
@given(
    found=st.lists(
        st.tuples(st.integers(0, 5), st.lists(st.sampled_from(CODES), unique=True, max_size=4)),
        min_size=1,
        max_size=12,
    ),
    accept=st.lists(st.sampled_from(ACCEPTABLE), unique=True, max_size=4),
)
def test_counts_add_up_whatever_was_found(
    found: list[tuple[int, list[str]]],
    accept: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    scans = cohort(*(str(number) for number in range(len(found) + 1)))
    ordered = [sorted(codes, key=list(REASONS).index) for _, codes in found] + [[]]
    hashes = [*(str(voxels) for voxels, _ in found), "another"]
    checked = [
        CheckRow(
            *one.key,
            path=one.first,
            reason=codes[0] if codes else "",
            detail="so it is" if codes else "",
            also=tuple(codes[1:]),
            hash=digest,
        )
        for one, codes, digest in zip(scans, ordered, hashes, strict=True)
    ]
    rules = {"accept": [{"code": code, "reason": "seen"} for code in accept], "max_rejected": 1}
    _, rejected, _ = gathered(tmp_path_factory.mktemp("counts"), scans, checked, **rules)
    for row in rejected.itertuples():
        codes = ordered[int(row.subject)]
        assert row.reason in [*codes, "duplicate"]
        assert row.detail
        unusable = any(code not in ACCEPTABLE for code in codes)
        assert unusable or row.reason not in accept


def test_nothing_left(data: Path) -> None:
    exclude = [{"subject": name, "reason": "not today"} for name in "ab"]
    with pytest.raises(UserError, match=r"no scan is left of 2 \(2 excluded\)"):
        gathered(data, cohort("a", "b"), exclude=exclude)


@pytest.mark.parametrize("there", ["ab", "abcd", "abcc"])
def test_shards_of_another_table(data: Path, there: str) -> None:
    checked = check_scans(scans=cohort(*there), data=data, masks=False, classes={})
    with pytest.raises(UserError, match="check all shards"):
        gathered(data, cohort(*"abc"), checked)


def test_the_commands(data: Path) -> None:
    flip(data / "b/T1.nii.gz")
    scans = shard(*"abcdefghij")
    write_rows(data / "labels.csv", LabelRow, labelled(scans))
    slice_ = json.dumps({"masks": True, "classes": [[1, "grey"], [2, "white"]]})
    tables = []
    for number, rows in enumerate((scans[5:], scans[:5], [])):
        write_rows(data / f"shards/{number}.csv", ScanFiles, rows)
        tables.append(str(data / f"checked/{number}.csv"))
        words = ["check-scans", "--settings", slice_, "--scans", str(data / f"shards/{number}.csv")]
        assert cli.main([*words, "--data", str(data), "--output", tables[-1]]) == 0
    words = ["check", "--settings", '{"max_rejected":0.1,"exclude":[],"accept":[]}']
    words += ["--checked", *tables, "--labels", str(data / "labels.csv")]
    assert cli.main([*words, "--output", str(data / "out")]) == 0
    passed = read_rows(data / "out/passed.csv", LabelRow)
    assert [row.subject for row in passed] == list("acdefghij")


# --- real data


@pytest.mark.parametrize(
    ("folder", "images", "masks", "classes"),
    [
        ("msd_task04_hippocampus", "imagesTr/*.gz", "labelsTr/*.gz", {"front": (1,), "back": (2,)}),
        ("ixi10_2mm", "nifti/*.gz", "dlmuse/*.gz", {}),
    ],
)
def test_real_scans_pass(
    shared_data: Path, folder: str, images: str, masks: str, classes: dict[str, tuple[int, ...]]
) -> None:
    data = shared_data / folder
    pairs = zip(sorted(data.glob(images)), sorted(data.glob(masks)), strict=True)
    scans = [
        ScanFiles(
            image.name, "1", {"T1": str(image.relative_to(data))}, str(mask.relative_to(data)), ""
        )
        for image, mask in pairs
    ]
    checked = checked_frame(scans=scans, data=data, masks=True, classes=classes)
    assert (checked["reason"] == "").all()
    # the ten were made by a program that leaves its user's name and the date in the header
    assert set(checked["also"]) == {("personal-data",) if folder.startswith("ixi") else ()}
    assert checked["hash"].nunique() == len(scans)
    assert set(checked["orientation"]) <= {"RAS", "PSR"}
