"""What `init` makes of trees: the same for any number of subjects, and everybody is found."""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from trees import TREES
from trees import mask
from trees import people
from trees import scan
from trees import scan_bytes
from trees import table
from trees import write

from headstart.common.errors import UserError
from headstart.common.walk import list_files
from headstart.planning.discovery import discover
from headstart.planning.evidence import saw
from headstart.planning.proposal import Found
from headstart.planning.sample import take_sample

COUNTS = (6, 7, 8, 10, 12, 15, 19, 20, 21, 26, 40)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("kind", TREES)
def test_a_tree_keeps_its_layout(tmp_path: Path, kind: str, count: int) -> None:
    tree = TREES[kind]
    tree.make(tmp_path, count)
    found = discover(tmp_path, list_files(tmp_path))
    assert {key: found.source.get(key) for key in tree.expected} == dict(tree.expected)
    assert len(found.subjects) == count
    assert len(found.scans) == count * tree.scans


def bids(folder: Path, *names: str, count: int = 12) -> None:
    """Write a dataset; a name such as `T1w` is for all, `even:run-1_T1w` for half of them."""
    for n in range(count):
        for name in names:
            half, _, text = name.rpartition(":")
            if half in ("", ("even", "odd")[n % 2]):
                home, _, text = text.rpartition("/")
                path = f"sub-{n:02d}/anat/sub-{n:02d}_{text}.nii.gz"
                path = f"derivatives/{home}/{path}" if home else path
                if text.endswith(("mask", "dseg")):
                    mask(folder / path)
                else:
                    scan(folder / path, 100 * n + len(text))


def look(folder: Path) -> Found:
    return discover(folder, list_files(folder))


@pytest.mark.parametrize(
    ("names", "channels", "prefer"),
    [
        (("UNIT1", "inv-1_MP2RAGE", "inv-2_MP2RAGE", "T1map"), {"T1": "UNIT1"}, None),
        (("even:acq-HCP_T1w", "odd:acq-VNavNorm_T1w"), {"T1": "T1w"}, None),
        (("even:T1w", "odd:run-1_T1w", "odd:run-2_T1w"), {"T1": "T1w"}, ["run-1"]),
        (("even:acq-a_T1w", "odd:run-01_T1w", "odd:run-02_T1w"), {"T1": "T1w"}, ["run-01"]),
        (("rec-norm_T1w", "T1w"), {"T1": "T1w"}, None),
        (("T1w", "FLAIR", "T2w"), {"T1": "T1w", "T2": "T2w", "FLAIR": "FLAIR"}, None),
        (
            ("T1w", "even:T2w"),
            {"T1": "T1w", "T2": {"path": "T2w", "optional": True}},
            None,
        ),
    ],
)
def test_names_of_bids_are_those_that_find_most(
    tmp_path: Path, names: tuple[str, ...], channels: dict[str, Any], prefer: list[str] | None
) -> None:
    bids(tmp_path, *names)
    found = look(tmp_path)
    assert found.source["channels"] == channels
    assert found.source.get("prefer") == prefer
    assert len(found.scans) == 12


def test_masks_of_derivatives_on_the_scans_grid(tmp_path: Path) -> None:
    bids(tmp_path, "T1w", "fmriprep/desc-brain_mask", "lesions/label-lesion_mask")
    for n in range(12):
        home = tmp_path / f"derivatives/fmriprep/sub-{n:02d}/anat"
        name = f"sub-{n:02d}_space-MNI152NLin2009cAsym_desc-brain_mask.nii.gz"
        write(home / name, scan_bytes(0, (0, 1)))
    found = look(tmp_path)
    assert found.source["brain_mask"] == "derivatives/fmriprep/desc-brain_mask"
    assert found.source["mask"] == "derivatives/lesions/label-lesion_mask"
    assert found.classes == {1: "lesion"}
    assert any("another space" in line for line in found.notes)


def subjects_with(folder: Path, **files: Callable[[Path, int], None]) -> Found:
    """Look at 12 subjects, each with files such as `S1_T1.nii.gz`, made by a function each."""
    for n in range(1, 13):
        for name, make in files.items():
            make(folder / f"S{n}_{name}.nii.gz", n)
    return look(folder)


def masked(values: Iterable[float], kind: type = np.float32) -> Callable[[Path, int], None]:
    def make(path: Path, _: int) -> None:
        voxels = np.resize(np.array(list(values), kind), (10, 12, 11))
        nib.save(nib.Nifti1Image(voxels, np.diag([8.0, 8.0, 8.0, 1.0])), path)

    return make


@pytest.mark.parametrize("name", ["lesion_prob", "GM_probseg", "lesionmask", "roi", "T1_seg"])
def test_what_is_named_as_a_mask_is_never_a_channel(tmp_path: Path, name: str) -> None:
    found = subjects_with(tmp_path, T1=scan, **{name: masked([0, 0.3, 0.7])})
    assert list(found.source["channels"]) == ["T1"]
    assert "mask" not in found.source
    assert any(f"_{name}.nii.gz are not used" in line for line in found.notes)


