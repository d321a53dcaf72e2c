"""Which scans are meant, and how each is called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headstart.cohort.new_scans import Share
from headstart.cohort.new_scans import list_new_scans
from headstart.common.errors import UserError


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


def listed(folder: Path, text: str) -> list[dict[str, str]]:
    """List the scans of a table where FLAIR is optional: the files of each."""
    (folder / "new.csv").write_text(text)
    scans = list_new_scans([folder / "new.csv"], ["T1", "FLAIR"], optional=["FLAIR"])
    return [scan.channels for scan in scans.files]


def test_rows_without_the_first_channel_are_no_scan_that_is_given_twice(tmp_path: Path) -> None:
    found = listed(tmp_path, "T1,FLAIR\n,a.nii\n,b.nii\nc.nii,\n")
    assert found == [
        {"T1": "", "FLAIR": "a.nii"},
        {"T1": "", "FLAIR": "b.nii"},
        {"T1": "c.nii", "FLAIR": ""},
    ]


def test_a_table_without_any_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"new\.csv: holds no path in T1, FLAIR; it needs one in"):
        listed(tmp_path, "T1,FLAIR,who\n,,a\n,,b\n")


@pytest.mark.parametrize(
    ("column", "name"),
    [("Flair", "FLAIR"), ("FLAIR (path)", "FLAIR"), ("Brain mask", "brain_mask")],
)
def test_a_column_that_need_not_be_there_is_not_overlooked(
    tmp_path: Path, column: str, name: str
) -> None:
    with pytest.raises(UserError, match=rf"has a column '{re.escape(column)}'; call it {name}$"):
        listed(tmp_path, f"T1,{column}\na.nii,b.nii\n")


def test_an_optional_channel_in_a_folder_is_no_scan_of_the_first(tmp_path: Path) -> None:
    for name in ("s1/T1.nii.gz", "s1/sub-1_flair.nii.gz", "s2/T1.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"s1/sub-1_flair.nii.gz: is FLAIR by its name, but each"):
        list_new_scans([tmp_path], ["T1", "FLAIR"], optional=["FLAIR"])
    files = [tmp_path / "s1/sub-1_flair.nii.gz", tmp_path / "s2"]
    assert len(list_new_scans(files, ["T1", "FLAIR"], optional=["FLAIR"]).files) == 2
    assert len(list_new_scans([tmp_path], ["T1"]).files) == 3


@pytest.mark.parametrize("listed", [False, True], ids=["folder", "table"])
def test_a_scan_keeps_its_name_and_its_share_whatever_is_added(
    tmp_path: Path, listed: bool
) -> None:
    """Else one more folder of scans would have all others answered for again."""
    folder, table = tmp_path / "clinic", tmp_path / "scans.csv"
    rows = ["T1"]

    def add(name: str) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        rows.append(str(path) if len(rows) % 2 else f"clinic/{name}")
        table.write_text("\n".join(rows))

    def look() -> tuple[set[str], list[str]]:
        scans = list_new_scans([table if listed else folder], ["T1"])
        parts = [scans.share(Share(number, 20)) for number in range(20)]
        return set(scans.names), [part.digest() for part in parts]

    for number in range(6):
        add(f"2023/{number}.nii.gz")
    names, digests = look()
    add("2024/0.nii.gz")
    more, changed = look()
    assert names < more
    assert sum(one != other for one, other in zip(digests, changed, strict=True)) == 1
