"""Datasets of numbered cases: named themselves, from above, or copied in part."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from trees import mask
from trees import scan

from headstart.common.errors import UserError
from headstart.common.walk import list_files
from headstart.planning.discovery import discover
from headstart.planning.proposal import Found

CASES = (1, 3, 4, 6, 7, 8, 11, 15, 17, 23)  # 3, 4 and 7, 8 are the sides of two people
PARTS = {1: "anterior", 2: "posterior"}


def look(folder: Path) -> Found:
    return discover(folder, list_files(folder))


def nnunet(home: Path, cases: Iterable[int] = CASES, **listed: Any) -> None:
    for case in cases:
        scan(home / f"imagesTr/hippocampus_{case:03d}_0000.nii.gz", case)
        mask(home / f"labelsTr/hippocampus_{case:03d}.nii.gz", (0, 1, 2))
    scan(home / "imagesTs/hippocampus_024_0000.nii.gz")
    labels = {"background": 0, "anterior": 1, "posterior": 2}
    text = json.dumps({"channel_names": {"0": "MRI"}, "labels": labels} | listed)
    (home / "dataset.json").write_text(text)


def decathlon(home: Path, cases: Iterable[int] = CASES, listed: Iterable[int] = CASES) -> None:
    for case in cases:
        scan(home / f"imagesTr/hippocampus_{case:03d}.nii.gz", case)
        mask(home / f"labelsTr/hippocampus_{case:03d}.nii.gz", (0, 1, 2))
    names = [f"hippocampus_{case:03d}.nii.gz" for case in listed]
    listed = {
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
        "training": [{"image": f"./imagesTr/{n}", "label": f"./labelsTr/{n}"} for n in names],
    }
    (home / "dataset.json").write_text(json.dumps(listed))


KINDS = {"nnU-Net": nnunet, "Decathlon": decathlon}


@pytest.mark.parametrize("above", ["Dataset501_Hippo", "raw/Dataset501_Hippo"])
@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_a_dataset_below_is_read_as_if_it_was_named(
    tmp_path: Path, make: Callable[[Path], None], above: str
) -> None:
    make(tmp_path / above)
    named, found = look(tmp_path / above), look(tmp_path)
    assert found.source == named.source | {"path": above}
    assert found.classes == named.classes == PARTS
    assert found.subjects == named.subjects
    assert (len(found.scans), len(found.subjects)) == (10, 8)
    assert found.images == [f"{above}/{path}" for path in named.images]


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_scans_beside_the_dataset_are_told(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "Dataset501_Hippo")
    scan(tmp_path / "old/anna.nii.gz")
    assert any("old/anna.nii.gz" in line for line in look(tmp_path).notes)


@pytest.mark.parametrize("first", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("second", KINDS.values(), ids=KINDS)
def test_of_several_datasets_one_is_to_be_named(
    tmp_path: Path, first: Callable[[Path], None], second: Callable[[Path], None]
) -> None:
    first(tmp_path / "Dataset501_Hippo")
    second(tmp_path / "Dataset502_X")
    with pytest.raises(
        UserError, match=r"2 datasets.*Dataset501_Hippo and Dataset502_X; name one"
    ) as error:
        look(tmp_path)
    assert "by hand" not in str(error.value)  # no template that would make one of the two


def test_datasets_without_masks_are_no_sessions(tmp_path: Path) -> None:
    for home in ("Dataset501_Hippo", "Dataset502_X"):
        for case in CASES:
            scan(tmp_path / home / f"imagesTr/case_{case:03d}_0000.nii.gz", case)
    with pytest.raises(UserError, match="name one"):
        look(tmp_path)


def test_what_was_preprocessed_is_no_second_dataset(tmp_path: Path) -> None:
    nnunet(tmp_path / "nnUNet_raw/Dataset501_Hippo")
    own = tmp_path / "nnUNet_preprocessed/Dataset501_Hippo"
    for case in CASES:
        mask(own / f"gt_segmentations/hippocampus_{case:03d}.nii.gz", (0, 1, 2))
    (own / "dataset.json").write_text('{"labels": {"background": 0, "anterior": 1}}')
    assert look(tmp_path).source["path"] == "nnUNet_raw/Dataset501_Hippo"


def test_sides_are_known_without_masks(tmp_path: Path) -> None:
    for case in CASES:
        scan(tmp_path / f"imagesTr/hippocampus_{case:03d}_0000.nii.gz", case)
    found = look(tmp_path)
    assert (len(found.scans), len(found.subjects)) == (10, 8)


@pytest.mark.parametrize("above", ["", "Task04_Hippocampus"])
def test_a_copy_of_some_cases_keeps_classes_and_sides(tmp_path: Path, above: str) -> None:
    decathlon(tmp_path / above, listed=range(394, 0, -1))
    found = look(tmp_path)
    assert found.source["layout"] == "pairs"
    assert found.classes == PARTS
    assert (len(found.scans), len(found.subjects)) == (10, 8)
    assert any("384 scans rejected (missing-channel)" in line for line in found.notes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"training": [{"image": "./imagesTr/brain_1.nii.gz"}]}', "brain_1.nii.gz"),
        ('{"training": [', "line 1"),
        ('{"training": 3}', "training"),
    ],
)
@pytest.mark.parametrize("above", ["", "Task04_Hippocampus"])
def test_a_dataset_json_that_is_passed_over_is_told(
    tmp_path: Path, above: str, text: str, told: str
) -> None:
    decathlon(tmp_path / above)
    (tmp_path / above / "dataset.json").write_text(text)
    (line,) = [line for line in look(tmp_path).notes if "dataset.json" in line]
    assert told in line


def test_an_unreadable_dataset_json_of_nnunet_is_told(tmp_path: Path) -> None:
    nnunet(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    found = look(tmp_path)
    assert found.classes == {1: "class_1", 2: "class_2"}
    assert any("dataset.json" in line for line in found.notes)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ({"0": "background", "1": "Anterior", "2": "Posterior"}, PARTS),  # nnU-Net 1
        ({"background": 0, "anterior": "1", "posterior": [2]}, PARTS),
        ({"background": 0, "whole": [1, 2], "posterior": 2}, {1: "class_1", 2: "posterior"}),
        ({"background": 0, "whole": None, "core": "x"}, {1: "class_1", 2: "class_2"}),
        (["background"], {1: "class_1", 2: "class_2"}),
    ],
)
def test_labels_of_nnunet_are_names_of_values(
    tmp_path: Path, labels: Any, classes: dict[int, str]
) -> None:
    nnunet(tmp_path, labels=labels)
    assert look(tmp_path).classes == classes


def regions(folder: Path, **labels: Any) -> tuple[dict[int, str], str]:
    """Return the classes that are found, and what is said of a dataset with three values."""
    for case in CASES:
        scan(folder / f"imagesTr/glio_{case:03d}_0000.nii.gz", case)
        mask(folder / f"labelsTr/glio_{case:03d}.nii.gz", (0, 1, 2, 3))
    text = json.dumps({"channel_names": {"0": "MRI"}, "labels": {"background": 0} | labels})
    (folder / "dataset.json").write_text(text)
    found = look(folder)
    return found.classes, " ".join(found.notes)


@pytest.mark.parametrize("number", [3, "3", [3]])
def test_ignored_voxels_are_no_class(tmp_path: Path, number: Any) -> None:
    classes, told = regions(tmp_path, core=[1], whole=[1, 2], ignore=number)
    assert classes == {1: "core", 2: "class_2"}
    assert "dataset.json: 3 is 'ignore'" in told
    assert "mask-class" in told  # such scans are rejected
    assert "`classes: {whole: [1, 2]}`" in told


def test_ignored_voxels_of_a_list_of_pairs_are_no_class(tmp_path: Path) -> None:
    decathlon(tmp_path)
    listed = json.loads((tmp_path / "dataset.json").read_text())
    listed["labels"] = {"0": "background", "1": "Anterior", "2": "ignore"}
    (tmp_path / "dataset.json").write_text(json.dumps(listed))
    found = look(tmp_path)
    assert found.classes == {1: "anterior"}
    assert any("2 is 'ignore'" in line for line in found.notes)


@pytest.mark.parametrize(
    ("labels", "lines"),
    [
        (
            {"whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing": [3]},
            [
                "`classes: {whole_tumor: [1, 2, 3]}`",
                "`classes: {tumor_core: [2, 3], class_1: 1}`",
            ],
        ),
        (
            {"a": [1, 2], "b": [2, 3]},
            ["`classes: {a: [1, 2], class_3: 3}`", "`classes: {b: [2, 3], class_1: 1}`"],
        ),
        ({"a": 1, "c": [2, 3]}, ["`classes: {c: [2, 3], a: 1}`"]),
    ],
)
def test_regions_of_nnunet_are_told(
    tmp_path: Path, labels: dict[str, Any], lines: list[str]
) -> None:
    _, told = regions(tmp_path, **labels)
    for line in lines:
        assert line in told
    assert told.count("`classes: ") == len(lines)


def test_two_names_of_one_value_are_told(tmp_path: Path) -> None:
    classes, told = regions(tmp_path, a=1, b=1, c=[2], d=[3])
    assert classes == {1: "b", 2: "c", 3: "d"}
    assert "dataset.json: 1 is 'a' and 'b'; 'b' is taken" in told


def test_single_values_need_no_note(tmp_path: Path) -> None:
    assert regions(tmp_path, a=1, b=[2], c="3") == ({1: "a", 2: "b", 3: "c"}, "")