def test_an_image_of_few_values_is_no_mask(tmp_path: Path) -> None:
    found = subjects_with(tmp_path, T1=masked(range(0, 200, 17), np.int16), T2=scan)
    assert found.source["channels"] == {
        "T1": "{subject}_T1.nii.gz",
        "T2": "{subject}_T2.nii.gz",
    }
    assert "mask" not in found.source


@pytest.mark.parametrize("twice", [(6, 5), (5, 6), (6, 6)])
def test_a_channel_that_is_not_used_is_told_by_its_own_files(
    tmp_path: Path, twice: tuple[int, int]
) -> None:
    for n in range(40):
        scan(tmp_path / f"S{n:02d}/{n % 3 + 2:03d}_t1.nii.gz", n)
        for count, name in zip(twice, ("t2", "flair"), strict=True):
            for number in (5, 7)[: 1 + (n < count)]:
                scan(tmp_path / f"S{n:02d}/{n % 3 + number:03d}_{name}.nii.gz", n)
    found = discover(tmp_path, list_files(tmp_path))
    assert list(found.source["channels"]) == ["T1"]
    for name, other in (("FLAIR", "T2"), ("T2", "FLAIR")):
        (told,) = (line for line in found.notes if line.startswith(f"the channel {name} "))
        assert other.lower() not in told.lower()
        assert "e.g. 2 files fit 'S0" in told or "e.g. S00/002_t1.nii.gz has no such file" in told


def test_an_image_without_a_channels_name_is_not_used(tmp_path: Path) -> None:
    found = subjects_with(tmp_path, T1=scan, karte=scan)
    assert list(found.source["channels"]) == ["T1"]
    assert any("_karte.nii.gz are not used" in line for line in found.notes)


def test_suffixes_in_any_writing(tmp_path: Path) -> None:
    for n in range(1, 13):
        scan(tmp_path / f"S{n}_T1{('.nii', '.nii.gz', '.NII.GZ', '.NII')[n % 4]}", n)
        mask(tmp_path / f"S{n}_lesion{('.nii.gz', '.NII.GZ')[n % 2]}")
    found = look(tmp_path)
    assert len(found.scans) == 12
    assert found.source["mask"] == "{subject}_lesion.nii.gz"


def test_suffixes_of_bids_in_any_writing(tmp_path: Path) -> None:
    for n in range(12):
        scan(tmp_path / f"sub-{n:02d}/anat/sub-{n:02d}_T1w{('.nii', '.NII.GZ')[n % 2]}", n)
    assert len(look(tmp_path).scans) == 12


@pytest.mark.parametrize(
    ("kind", "affine", "says"),
    [(np.int16, None, "sform"), (np.complex64, np.eye(4), "colours or complex")],
)
def test_the_headers_own_reason_is_said(
    tmp_path: Path, kind: type, affine: np.ndarray | None, says: str
) -> None:
    for n in range(1, 9):
        image = nib.Nifti1Image(np.ones((9, 9, 9), kind), affine)
        write(tmp_path / f"S{n}_T1.nii.gz", image.to_bytes())
    with pytest.raises(UserError, match=says):
        take_sample(tmp_path, look(tmp_path).images)


@pytest.mark.parametrize("shape", [(9, 9, 9, 2), (9, 9, 1)])
def test_a_shape_that_is_no_volume_is_said(tmp_path: Path, shape: tuple[int, ...]) -> None:
    for n in range(1, 9):
        scan(tmp_path / f"S{n}_T1.nii.gz", n, shape)
    with pytest.raises(UserError, match=r"9x9x.*not one 3-D volume"):
        take_sample(tmp_path, look(tmp_path).images)


@pytest.mark.parametrize("wild", [np.nan, np.inf])
@pytest.mark.parametrize("affine", [np.diag([8.0, 8, 8, 1]), np.zeros((4, 4))])
def test_no_scan_stops_the_look(tmp_path: Path, wild: float, affine: np.ndarray) -> None:
    for n in range(1, 9):
        voxels = np.full((9, 9, 9), wild if n == 1 else n, np.float32)
        image = nib.Nifti1Image(voxels, np.diag([8.0, 8.0, 8.0, 1.0]))
        if n == 1:
            image.header.set_sform(affine, 1)
            image.header.set_qform(None, 0)
        write(tmp_path / f"S{n}_T1.nii.gz", image.to_bytes())
        scan(tmp_path / f"S{n}_T2.nii.gz", n)
    found = look(tmp_path)
    assert len(found.scans) == 8
    assert take_sample(tmp_path, found.images).headers


