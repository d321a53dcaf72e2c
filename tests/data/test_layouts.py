"""Layouts of the user's folder: which scans are found, and whose they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from headstart.common.errors import UserError
from headstart.common.walk import list_files
from headstart.data.config import Source
from headstart.data.found_scans import FoundScan
from headstart.data.layouts.source import read_source
from headstart.data.tables import read_table
from headstart.data.templates import Template

VALUE = st.text("abcXYZ019", min_size=1, max_size=4)
FIELD = st.sampled_from(["subject", "session", "site", "sex", "number"])
SEPARATOR = st.sampled_from(["/", "_", "-", "_T1_", "/anat/", ".nii.gz"])


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "scans" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "scans"

    return make


def scans_of(folder: Path, **section: Any) -> list[FoundScan]:
    source = {"source": "ours", "path": folder.name, "channels": {"T1": "{subject}.nii.gz"}}
    return read_source(Source.model_validate(source | section), folder.parent)


def good(scans: list[FoundScan]) -> dict[str, FoundScan]:
    return {f"{scan.subject}_{scan.session}": scan for scan in scans if not scan.reason}


def reasons(scans: list[FoundScan]) -> dict[str, str]:
    return {scan.subject: scan.reason for scan in scans if scan.reason}


# --- templates


@given(parts=st.lists(st.tuples(FIELD, SEPARATOR), min_size=1, max_size=5), data=st.data())
def test_what_a_template_fills_it_also_reads(
    parts: list[tuple[str, str]], data: st.DataObject
) -> None:
    template = Template("".join(f"{{{name}}}{separator}" for name, separator in parts))
    fields = {name: data.draw(VALUE) for name in template.fields}
    path = template.fill(fields)
    # no value holds a separator, so there is one way to read it
    assert template.match(path) == fields
    assert template.find(fields, sorted([path, path + "x", "x" + path, "zz"])) == [path]


@given(path=st.text("ab/_.{}*", max_size=12))
def test_a_template_reads_only_the_whole_path(path: str) -> None:
    fields = Template("{subject}/{sex}_a.b").match(path)
    if fields is not None:
        assert Template("{subject}/{sex}_a.b").fill(fields) == path
        assert not any("/" in value or not value for value in fields.values())


@pytest.mark.parametrize("text", ["{", "a}b", "{}", "{1a}", "{a b}", "{{subject}}", "{a:d}"])
def test_a_template_with_a_stray_brace_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="in braces"):
        Template(text)


def test_a_field_that_stands_twice_has_one_value() -> None:
    template = Template("{subject}/{subject}_T1.nii")
    assert template.match("a/a_T1.nii") == {"subject": "a"}
    assert template.match("a/b_T1.nii") is None


def test_a_star_stays_within_its_folder() -> None:
    template = Template("{subject}/*/T1*.nii")
    assert template.match("a/2020-01-01/T1w.nii") == {"subject": "a"}
    assert template.match("a/b/c/T1.nii") is None
    files = ["a.b/x/T1.nii", "a/x/T1.nii", "a/y/T1.nii", "ab/x/T1.nii"]
    assert template.find({"subject": "a"}, files) == ["a/x/T1.nii", "a/y/T1.nii"]


# --- files


def test_class_folders(tree: Callable[..., Path]) -> None:
    folder = tree("Females/Sub_101_T1.nii.gz", "Males/Sub_201_T1.nii.gz", "Males/.hidden.nii.gz")
    scans = good(scans_of(folder, channels={"T1": "{sex}/Sub_{subject}_T1.nii.gz"}))
    assert {name: scan.labels["sex"] for name, scan in scans.items()} == {
        "101_1": "Females",
        "201_1": "Males",
    }
    assert scans["101_1"].paths == {"T1": "scans/Females/Sub_101_T1.nii.gz"}


def test_folder_and_id_make_a_subject(tree: Callable[..., Path]) -> None:
    folder = tree("all/Females/Sub_101_T1.nii.gz", "all/Males/Sub_101_T1.nii.gz")
    template = {"T1": "all/{sex}/Sub_{subject}_T1.nii.gz"}
    assert set(good(scans_of(folder, channels=template, subject="folder/id"))) == {
        "Females-101_1",
        "Males-101_1",
    }


def test_folder_and_id_without_a_class_folder_takes_the_source(tree: Callable[..., Path]) -> None:
    folder = tree("101/T1.nii.gz")
    template = {"T1": "{subject}/T1.nii.gz"}
    assert set(good(scans_of(folder, channels=template, subject="folder/id"))) == {"ours-101_1"}


def test_sessions_sites_and_stars(tree: Callable[..., Path]) -> None:
    folder = tree("IXI002-Guys-0828/v1/T1_a.nii.gz", "IXI002-Guys-0828/v2/T1_b.nii.gz")
    scans = good(scans_of(folder, channels={"T1": "{subject}-{site}-{code}/{session}/T1_*.nii.gz"}))
    assert set(scans) == {"IXI002_v1", "IXI002_v2"}
    assert scans["IXI002_v2"].site == "Guys"
    assert scans["IXI002_v2"].labels == {"code": "0828"}


def test_a_number_in_a_file_name_is_no_label(tree: Callable[..., Path]) -> None:
    root = tree("IXI002-Guys-0828-T1.nii")
    (one,) = scans_of(root, channels={"T1": "{subject}-{site}-{number}-T1.nii"})
    assert (one.fields["number"], one.labels) == ("0828", {})


def test_the_other_channels_and_masks_are_looked_up(tree: Callable[..., Path]) -> None:
    folder = tree(
        "a_T1.nii", "a_T2.nii", "a_mask.nii", "b_T1.nii", "b_mask.nii", "c_T1.nii", "c_T2.nii",
        "d_T1.nii", "d_T2.nii", "d_mask.nii", "d_mask2.nii",
    )  # fmt: skip
    scans = scans_of(
        folder, channels={"T1": "{subject}_T1.nii", "T2": "{subject}_T2.nii"}, mask="{subject}_ma*"
    )
    assert set(good(scans)) == {"a_1"}
    assert good(scans)["a_1"].paths == {
        "T1": "scans/a_T1.nii",
        "T2": "scans/a_T2.nii",
        "mask": "scans/a_mask.nii",
    }
    assert reasons(scans) == {"b": "missing-channel", "c": "missing-mask", "d": "missing-mask"}
    assert "2 files fit" in next(scan.detail for scan in scans if scan.subject == "d")


@pytest.mark.parametrize("layout", ["files", "table", "pairs", "bids"])
def test_an_optional_channel_may_be_lacking_and_no_other(
    tree: Callable[..., Path], layout: str
) -> None:
    names = ["{}/T1.nii", "{}/flair.nii"]
    if layout == "bids":
        names = ["sub-{0}/anat/sub-{0}_T1w.nii.gz", "sub-{0}/anat/sub-{0}_FLAIR.nii.gz"]
    files = [name.format(one) for name in names for one in "ab"]
    folder = tree(*files, names[0].format("c"))
    pairs = [{"image": names[0].format(one), "flair": names[1].format(one)} for one in "abc"]
    pairs[2]["flair"] = ""
    if layout == "pairs":
        (folder / "dataset.json").write_text(json.dumps({"training": pairs}))
    if layout == "table":
        rows = [
            f"{one},{pair['image']},{pair['flair']}" for one, pair in zip("abc", pairs, strict=True)
        ]
        (folder / "t.csv").write_text("\n".join(["subject,image,flair", *rows]))
    section: dict[str, Any] = {"layout": layout}
    keys = ["{subject}/T1.nii", "{subject}/flair*.nii"] if layout == "files" else ["image", "flair"]
    keys = ["T1w", "FLAIR"] if layout == "bids" else keys
    section |= {"table": {"path": "t.csv"}} if layout == "table" else {}
    for optional in (False, True):
        channels = {"T1": keys[0], "FLAIR": {"path": keys[1], "optional": optional}}
        scans = scans_of(folder, **section, channels=channels)
        by_path = {scan.path.removeprefix("scans/"): scan for scan in scans}
        lacking = by_path.pop(names[0].format("c"))
        assert lacking.reason == ("" if optional else "missing-channel")
        assert ("FLAIR" not in lacking.paths) or not optional
        assert [scan.reason for scan in by_path.values()] == ["", ""]


def test_a_mistake_in_an_optional_channel_is_told(tree: Callable[..., Path]) -> None:
    """Of two files none is taken, and a path that is written leads somewhere."""
    folder = tree("a.nii", "b.nii", "b_flair_1.nii", "b_flair_2.nii")
    flair = {"path": "{subject}_flair*", "optional": True}
    scans = scans_of(folder, channels={"T1": "{subject}.nii", "FLAIR": flair})
    assert reasons(scans) == {"b": "missing-channel"}
    (folder / "t.csv").write_text("subject,T1,flair\na,a.nii,a_flair.nii\nb,b.nii,\n")
    channels = {"T1": "T1", "FLAIR": {"path": "flair", "optional": True}}
    section = {"layout": "table", "table": {"path": "t.csv"}, "channels": channels}
    assert reasons(scans_of(folder, **section)) == {"a": "missing-channel"}


def test_a_subject_folder_without_a_scan_is_rejected(tree: Callable[..., Path]) -> None:
    folder = tree("a/s1/T1.nii", "a/s2/notes.txt", "b/s1/T2.nii", "tables/ages.csv")
    (folder / "tables/ages.csv").write_text("subject\na\nb\n")
    scans = scans_of(
        folder, channels={"T1": "{subject}/{session}/T1.nii"}, table={"path": "tables/ages.csv"}
    )
    assert [(s.subject, s.session, s.path) for s in scans if s.reason == "missing-channel"] == [
        ("b", "", "scans/b"),
        ("a", "s2", "scans/a/s2"),
    ]
    assert len(scans) == 3


def test_an_empty_class_folder_is_an_error(tree: Callable[..., Path]) -> None:
    folder = tree("Females/1_T1.nii.gz", "masks/Females/1.nii.gz", "Males/readme.txt")
    with pytest.raises(UserError, match=r"scans/Males: no file of this class folder fits"):
        scans_of(folder, channels={"T1": "{sex}/{subject}_T1.nii.gz"})
    (folder / "Males/readme.txt").unlink()
    section = {
        "channels": {"T1": "{sex}/{subject}_T1.nii.gz"},
        "mask": "masks/{sex}/{subject}.nii.gz",
    }
    with pytest.raises(UserError, match="scans/Males"):
        scans_of(folder, **section)
    (folder / "Males").rmdir()
    assert len(good(scans_of(folder, **section))) == 1  # `masks` is no class


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not there; set `root`"):
        scans_of(tmp_path / "scans")
    (tmp_path / "scans/.snakemake").mkdir(parents=True)
    with pytest.raises(UserError, match="scans: is empty"):
        scans_of(tmp_path / "scans")


def test_nothing_fits(tree: Callable[..., Path]) -> None:
    folder = tree("notes.txt", *(f"{name}.nii" for name in "abcde"))
    with pytest.raises(UserError) as caught:
        scans_of(folder, channels={"T1": "{subject}_T1.nii"})
    message = str(caught.value)
    assert "scans: none of its 6 files fits the template '{subject}_T1.nii'" in message
    assert message.endswith("a.nii, b.nii, c.nii")


def test_images_that_no_template_finds_are_told(
    tree: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    scans_of(tree("a.nii.gz", "b.nii"))
    assert "1 image fits no template, e.g. b.nii" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"channels": {"T1": "a_{sex}.nii"}}, "does not say who"),
        ({"channels": {"T1": "{subject}_{mask}.nii"}}, "{mask}"),
        ({"channels": {"T1": "{subject}_{T1}.nii"}}, "{T1}"),
        ({"mask": "{subject}_{rater}.nii"}, "{rater}"),
    ],
)
def test_templates_that_do_not_go_together(
    tree: Callable[..., Path], section: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        scans_of(tree("a.nii.gz"), **section)


def test_links_are_followed_but_not_in_circles(tree: Callable[..., Path], tmp_path: Path) -> None:
    folder = tree("a/1.nii")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/2.nii").touch()
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    (folder / "a/up").symlink_to(folder)
    assert list_files(folder) == (["a/1.nii", "b/2.nii"], ["a", "b"])


# --- subjects


def test_several_case_numbers_are_one_person(tree: Callable[..., Path]) -> None:
    folder = tree(*(f"case_{n}.nii" for n in ("001", "002", "003", "004", "x")))
    scans = scans_of(
        folder,
        channels={"T1": "{subject}.nii"},
        subject={"pattern": r"case_(\d+)", "group": 2},
    )
    assert list(good(scans)) == ["001_001", "001_002", "002_003", "002_004"]
    assert reasons(scans) == {"case_x": "no-subject"}


def test_a_pattern_picks_the_subject(tree: Callable[..., Path]) -> None:
    folder = tree("sub-7_run-1.nii")
    scans = scans_of(folder, channels={"T1": "{subject}.nii"}, subject={"pattern": "sub-([^_]+)"})
    assert set(good(scans)) == {"7_1"}


# --- tables


def table_layout(**more: Any) -> dict[str, Any]:
    return {
        "layout": "table",
        "channels": {"T1": "path"},
        "table": {"path": "labels.csv", "column": "ID"},
        "labels": {"label": "label"},
    } | more


def test_a_ready_table(tree: Callable[..., Path]) -> None:
    folder = tree("F/1.nii", "M/2.nii", "M/3.nii")
    (folder / "labels.csv").write_bytes(
        b"\xef\xbb\xbfID,label,path,born\r\n1,F,F/1.nii,1970\r\n\r\n02, M ,./M/2.nii,1980\r\n"
        b"3,M,M/4.nii,1\r\n4,M,/etc/passwd,1\r\n5,M,../x.nii,1\r\n,M,M/3.nii,1\r\n6,M,,\r\n"
    )
    scans = scans_of(folder, **table_layout())
    assert {name: (s.labels, s.paths) for name, s in good(scans).items()} == {
        "1_1": ({"label": "F"}, {"T1": "scans/F/1.nii"}),
        "02_1": ({"label": "M"}, {"T1": "scans/M/2.nii"}),
    }
    assert reasons(scans) == {
        "3": "missing-channel",
        "4": "outside-root",
        "5": "outside-root",
        "": "no-subject",
        "6": "missing-channel",
    }
    assert "row 6" in next(scan.detail for scan in scans if scan.subject == "4")


def test_a_ready_table_with_sessions_sites_and_masks(tree: Callable[..., Path]) -> None:
    folder = tree("1.nii", "1_m.nii", "2.nii")
    (folder / "labels.csv").write_text(
        "ID,label,path,session,site,seg\n1,3,1.nii,base,Guys,1_m.nii\n1,3,2.nii,later,HH,\n"
    )
    scans = scans_of(folder, **table_layout(mask="seg"))
    assert set(good(scans)) == {"1_base"}
    assert [scan.site for scan in scans] == ["Guys", "HH"]
    assert reasons(scans) == {"1": "missing-mask"}


def joined(tree: Callable[..., Path], rows: str, **section: Any) -> list[FoundScan]:
    folder = tree("sub-001_HH.nii", "sub-002_HH.nii")
    (folder / "people.csv").write_text(rows)
    defaults: dict[str, Any] = {
        "channels": {"T1": "sub-{subject}_{site}.nii"},
        "table": {"path": "people.csv", "column": "ID"},
        "labels": {"sex": "Sex", "age": "Age"},
    }
    return scans_of(folder, **defaults | section)


def test_labels_are_joined_and_nothing_else_is_copied(tree: Callable[..., Path]) -> None:
    scans = good(joined(tree, "ID,Sex,Age,Born\n002,F,n/a,1970\n001,M,35.80,1980\n"))
    assert scans["001_1"].labels == {"sex": "M", "age": "35.80"}
    assert scans["002_1"].labels == {"sex": "F", "age": ""}


def test_a_spreadsheet_lost_the_zeros(tree: Callable[..., Path]) -> None:
    assert set(good(joined(tree, "ID,Sex,Age\n1,F,30\n2,M,40\n"))) == {"001_1", "002_1"}


def test_zeros_count_where_two_ids_differ_by_them(tree: Callable[..., Path]) -> None:
    scans = joined(tree, "ID,Sex,Age\n1,F,30\n001,M,40\n002,M,50\n")
    assert good(scans)["001_1"].labels["age"] == "40"
    assert [scan.reason for scan in scans] == ["", "", "no-scan"]


def test_scans_without_row_and_rows_without_scan(tree: Callable[..., Path]) -> None:
    scans = joined(tree, "ID,Sex,Age\n001,F,30\n003,M,40\n,M,1\n")
    assert [(scan.subject, scan.reason) for scan in scans] == [
        ("001", ""),
        ("002", "no-row"),
        ("003", "no-scan"),
        ("", "no-scan"),
    ]
    assert "ID = '002'" in scans[1].detail
    assert "row 3" in scans[2].detail
    assert scans[2].path == "scans/people.csv"


def test_rows_of_one_scan_complete_each_other_or_conflict(tree: Callable[..., Path]) -> None:
    scans = joined(tree, "ID,Sex,Age\n001,F,\n001,F,30\n002,F,30\n002,M,30.0\n")
    assert scans[0].labels == {"sex": "F", "age": "30"}
    assert (scans[1].reason, "F and M" in scans[1].detail) == ("conflicting-labels", True)


def test_a_key_of_several_fields(tree: Callable[..., Path]) -> None:
    table = {"path": "people.csv", "column": "ID", "key": "sub-{subject}-{site}"}
    scans = joined(tree, "ID,Sex,Age\nsub-001-HH,F,30\nsub-002-HH,M,3\n", table=table)
    assert len(good(scans)) == 2
    table["key"] = "{nobody}"
    with pytest.raises(UserError, match=r"\{nobody\}.*only session, subject, site"):
        joined(tree, "ID,Sex,Age\n", table=table)


def test_the_site_may_come_from_the_table(tree: Callable[..., Path]) -> None:
    scans = joined(
        tree,
        "ID,Where\n001,Guys\n002,\n",
        channels={"T1": "sub-{subject}_HH.nii"},
        labels={"site": "Where"},
        site="elsewhere",
    )
    assert [(scan.site, scan.labels) for scan in scans] == [("Guys", {}), ("elsewhere", {})]


def test_an_unknown_column_is_told_with_those_there_are(tree: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=r"no column 'Age'; its columns are ID, SEX"):
        joined(tree, "ID,SEX\n001,F\n", labels={"age": "Age"})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "is not there"),
        ("empty.csv", b"", "can't be read"),
        ("binary.csv", b"ID,\x00\x01\n1,2\n", "is no text"),
        ("fake.xlsx", b"ID,Sex\n", "can't be read"),
        ("ragged.csv", b"ID,Sex\n1,2\n1,2,3,4\n", "can't be read"),
    ],
)
def test_tables_that_are_none(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_table(tmp_path / name, ("ID",))


def test_tabs(tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-1\tn/a\nsub-2\t30\n")
    table = read_table(tmp_path / "participants.tsv", ("participant_id", "age"))
    assert table["age"].tolist() == ["", "30"]


@settings(max_examples=100)
@given(
    found=st.sets(st.integers(1, 12), min_size=1),
    rows=st.lists(st.tuples(st.integers(0, 14), st.sampled_from(["F", "M", ""])), max_size=20),
)
def test_every_scan_and_every_row_is_accounted_for(
    found: set[int], rows: list[tuple[int, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("scans")
    for number in found:
        (folder / f"{number:03d}.nii.gz").touch()
    lines = [f"{number or ''},{sex},x" for number, sex in rows]
    (folder / "t.csv").write_text("\n".join(["subject,sex,rest", *lines]) + "\n")

    scans = scans_of(folder, table={"path": "t.csv"}, labels={"sex": "sex"})

    by_reason = {
        reason: [s.subject for s in scans if s.reason == reason]
        for reason in ("", "no-row", "no-scan", "conflicting-labels")
    }
    listed = {number for number, _ in rows}
    both = {n for n in found if {"F", "M"} <= {sex for number, sex in rows if number == n}}
    assert sorted(map(int, by_reason["conflicting-labels"])) == sorted(both)
    assert sorted(map(int, by_reason["no-row"])) == sorted(found - listed)
    assert sorted(map(int, by_reason[""])) == sorted((found & listed) - both)
    assert len(by_reason["no-scan"]) == sum(number not in found for number, _ in rows)


# --- pairs


def test_pairs_of_the_decathlon(tree: Callable[..., Path]) -> None:
    folder = tree("imagesTr/la_003.nii.gz", "labelsTr/la_003.nii.gz", "imagesTr/la_007.nii.gz")
    pair = {"image": "./imagesTr/la_{}.nii.gz", "label": "./labelsTr/la_{}.nii.gz"}
    training = [{k: v.format(n) for k, v in pair.items()} for n in ("003", "007", "009")]
    (folder / "dataset.json").write_text(json.dumps({"training": training, "test": ["./a.nii.gz"]}))
    section = {"layout": "pairs", "channels": {"T1": "image"}, "mask": "label"}

    scans = scans_of(folder, **section)
    assert set(good(scans)) == {"la_003_1"}
    assert good(scans)["la_003_1"].paths == {
        "T1": "scans/imagesTr/la_003.nii.gz",
        "mask": "scans/labelsTr/la_003.nii.gz",
    }
    assert reasons(scans) == {"la_007": "missing-mask", "la_009": "missing-channel"}

    pattern = {"pattern": r"la_(\d+)", "group": 2}
    assert set(good(scans_of(folder, **section, subject=pattern))) == {"002_003"}


@pytest.mark.parametrize(
    "content", [None, "{", "[]", "{}", '{"training": ["a.nii"]}', "[" * 100_000 + "]" * 100_000]
)
def test_a_dataset_json_that_is_none(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "scans").mkdir()
    if content is not None:
        (tmp_path / "scans/dataset.json").write_text(content)
    with pytest.raises(UserError, match=r"dataset\.json"):
        scans_of(tmp_path / "scans", layout="pairs", channels={"T1": "image"})


def test_a_name_that_no_file_can_have_is_no_file(tree: Callable[..., Path]) -> None:
    folder = tree("a.nii")
    (folder / "t.csv").write_text(f"subject,path\na,a.nii\nb,{'b' * 5000}.nii\n")
    scans = scans_of(folder, layout="table", channels={"T1": "path"}, table={"path": "t.csv"})
    assert reasons(scans) == {"b": "missing-channel"}


# --- real data


def test_the_spreadsheet_of_ixi(shared_data: Path, tmp_path: Path) -> None:
    names = (shared_data / "ixi_tables/t1_files.txt").read_text().split()
    (tmp_path / "ixi").mkdir()
    for name in names:
        (tmp_path / "ixi" / name).touch()
    (tmp_path / "ixi/IXI.xls").write_bytes((shared_data / "ixi_tables/IXI.xls").read_bytes())
    scans = scans_of(
        tmp_path / "ixi",
        channels={"T1": "IXI{subject}-{site}-{number}-T1.nii.gz"},
        table={"path": "IXI.xls", "column": "IXI_ID"},
        labels={"age": "AGE", "sex": "SEX_ID (1=m, 2=f)"},
    )
    found = [scan for scan in scans if scan.reason != "no-scan"]
    assert len(found) == len(names)
    conflicts = {scan.subject for scan in scans if scan.reason == "conflicting-labels"}
    assert conflicts == {"219", "328"}  # each has two rows with two ages
    assert {scan.reason for scan in found} == {"", "conflicting-labels"}
    assert {scan.site for scan in found} == {"Guys", "HH", "IOP"}
