"""Which scans are meant, and how each is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.cohort.new_scans import list_new_scans


def test_every_scan_of_a_folder_has_a_name_of_its_own(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "B.NII.GZ", "c/d.nii", "c-d.nii", "text.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    scans = list_new_scans([tmp_path], ["T1"])
    assert sorted(scan.first for scan in scans.files) == [
        "B.NII.GZ",
        "a.nii.gz",
        "c-d.nii",
        "c/d.nii",
    ]
    assert len(set(scans.names)) == 4
    assert {"a", "B"} < set(scans.names)


def test_a_number_that_tells_two_names_apart_makes_no_third_one(tmp_path: Path) -> None:
    for name in ("c-d-1.nii", "c-d-2.nii", "c-d-4.nii", "c-d.nii", "c/d.nii"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    scans = list_new_scans([tmp_path], ["T1"])
    assert len(set(scans.names)) == 5
    named = dict(zip((scan.first for scan in scans.files), scans.names, strict=True))
    assert all(named[f"c-d-{n}.nii"] == f"c-d-{n}" for n in (1, 2, 4))


@pytest.mark.parametrize(
    "text",
    [
        "T1;age;height;site\na.nii;30,5;1.234,5;A\nb.nii;41,25;;n/a\n",
        "\ufeffT1;age;height;site\na.nii;30,5;1234,5;A\nb.nii;41,25;;\n",
        'T1,age,height,site\na.nii,"30,5","1234,5",A\nb.nii,"41,25",,\n',
        "T1,age,height,site\na.nii,30.5,1234.5,A\nb.nii,41.25,,\n",
    ],
)
def test_a_table_is_read_as_tables_of_labels_are(tmp_path: Path, text: str) -> None:
    (tmp_path / "new.csv").write_text(text, encoding="utf-8")
    scans = list_new_scans([tmp_path / "new.csv"], ["T1"], ["age", "height", "site"])
    assert scans.names == ("a", "b")
    assert scans.values(["age", "height", "site"]) == {
        "a": ("30.5", "1234.5", "A"),
        "b": ("41.25", "", ""),
    }
    assert [*scans.table.index] == [0, 1]