def test_a_column_of_people_keeps_their_scans_together(tmp_path: Path) -> None:
    rows = []
    for n in range(24):
        scan(tmp_path / f"I{300 + n}.nii.gz", n)
        rows.append({"Image": f"I{300 + n}", "Subject": f"002_S_{n // 2}", "Age": 60 + n // 2})
    table(tmp_path / "search.csv", rows)
    found = look(tmp_path)
    assert found.group == "person"
    assert found.source["labels"] == {"age": "Age", "person": "Subject"}
    assert [column.name for column in found.columns] == ["age"]
    assert any("12 people have 24 ids" in line for line in found.notes)


def test_what_was_seen_is_told_where_nothing_fits(tmp_path: Path) -> None:
    scan(tmp_path / "T1.nii.gz")
    scan(tmp_path / "T2.nii.gz")
    table(tmp_path / "list.csv", people(["x1", "x2", "x3", "x4"]))
    with pytest.raises(UserError) as caught:
        look(tmp_path)
    text = str(caught.value)
    assert "1 x T1.nii.gz" in text
    assert "list.csv: 4 rows, ID e.g. x1, x2, x3" in text
    assert "data: [{source: own" in text


@pytest.mark.parametrize("start", [0, 12])
def test_two_datasets_are_two_sources(tmp_path: Path, start: int) -> None:
    for number, home in enumerate(("Oslo", "Paris 2")):
        ids = [f"sub-{n + number * start:02d}" for n in range(12)]
        for n, one in enumerate(ids):
            scan(tmp_path / home / f"{one}/anat/{one}_T1w.nii.gz", n)
        table(tmp_path / home / "participants.tsv", people(ids, "participant_id"), "\t")
    found = look(tmp_path)
    assert [source["source"] for source in found.sources] == ["oslo", "paris-2"]
    assert [source["path"] for source in found.sources] == ["Oslo", "Paris 2"]
    assert len(found.subjects) == 24
    assert {column.name for column in found.columns} == {"age", "sex"}


def test_a_dataset_in_a_folder_below(tmp_path: Path) -> None:
    bids(tmp_path / "rawdata", "T1w")
    scan(tmp_path / "derivatives/prep/sub-00/anat/sub-00_T1w.nii.gz")
    found = look(tmp_path)
    assert found.source["path"] == "rawdata"
    assert len(found.scans) == 12


def test_of_two_files_with_a_channels_name_that_with_few_values_is_the_mask(tmp_path: Path) -> None:
    found = subjects_with(tmp_path, T1=scan, T1_DLMUSE=masked([0, 1, 2], np.uint8))
    assert found.source["channels"] == {"T1": "{subject}_T1.nii.gz"}
    assert found.source["mask"] == "{subject}_T1_DLMUSE.nii.gz"


def test_the_shorter_of_two_names_is_the_image(tmp_path: Path) -> None:
    found = subjects_with(tmp_path, T1_bet=scan, T1=scan)
    assert found.source["channels"] == {"T1": "{subject}_T1.nii.gz"}


@pytest.mark.parametrize("values", [(0, 255), (0, 1, 2, 4), (0, 7)])
def test_masks_of_any_values(tmp_path: Path, values: tuple[int, ...]) -> None:
    found = subjects_with(tmp_path, T1=scan, lesion=masked(values, np.int16))
    assert list(found.classes) == [value for value in values if value]


def one_value_each(*values: int) -> Callable[[Path, int], None]:
    """Make masks with one value each, the last value in every fourth."""
    return lambda path, n: mask(path, (0, values[-1] if n % 4 == 0 else values[0]))


def test_masks_that_are_255_here_and_1_there_have_one_class(tmp_path: Path) -> None:
    found = subjects_with(tmp_path, T1=scan, lesion=one_value_each(255, 1))
    assert found.classes == {1: "lesion", 255: "lesion"}
    assert found.written_classes == {"lesion": [1, 255]}
    (line,) = [line for line in found.notes if "255" in line]
    assert "no mask of the 5 looked at has both 1 and 255" in line
    assert "taken for one class, `classes: {lesion: [1, 255]}`" in line
    assert "if they are two, write `classes: {1: class_1, 255: class_255}`" in line


def test_masks_of_which_none_has_two_values_are_told(tmp_path: Path) -> None:
    found = subjects_with(tmp_path, T1=scan, lesion=one_value_each(1, 2))
    assert found.classes == found.written_classes == {1: "class_1", 2: "class_2"}
    (line,) = [line for line in found.notes if "looked at" in line]
    assert "no mask of the 5 looked at has both 1 and 2" in line
    assert "if they are one, write `classes: {lesion: [1, 2]}`" in line
    both = subjects_with(tmp_path / "b", T1=scan, lesion=masked([0, 1, 255], np.uint8))
    assert both.classes == {1: "class_1", 255: "class_255"}
    assert not any("looked at" in line for line in both.notes)


def test_masks_of_many_values_are_offered_in_words(tmp_path: Path) -> None:
    found = subjects_with(tmp_path, T1=scan, aseg=masked(range(0, 330, 10), np.int16))
    assert "mask" not in found.source
    assert any("32 values (10, 20, 30, 40, …)" in line for line in found.notes)


def test_masks_that_check_rejects_are_not_used(tmp_path: Path) -> None:
    found = subjects_with(
        tmp_path, T1=scan, lesion=lambda path, _: write(path, scan_bytes(0, (0, 1), edge=7.0))
    )
    assert "mask" not in found.source
    assert any("lies on another grid than" in line for line in found.notes)


def test_a_folder_of_scans_that_check_rejects_is_refused(tmp_path: Path) -> None:
    for n in range(1, 13):
        masked([np.nan, 1.0])(tmp_path / f"S{n}_T1.nii.gz", n)
    with pytest.raises(UserError, match=r"12 of 12 scans looked at \(not-finite\)"):
        look(tmp_path)


@pytest.mark.parametrize("kind", ["S1_T1", "masks", "channels", "bids", "sessions", "nnunet"])
def test_what_cannot_be_opened_stops_nothing(tmp_path: Path, kind: str) -> None:
    TREES[kind].make(tmp_path, 12)
    images = sorted(tmp_path.rglob("*.nii*"))
    for number, image in enumerate((images[0], images[len(images) // 2], images[-1])):
        image.unlink()
        if number == 1:
            os.mkfifo(image)
        else:
            image.symlink_to("/nowhere/at/all")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "lost.csv").symlink_to("/nowhere/at/all.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    found = look(tmp_path)
    expected = TREES[kind].expected
    assert {key: found.source.get(key) for key in expected} == dict(expected)
    assert len(found.subjects) >= 9
    assert take_sample(tmp_path, found.images).headers


@pytest.mark.parametrize("count", [6, 9, 20, 31])
@pytest.mark.parametrize(
    ("names", "template"),
    [
        ("site{s:02d}/sub{n:03d}/T1.nii.gz", "{site}/{subject}/T1.nii.gz"),
        ("{city}/P{n:03d}_T1.nii.gz", "{group}/{subject}_T1.nii.gz"),
        ("{s:02d}-{n:04d}_T1.nii.gz", "*-{subject}_T1.nii.gz"),
        ("{n:04d}/M{v}2/t1.nii", "{subject}/{session}/t1.nii"),
        ("P{n}_{time}_T1w.nii.gz", "{subject}_{session}_T1w.nii.gz"),
        (
            "sub{n:02d}/sub{n:02d}_run-{v}_T1w.nii.gz",
            "{subject}/{subject}_run-{session}_T1w.nii.gz",
        ),
        ("S{n:03d}/201{v}0{s}15/T1.nii.gz", "{subject}/{session}/T1.nii.gz"),
        ("S{n:03d}_201{v}-0{s}-15_T1.nii.gz", "{subject}_{session}_T1.nii.gz"),
        ("{part}/{dx}/{n:03d}.nii.gz", "*/{group}/{subject}.nii.gz"),
        ("{dx}{n:02d}_T1.nii.gz", "{subject}_T1.nii.gz"),
        ("{dx}_{n:02d}_T1.nii.gz", "{group}_{subject}_T1.nii.gz"),
        ("NYU_{n:07d}/anat_1/mprage.nii.gz", "{subject}/anat_1/mprage.nii.gz"),
        ("{id}_20252_2_0/T1/T1.nii.gz", "{subject}_20252_2_0/T1/T1.nii.gz"),
        ("{n}.nii.gz", "{subject}.nii.gz"),
        ("scan{n}.nii.gz", "{subject}.nii.gz"),
        ("M{n:02d}/{v}/T1.nii.gz", "{subject}/{session}/T1.nii.gz"),
        ("VP{n:02d}/Visit_{v}/VP{n:02d}_T1.nii.gz", "{subject}/{session}/{subject}_T1.nii.gz"),
        ("{sex}/{n:03d}.nii.gz", "{sex}/{subject}.nii.gz"),
        ("{n:03d}_{sex}_T1.nii.gz", "{subject}_{sex}_T1.nii.gz"),
        ("study/raw/sub_{n:02d}/anat/scan/T1.nii.gz", "study/raw/{subject}/anat/scan/T1.nii.gz"),
        ("S{n:04d}_E{exam}_T1.nii.gz", "{subject}_{session}_T1.nii.gz"),
        (
            "SUBJ_{n:03d}/EXP_{exam}/scans/{v}-T1/T1.nii.gz",
            "{subject}/EXP_{session}/scans/*-T1/T1.nii.gz",
        ),
        (
            "disc{s}/OAS1_{n:04d}_MR1/{n:04d}_T1.nii.gz",
            "*/OAS1_{subject}_{session}/{subject}_T1.nii.gz",
        ),
    ],
)
def test_names_are_read_alike(tmp_path: Path, names: str, template: str, count: int) -> None:
    files = set()
    for n in range(1, count + 1):
        for v in (1, 2):
            words = {"n": n, "v": v, "s": n % 3 + 1, "city": ("Oslo", "Paris", "Rom")[n % 3]}
            words |= {"time": ("pre", "post")[v - 1], "part": ("train", "val")[n % 4 == 0]}
            words |= {"dx": ("AD", "CN")[n % 2], "sex": "MF"[n % 2], "exam": 7000 + 2 * n + v}
            files.add(names.format(**words, id=1000000 + 17 * n))
    for number, file in enumerate(sorted(files)):
        scan(tmp_path / file, number)
    found = look(tmp_path)
    assert list(found.source["channels"].values()) == [template]
    assert len(found.subjects) == count
    assert len(found.scans) == len(files)


def test_a_number_before_the_subject_is_told(tmp_path: Path) -> None:
    for n in range(30):
        scan(tmp_path / f"{n % 3 + 1:02d}-{n // 3:03d}_T1.nii.gz", n)
    assert any("write {subject} for both" in line for line in look(tmp_path).notes)


@pytest.mark.parametrize(
    ("extra", "column", "subjects"),
    [
        ({}, "subject", 24),
        ({"session": True}, "subject", 12),
        ({"visit": True}, ["subject", "visit"], 12),
        ({"scan_id": True}, "scan_id", 24),
    ],
)
def test_people_of_a_table_of_paths(
    tmp_path: Path, extra: dict[str, bool], column: str | list[str], subjects: int
) -> None:
    rows = []
    for n in range(24):
        scan(tmp_path / f"img/a{n}.nii.gz", n)
        one = f"s{n // 2}" if extra else f"s{n}"
        visit = f"E{n}" if "scan_id" in extra else n % 2 + 1
        named = dict.fromkeys(extra, visit)
        rows.append({**named, "subject": one, "path": f"img/a{n}.nii.gz", "age": 20 + n // 2})
    table(tmp_path / "list.csv", rows)
    found = look(tmp_path)
    assert found.source["table"]["column"] == column
    assert (len(found.subjects), len(found.scans)) == (subjects, 24)
    assert bool(found.group) == ("scan_id" in extra)


def test_masks_of_nobody_in_bids_are_told(tmp_path: Path) -> None:
    TREES["bids"].make(tmp_path, 12)
    for n in range(1, 15):
        name = f"sub-{n:02d}/anat/sub-{n:02d}_label-lesion_mask.nii.gz"
        mask(tmp_path / "derivatives/lesions" / name)
    found = look(tmp_path)
    assert found.source["mask"] == "derivatives/lesions/label-lesion_mask"
    assert len(found.scans) == 12
    assert any("2 masks" in line for line in found.notes)


def test_an_id_of_an_image_is_no_part_of_the_person(tmp_path: Path) -> None:
    TREES["adni"].make(tmp_path, 12)
    assert not any("for both" in line for line in look(tmp_path).notes)


@pytest.mark.parametrize("count", [6, 9, 20, 31])
@pytest.mark.parametrize("tabled", [True, False])
@pytest.mark.parametrize(
    ("names", "visits"),
    [
        ("S{n:02d}/{v}/T1.nii.gz", ("preOP", "postOP")),
        ("S{n:02d}/{v}/T1.nii.gz", ("before", "after")),
        ("S{n:02d}/{v}_scan/T1.nii.gz", ("first", "second")),
        ("S{n:02d}/{v}/T1.nii.gz", ("Erstuntersuchung", "Kontrolle")),
        ("S{n:02d}/{v}/anat/T1.nii.gz", ("Prisma", "Skyra")),
        ("{n:03d}/{v}/T1.nii.gz", ("baselineYear1Arm1", "2YearFollowUpYArm1")),
        ("{v}/S{n:02d}.nii.gz", ("test", "retest")),
        ("{v}/P{n:03d}/T1.nii.gz", ("Aufnahme", "Entlassung", "Nachsorge")),
        ("{v}/{n:04d}_T1.nii.gz", ("Prisma", "Skyra")),
    ],
)
def test_an_id_that_comes_back_is_one_person(
    tmp_path: Path, names: str, visits: tuple[str, ...], count: int, tabled: bool
) -> None:
    numbers = range(1, count + 1)
    for n in numbers:
        for k, v in enumerate(visits):
            scan(tmp_path / names.format(n=n, v=v), 3 * n + k)
    ids = {part for part in names.split("/") if "{n" in part}
    width = next(iter(ids)).partition(".nii")[0].partition("_T1")[0]
    if tabled:
        table(tmp_path / "people.csv", people([width.format(n=n) for n in numbers]))
    found = look(tmp_path)
    assert "subject" not in found.source
    assert (len(found.subjects), len(found.scans)) == (count, len(visits) * count)
    assert ("table" in found.source) == tabled
    unknown = visits[0] in ("Erstuntersuchung", "Prisma", "baselineYear1Arm1", "Aufnahme")
    assert any("taken as sessions of one person" in line for line in found.notes) == unknown


@pytest.mark.parametrize(
    ("columns", "folders"), [(("Site", "ID"), ("Bonn", "Kiel")), (("center", "sub"), ("c1", "c2"))]
)
def test_a_row_per_folder_and_sex_tells_people_of_one_id_apart(
    tmp_path: Path, columns: tuple[str, str], folders: tuple[str, str]
) -> None:
    rows = []
    for n in range(16):
        folder, one = folders[n // 8], f"{n % 8 + 1:03d}"
        scan(tmp_path / f"{folder}/{one}_T1.nii.gz", n)
        words = dict(zip(columns, (folder, one), strict=True))
        rows.append(words | {"Age": 20 + n, "Sex": "MF"[n % 5 % 2]})
    table(tmp_path / "people.csv", rows)
    found = look(tmp_path)
    assert found.source["subject"] == "folder/id"
    assert [scan.labels["age"] for scan in found.scans] == [str(20 + n) for n in range(16)]


def test_classes_with_the_same_ids_are_people(tmp_path: Path) -> None:
    for n in range(24):
        scan(tmp_path / f"{('patients', 'controls')[n % 2]}/{n // 2 + 1}.nii", n)
    found = look(tmp_path)
    assert found.source["subject"] == "folder/id"
    assert len(found.subjects) == 24


@pytest.mark.parametrize("count", [12, 16, 21, 40])
@pytest.mark.parametrize(
    ("names", "one"),
    [
        ("{one}_T1.nii.gz", "{s:02d}-{n:03d}"),
        ("{one}.nii.gz", "S{s}_{n:03d}"),
        ("S{s}/{one}/t1.nii.gz", "S{s}_{n:03d}"),
        ("{one}/T1.nii.gz", "{s:02d}.{n:03d}"),
        ("{one}_t1.nii.gz", "{dx}_{n:03d}"),
        ("{dx}/{one}/{one}_T1.nii.gz", "{dx}-{n:02d}"),
        ("{one}_T1.nii.gz", "F{n:02d}_{s}"),
        ("{one}_anat.nii", "{dx}_{s}_{n:02d}"),
    ],
)
@pytest.mark.parametrize("even", [True, False])
def test_an_id_of_several_words_is_known_from_a_table(
    tmp_path: Path, names: str, one: str, count: int, even: bool
) -> None:
    ids = []
    for n in range(count):
        half = n >= count // (2 if even else 3)
        words = {"s": half + 1, "dx": ("HC", "PAT")[half], "n": n % (count // 2) + 1}
        if one.startswith("F"):
            words = {"s": n % 2 + 1, "n": n // 2 + 1}
        ids.append(one.format(**words))
        scan(tmp_path / names.format(one=ids[-1], **words), n)
    ids = list(dict.fromkeys(ids))
    table(tmp_path / "people.csv", people(ids))
    found = look(tmp_path)
    assert len(found.subjects) == len(found.scans) == len(ids)
    assert {"age", "sex"} <= {column.name for column in found.columns}


@pytest.mark.parametrize("slips", [0, 1])
def test_rows_per_visit_are_no_people(tmp_path: Path, slips: int) -> None:
    rows = []
    for n in range(20):
        one = f"S{n // 2 + 1:02d}_{n % 2 + 1}"
        scan(tmp_path / f"{one}_T1.nii.gz", n)
        rows.append({"ID": one, "Age": 30 + n, "Sex": "MF"[(n // 2 + (n < slips)) % 2]})
    table(tmp_path / "scans.csv", rows)
    found = look(tmp_path)
    assert len(found.subjects) >= 9
    assert len({scan.subject for scan in found.scans}) <= 10


@pytest.mark.parametrize("count", [6, 9, 20, 31])
@pytest.mark.parametrize(
    ("names", "words", "template"),
    [
        ("{n:03d}_{v}_T1.nii", ("BL", "FU1"), "{subject}_{session}_T1.nii"),
        ("S{n:02d}_{v}.nii.gz", ("before", "after"), "{subject}_{session}.nii.gz"),
        ("S{n:02d}_{v}_T1.nii.gz", ("first", "second"), "{subject}_{session}_T1.nii.gz"),
        ("S{n:02d}/{v}/T1.nii.gz", ("1.5T", "3T"), "{subject}/{session}/T1.nii.gz"),
        ("{n:06d}_{v}/T1w.nii.gz", ("3T", "7T"), "{subject}_{session}/T1w.nii.gz"),
        ("S{n:02d}-{v}.nii.gz", ("T0", "T1", "T2"), "{subject}-{session}.nii.gz"),
        ("S{n:02d}/{v}/T1.nii.gz", ("T0", "T1", "T2"), "{subject}/{session}/T1.nii.gz"),
        ("hippo_{n:03d}_{v}.nii.gz", ("L", "R"), "hippo_{subject}_{session}.nii.gz"),
        ("case{n:02d}_{v}.nii.gz", ("left", "right"), "{subject}_{session}.nii.gz"),
    ],
)
def test_visits_are_no_kinds_of_images(
    tmp_path: Path, names: str, words: tuple[str, ...], template: str, count: int
) -> None:
    for n in range(1, count + 1):
        for k, v in enumerate(words):
            scan(tmp_path / names.format(n=n, v=v), 3 * n + k)
    found = look(tmp_path)
    assert list(found.source["channels"].values()) == [template]
    assert (len(found.subjects), len(found.scans)) == (count, len(words) * count)


@pytest.mark.parametrize("names", ["{dx}_{n:03d}_t1.nii.gz", "{dx}-{n}.nii.gz"])
def test_classes_in_flat_names_are_no_kinds_of_images(tmp_path: Path, names: str) -> None:
    for n in range(16):
        scan(tmp_path / names.format(dx=("HC", "PAT")[n % 2], n=n // 2 + 1), n)
    found = look(tmp_path)
    assert (len(found.subjects), len(found.scans)) == (16, 16)


@pytest.mark.parametrize("count", [6, 15, 24])
@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("img/case{n:02d}", "lab/case{n:02d}"),
        ("data/{n}", "target/{n}"),
        ("X/S{n:02d}", "Y/S{n:02d}"),
        ("cases/{n:03d}", "contours/{n:03d}"),
        ("bilder/p{n}", "segmentierung/p{n}"),
        ("inputs/p{n}", "outputs/p{n}"),
        ("ein_{n:02d}", "aus_{n:02d}"),
        ("irm/s{n}", "masque/s{n}"),
        ("a/img/c{n:02d}", "a/truth/c{n:02d}"),
    ],
)
def test_masks_are_no_class_of_people(tmp_path: Path, images: str, masks: str, count: int) -> None:
    for n in range(1, count + 1):
        scan(tmp_path / f"{images.format(n=n)}.nii.gz", n)
        mask(tmp_path / f"{masks.format(n=n)}.nii.gz", (0, 1, 2))
    found = look(tmp_path)
    assert len(found.subjects) == len(found.scans) == count
    assert list(found.classes) == [1, 2]
    assert all("mask" in one.paths for one in found.scans)


@pytest.mark.parametrize("empty", [0, 4, 9])
def test_an_empty_mask_leaves_the_others(tmp_path: Path, empty: int) -> None:
    for n in range(10):
        scan(tmp_path / f"images/lac_{n:02d}.nii.gz", n)
        mask(tmp_path / f"masks/lac_{n:02d}.nii.gz", (0,) if n == empty else (0, 0, 1))
    found = look(tmp_path)
    assert found.source["mask"] == "masks/{subject}.nii.gz"
    assert list(found.classes) == [1]


@pytest.mark.parametrize(("letters", "told"), [("ab", True), ("abc", True), ("a", False)])
def test_pairs_of_letters_are_told(tmp_path: Path, letters: str, told: bool) -> None:
    ids = [f"sub{n:02d}{letter}" for n in range(8) for letter in letters]
    for n, one in enumerate(ids):
        scan(tmp_path / f"{one}_T1.nii.gz", n)
    assert any("each number stands with a and b" in line for line in look(tmp_path).notes) == told


@pytest.mark.parametrize(
    ("again", "pair"), [("sub03b", "sub03 and sub03b"), ("sub03B", "sub03 and sub03B")]
)
def test_an_id_that_comes_back_with_a_letter_is_told(tmp_path: Path, again: str, pair: str) -> None:
    ids = [*(f"sub{n:02d}" for n in range(8)), again]
    for n, one in enumerate(ids):
        scan(tmp_path / f"{one}_T1.nii.gz", n)
    (told,) = [line for line in look(tmp_path).notes if "different people" in line]
    assert told.startswith(f"1 of 8 ids come back with another letter, e.g. {pair}: ")
    assert f"same: [{{subjects: [sub03, {again}], reason: …}}, …]" in told


def test_a_letter_that_a_few_numbers_have_twice_is_told(tmp_path: Path) -> None:
    for n, one in enumerate(["sub01a", "sub01b", "sub02a", "sub03a", "sub04b", "sub05a"]):
        scan(tmp_path / f"{one}_T1.nii.gz", n)
    assert any("sub01a and sub01b" in line for line in look(tmp_path).notes)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("desc-T1lesion_label-stroke_mask", "stroke"),
        ("label-WMH2_mask", "wmh2"),
        ("desc-T1lesion_mask", "t1lesion"),
    ],
)
def test_a_masks_label_names_its_class(tmp_path: Path, name: str, word: str) -> None:
    bids(tmp_path, "T1w", f"manual/{name}")
    assert look(tmp_path).classes == {1: word}


@pytest.mark.parametrize(
    ("files", "channels", "sessions"),
    [
        (("{t}/T1.nii.gz",), ["T1"], {"t1", "t2"}),
        (("{t}/T1.nii.gz", "{t}/FLAIR.nii.gz"), ["T1", "FLAIR"], {"t1", "t2"}),
        (("{t}/{n}_{t}.nii.gz",), ["T1", "T2"], {"1"}),
        (("{t}/image.nii.gz",), ["T1", "T2"], {"1"}),
    ],
)
def test_t1_and_t2_are_weightings_or_times(
    tmp_path: Path, files: tuple[str, ...], channels: list[str], sessions: set[str]
) -> None:
    for n in range(1, 13):
        for name in files:
            for t in ("t1", "t2"):
                scan(tmp_path / f"S{n:02d}" / name.format(t=t, n=f"S{n:02d}"), n)
    found = look(tmp_path)
    assert set(found.source["channels"]) == set(channels)
    assert {one.session for one in found.scans} == sessions
    assert len(found.subjects) == 12


@pytest.mark.parametrize(
    ("image", "mask_name", "pair"),
    [
        ("images/case_{}.nii.gz", "labels/case_{:03d}_label.nii.gz", "if 001 is 1"),
        ("scans/sub-{:02d}_T1w.nii.gz", "segs/{}_seg.nii.gz", "if 1 is 01"),
        ("scans/Sub{:02d}.nii.gz", "segs/sub{:02d}.nii.gz", "if sub01 is Sub01"),
    ],
)
def test_masks_whose_ids_are_written_otherwise_are_told(
    tmp_path: Path, image: str, mask_name: str, pair: str
) -> None:
    for n in range(1, 13):
        scan(tmp_path / image.format(n), n)
        mask(tmp_path / mask_name.format(n), (0, 1))
    found = look(tmp_path)
    assert len(found.scans) == 12
    assert "mask" not in found.source
    assert any(f"{pair}, rename the files of one kind" in line for line in found.notes)


@pytest.mark.parametrize("parts", [("left", "right"), ("rater1", "rater2"), ("l", "r")])
def test_masks_in_several_files_leave_the_scans(tmp_path: Path, parts: tuple[str, ...]) -> None:
    for n in range(1, 9):
        scan(tmp_path / f"s{n:02d}/T1.nii.gz", n)
        for part in parts:
            mask(tmp_path / f"s{n:02d}/hippocampus_{part}.nii.gz", (0, 1))
    found = look(tmp_path)
    assert found.source["channels"] == {"T1": "{subject}/T1.nii.gz"}
    assert len(found.scans) == 8
    assert any("merge them into one file" in line for line in found.notes) or "mask" in found.source


def test_what_is_to_be_written_by_hand_is_the_image(tmp_path: Path) -> None:
    for n in range(1, 9):
        for part in ("left", "right"):
            mask(tmp_path / f"s{n:02d}/hippocampus_{part}.nii.gz", (0, 1))
        scan(tmp_path / f"s{n:02d}/T1.nii.gz", n)
    images = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.nii.gz"))
    assert "channels: {T1: 's{subject}/T1.nii.gz'}" in list(saw(images, []))[-1]


@pytest.mark.parametrize(
    ("raw", "made"),
    [
        ("raw/s{:02d}/T1.nii.gz", "preproc/s{:02d}/T1.nii.gz"),
        ("scans/s{:02d}_T1.nii.gz", "defaced/s{:02d}_T1.nii.gz"),
        ("s{:02d}/orig/T1.nii.gz", "s{:02d}/processed/T1.nii.gz"),
    ],
)
@pytest.mark.parametrize("every", [1, 2])
def test_what_is_made_of_a_scan_is_no_other_visit(
    tmp_path: Path, raw: str, made: str, every: int
) -> None:
    for n in range(1, 13):
        scan(tmp_path / raw.format(n), n)
        mask(tmp_path / f"seg/s{n:02d}/seg.nii.gz", (0, 1))
        if n % every == 0:
            scan(tmp_path / made.format(n), n + 50)
    found = look(tmp_path)
    assert sorted(one.path for one in found.scans) == [raw.format(n) for n in range(1, 13)]
    assert len(found.subjects) == 12
    assert any(f"{12 // every} files such as {made.format(every)}" in line for line in found.notes)


def test_visits_of_which_one_is_called_a_result_stay(tmp_path: Path) -> None:
    for n in range(1, 13):
        scan(tmp_path / f"{'raw' if n % 2 else 'processed'}/s{n:02d}/T1.nii.gz", n)
    assert len(look(tmp_path).scans) == 12


def test_a_folder_of_what_spm_made_gives_the_scans(tmp_path: Path) -> None:
    for n in range(1, 13):
        for prefix in ("", "c1", "c2", "m", "wc1", "y_"):
            scan(tmp_path / f"{prefix}sub{n:02d}.nii", n)
    table(tmp_path / "t.csv", people([f"sub{n:02d}" for n in range(1, 13)]))
    found = look(tmp_path)
    assert sorted(one.path for one in found.scans) == [f"sub{n:02d}.nii" for n in range(1, 13)]


def test_the_channel_that_masks_were_drawn_on_is_the_first(tmp_path: Path) -> None:
    coarse = np.diag([4.0, 4.0, 8.0, 1.0])
    for n in range(1, 9):
        folder = tmp_path / f"s{n:02d}"
        scan(folder / "T1.nii.gz", n)
        voxels = np.random.default_rng(n).integers(1, 900, (12, 12, 8)).astype(np.int16)
        nib.save(nib.Nifti1Image(voxels, coarse), folder / "FLAIR.nii.gz")
        lesions = (voxels > 800).astype(np.uint8)
        nib.save(nib.Nifti1Image(lesions, coarse), folder / "wmh_mask.nii.gz")
    found = look(tmp_path)
    assert found.source["channels"] == {"FLAIR": "{subject}/FLAIR.nii.gz"}
    assert found.source["mask"] == "{subject}/wmh_mask.nii.gz"
    assert any("FLAIR is taken for the first channel" in line for line in found.notes)
    assert any("T1: {path: '{subject}/T1.nii.gz', align: rigid}" in line for line in found.notes)
