"""The label stage: labels.csv, rejected.csv, shards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from headstart import cli
from headstart.common import files
from headstart.common.errors import UserError
from headstart.data.config import Source
from headstart.study.labels import _natural
from headstart.study.labels import label


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def source(name: str = "ours", **section: Any) -> Source:
    return Source.model_validate(
        {"source": name, "channels": {"T1": "{subject}_T1.nii.gz"}} | section
    )


def run(data: Path, *sources: Source, shards: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    output = data / "results"
    label(sources=sources, shards=shards, data=data, output=output)
    return files.read_csv(output / "labels.csv"), files.read_csv(output / "rejected.csv")


def with_table(root: Path, rows: str, **section: Any) -> Source:
    """One scan for each subject a, b, c, and a table."""
    touch(root, "ours/a_T1.nii.gz", "ours/b_T1.nii.gz", "ours/c_T1.nii.gz")
    (root / "ours/t.csv").write_text(rows)
    return source(table={"path": "t.csv", "column": "ID"}, **section)


def test_the_columns_and_the_order(tmp_path: Path) -> None:
    touch(tmp_path, *(f"ours/sub{n}/{s}/T1.nii.gz" for n in (10, 9, 1) for s in (2, 10)))
    touch(tmp_path, *(f"theirs/{sex}/x{n}_T1.nii.gz" for n, sex in ((3, "F"), (20, "M"))))
    labels, rejected = run(
        tmp_path,
        source("theirs", channels={"T1": "{sex}/{subject}_T1.nii.gz"}, site="Guys"),
        source(channels={"T1": "{subject}/{session}/T1.nii.gz"}),
    )
    assert list(labels.columns) == [
        "subject", "session", "source", "site", "channel:T1", "mask", "brain_mask", "sex"
    ]  # fmt: skip
    assert list(zip(labels["subject"], labels["session"], strict=True)) == [
        ("x3", "1"),
        ("x20", "1"),
        ("sub1", "2"),
        ("sub1", "10"),
        ("sub9", "2"),
        ("sub9", "10"),
        ("sub10", "2"),
        ("sub10", "10"),
    ]
    assert labels["sex"].tolist() == ["F", "M", *[""] * 6]
    assert labels["site"].tolist() == ["Guys", "Guys", *[""] * 6]
    assert labels["channel:T1"][0] == "theirs/F/x3_T1.nii.gz"
    assert rejected.empty
    assert list(rejected.columns) == ["subject", "session", "path", "reason", "detail"]


def test_shards_hold_paths_only_and_a_subject_stays_together(tmp_path: Path) -> None:
    touch(tmp_path, *(f"ours/{sex}/s{n}_{v}.nii" for n, sex in enumerate("FMFM") for v in (1, 2)))
    labels, _ = run(tmp_path, source(channels={"T1": "{sex}/{subject}_{session}.nii"}), shards=7)
    shards = [files.read_csv(tmp_path / f"results/shards/{k}.csv") for k in range(7)]
    columns = ["subject", "session", "channel:T1", "mask", "brain_mask"]
    assert all(list(shard.columns) == columns for shard in shards if len(shard))
    assert any(shard.empty for shard in shards)
    assert all((shard.groupby("subject").size() == 2).all() for shard in shards)
    together = pd.concat(shards).sort_values(["subject", "session"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(together, labels[columns], check_dtype=False)


def test_a_new_subject_touches_one_shard_and_runs_are_repeatable(tmp_path: Path) -> None:
    touch(tmp_path, *(f"ours/s{n}_T1.nii.gz" for n in range(40)))

    def bytes_of_shards() -> list[bytes]:
        run(tmp_path, source(), shards=8)
        return [(tmp_path / f"results/shards/{k}.csv").read_bytes() for k in range(8)]

    before = bytes_of_shards()
    assert bytes_of_shards() == before
    touch(tmp_path, "ours/new_T1.nii.gz")
    after = bytes_of_shards()
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1


def test_one_id_in_two_class_folders(tmp_path: Path) -> None:
    touch(tmp_path, "ours/Females/Sub_101_T1.nii.gz", "ours/Males/Sub_101_T1.nii.gz")
    channels = {"T1": "{sex}/Sub_{subject}_T1.nii.gz"}
    with pytest.raises(UserError) as caught:
        run(tmp_path, source(channels=channels))
    message = str(caught.value)
    assert "ours/Females/Sub_101_T1.nii.gz and ours/Males/Sub_101_T1.nii.gz" in message
    assert "subject: folder/id" in message
    assert not (tmp_path / "results").exists()

    labels, _ = run(tmp_path, source(channels=channels, subject="folder/id"))
    assert labels["subject"].tolist() == ["Females-101", "Males-101"]


def test_one_id_in_two_sources(tmp_path: Path) -> None:
    touch(tmp_path, "ours/1_T1.nii.gz", "theirs/1_T1.nii.gz")
    with pytest.raises(UserError, match=r"ours/1_T1\.nii\.gz and theirs/1_T1\.nii\.gz are both"):
        run(tmp_path, source(), source("theirs"))
    labels, _ = run(tmp_path, source(), source("theirs", subject="folder/id"))
    assert labels["subject"].tolist() == ["1", "theirs-1"]


def test_names_that_would_be_one_file_name(tmp_path: Path) -> None:
    touch(tmp_path, "ours/a_b-c.nii", "ours/a-b_c.nii")
    with pytest.raises(UserError, match="are both 'a_b_c'"):
        run(tmp_path, source(channels={"T1": "{subject}-{session}.nii"}))


def test_a_subject_with_two_sexes(tmp_path: Path) -> None:
    rows = "ID,Sex\na,F\na,M\nb,M\nc,F\n"
    labels, rejected = run(tmp_path, with_table(tmp_path, rows, labels={"sex": "Sex"}))
    assert labels["subject"].tolist() == ["b", "c"]
    assert rejected[["subject", "reason"]].values.tolist() == [["a", "conflicting-labels"]]
    assert "F and M" in rejected["detail"][0]


def visits(root: Path, rows: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    touch(root, "ours/a_1.nii", "ours/a_2.nii", "ours/b_1.nii")
    (root / "ours/t.csv").write_text("ID,visit,Age,Sex\n" + rows)
    return run(
        root,
        source(
            channels={"T1": "{subject}_{session}.nii"},
            table={"path": "t.csv", "column": "ID", "key": "{subject}{session}"},
            labels={"age": "Age", "sex": "Sex"},
        ),
    )


def test_age_may_change_from_visit_to_visit(tmp_path: Path) -> None:
    labels, rejected = visits(tmp_path, "a1,,70,F\na2,,72.5,F\nb1,,60,M\n")
    assert labels["age"].tolist() == ["70", "72.5", "60"]
    assert rejected.empty


@pytest.mark.parametrize("sexes", ["FM", "12"])
def test_sex_may_not_even_as_a_number(tmp_path: Path, sexes: str) -> None:
    rows = f"a1,,70,{sexes[0]}\na2,,72.5,{sexes[1]}\nb1,,60,{sexes[1]}\n"
    labels, rejected = visits(tmp_path, rows)
    assert labels["subject"].tolist() == ["b"]
    assert rejected["subject"].tolist() == ["a", "a"]
    assert set(rejected["reason"]) == {"conflicting-labels"}


def test_a_scan_that_a_table_lists_twice(tmp_path: Path) -> None:
    touch(tmp_path, "ours/a.nii", "ours/b.nii")
    table = {
        "layout": "table",
        "channels": {"T1": "path"},
        "table": {"path": "t.csv", "column": "ID"},
        "labels": {"sex": "Sex"},
    }
    (tmp_path / "ours/t.csv").write_text("ID,Sex,path\na,F,a.nii\nb,F,b.nii\na,F,./a.nii\n")
    labels, rejected = run(tmp_path, source(**table))
    assert labels["subject"].tolist() == ["a", "b"]
    assert rejected["reason"].tolist() == ["repeated"]

    (tmp_path / "ours/t.csv").write_text("ID,Sex,path\na,F,a.nii\nb,F,b.nii\na,M,a.nii\n")
    labels, rejected = run(tmp_path, source(**table))
    assert labels["subject"].tolist() == ["b"]
    assert rejected["subject"].tolist() == ["a", "a"]


def test_text_that_a_spreadsheet_would_run(tmp_path: Path) -> None:
    rows = 'ID,Score\na,-1.5\nb,"=HYPERLINK(""http://x"")"\nc,@x\n'
    labels, rejected = run(tmp_path, with_table(tmp_path, rows, labels={"score": "Score"}))
    assert labels["score"].tolist() == ["-1.5"]
    assert rejected["reason"].tolist() == ["formula", "formula"]


SECRET = "John Smith born 12/03/1950 ring 0207 123"


@pytest.mark.parametrize(
    ("sex", "table"),
    [
        ("Sex", {}),
        ({"from": "Sex", "map": {"M": "m", "F": "f"}}, {}),
        ("Sex", {"columns": {"Sex": {"values": ["M", "F"]}}}),
        ("Sex", {"columns": {"Sex": {"pattern": "[MF]"}}}),
    ],
)
def test_free_text_of_a_label_is_copied_nowhere(
    sex: Any, table: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    touch(tmp_path, "ours/a_T1.nii.gz", "ours/b_T1.nii.gz", "ours/c_T1.nii.gz")
    (tmp_path / "ours/t.csv").write_text(f"ID,Sex\na,M\nb,{SECRET}\nc,F\n")
    section = source(table={"path": "t.csv", "column": "ID", **table}, labels={"sex": sex})
    with pytest.raises(UserError, match="row 3, ID = b: ") as caught:
        run(tmp_path, section)
    wrong = (tmp_path / "results/errors.csv").read_text()
    said = capsys.readouterr()
    for text in (wrong, str(caught.value), said.out, said.err):
        assert not any(word in text for word in ("John", "Smith", "1950", "0207"))


def test_a_name_in_place_of_an_id_is_copied_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "ID,Sex\na,M\nb,F\nc,F\nJane Doe,M\n12 Mar 1950,F\n"
    run(tmp_path, with_table(tmp_path, rows, labels={"sex": "Sex"}))
    written = [path.read_text() for path in (tmp_path / "results").glob("*.csv")]
    for text in (*written, *capsys.readouterr()):
        assert "Jane" not in text
        assert "Doe" not in text
        assert "Mar" not in text


@pytest.mark.parametrize("key", [["ID", "Visit"], "Scan"])
@pytest.mark.parametrize("of", ["Anna Smi{}th", "fell off his bike near {}", "19500312T10{}"])
def test_what_tells_who_it_is_in_each_row_of_a_visit_is_copied_nowhere(
    of: str, key: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["ID,Visit,Scan,Sex,Other"]
    for person, letter in enumerate("abcdefghijkl", start=101):
        for visit in (1, 2):
            touch(tmp_path, f"ours/Sub_{person}/{visit}_T1.nii.gz")
            value = of.format(person if of.startswith("1") else letter)
            rows.append(f"Sub_{person},{visit},Sub_{person}_{visit},{'FM'[person % 2]},{value}")
    (tmp_path / "ours/t.csv").write_text("\n".join(rows))
    fields = ["{subject}", "{session}"]
    section = source(
        channels={"T1": "{subject}/{session}_T1.nii.gz"},
        table={"path": "t.csv", "column": key}
        | {"key": fields if isinstance(key, list) else "_".join(fields)},
        labels={"sex": "Sex", "other": "Other"},
    )
    with pytest.raises(UserError, match="24 mistakes") as caught:
        run(tmp_path, section)
    assert not (tmp_path / "results/labels.csv").exists()
    said = [str(caught.value), (tmp_path / "results/errors.csv").read_text(), *capsys.readouterr()]
    secret = of.partition("{")[0]
    assert not any(secret in text for text in said)


@pytest.mark.parametrize("day", ["2019-03-{:02d}", "201903{:02d}", "2019_03_{:02d}"])
def test_sessions_that_are_dates_are_told(
    day: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(1, 4):
        touch(tmp_path, f"ours/a{number}/{day.format(number)}/T1.nii.gz")
    labels, _ = run(tmp_path, source(channels={"T1": "{subject}/{session}/T1.nii.gz"}))
    assert labels["session"].tolist() == [day.format(number) for number in range(1, 4)]
    said = capsys.readouterr().err
    assert "names of sessions that hold a date, 2… and 2 more" in said
    assert "names of subjects" not in said


@pytest.mark.parametrize("name", ["..", "-x", "a b", "=1", "a,b", "a\nb"])
def test_ids_that_are_no_file_names(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "ours/a.nii", "ours/b.nii")
    table = pd.DataFrame({"subject": ["good", name], "path": ["a.nii", "b.nii"]})
    files.write_csv(tmp_path / "ours/t.csv", table)
    section = {"layout": "table", "channels": {"T1": "path"}, "table": {"path": "t.csv"}}
    labels, rejected = run(tmp_path, source(**section))
    assert labels["subject"].tolist() == ["good"]
    assert rejected["reason"].tolist() == ["bad-id"]


def test_no_scan_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "ID,Sex\nX,F\nY,M\n"
    with pytest.raises(UserError, match=r"none of 3 scans .*3 no-row.*first is ID = 'X'"):
        run(tmp_path, with_table(tmp_path, rows, labels={"sex": "Sex"}))
    assert "0 scans of 0 subjects; rejected: 3 no-row, 2 no-scan" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["rejected.csv"]


def test_a_table_without_rows(tmp_path: Path) -> None:
    touch(tmp_path, "ours/a.nii")
    (tmp_path / "ours/t.csv").write_text("subject,path\n")
    section = {"layout": "table", "channels": {"T1": "path"}, "table": {"path": "t.csv"}}
    with pytest.raises(UserError, match="list no scan"):
        run(tmp_path, source(**section))


NAMES = st.sampled_from("abcdef")


@settings(max_examples=60)
@given(
    t1=st.sets(st.tuples(NAMES, st.sampled_from("12")), min_size=1),
    t2=st.sets(st.tuples(NAMES, st.sampled_from("12"))),
    rows=st.lists(st.tuples(NAMES, st.sampled_from(["F", "M", "=x", ""])), max_size=12),
)
def test_rows_in_are_rows_out_and_rows_rejected(
    t1: set[tuple[str, str]],
    t2: set[tuple[str, str]],
    rows: list[tuple[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("root")
    touch(root, *(f"ours/{a}_{b}_T1.nii" for a, b in t1), *(f"ours/{a}_{b}_T2.nii" for a, b in t2))
    (root / "ours/t.csv").write_text("\n".join(["subject,sex", *map(",".join, rows)]) + "\n")
    section = {
        "channels": {"T1": "{subject}_{session}_T1.nii", "T2": "{subject}_{session}_T2.nii"},
        "table": {"path": "t.csv"},
        "labels": {"sex": "sex"},
    }
    try:
        labels, rejected = run(root, source(**section))
    except UserError as error:
        assert "is left" in str(error)  # noqa: PT017
        return
    rejected_scans = rejected[~rejected["reason"].isin(["no-scan", "no-image"])]
    keys = [
        list(zip(table["subject"], table["session"], strict=True))
        for table in (labels, rejected_scans)
    ]
    assert sorted(keys[0] + keys[1]) == sorted(t1)
    alone = rejected[rejected["reason"] == "no-image"]
    assert set(zip(alone["subject"], alone["session"], strict=True)) == t2 - t1
    without = [name for name, _ in rows if name not in {a for a, _ in t1}]
    assert sorted(rejected.loc[rejected["reason"] == "no-scan", "subject"]) == sorted(without)
    assert set(zip(labels["subject"], labels["session"], strict=True)) <= t2
    assert (rejected["detail"] != "").all()


@settings(max_examples=60)
@given(
    people=st.sets(st.integers(1, 30), min_size=1),
    rows=st.lists(st.integers(1, 30), min_size=1, max_size=40),
    layout=st.sampled_from(["files", "table"]),
    width=st.sampled_from([1, 3]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    separator=st.sampled_from(",;\t"),
    reverse=st.booleans(),
    least=st.integers(0, 30),
)
def test_nobody_gets_the_label_of_another(
    people: set[int],
    rows: list[int],
    layout: str,
    width: int,
    mark: bytes,
    line_end: str,
    separator: str,
    reverse: bool,
    least: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("root")
    touch(root, *(f"ours/{n:03d}_T1.nii.gz" for n in people))
    # every value tells whose it is, and half of the rows leave it blank
    lines = [["ID", "code", "group", "path"]] + [
        [f"{n:0{width}d}", str(n), ["", f"g{n}"][i % 2], f"{n:03d}_T1.nii.gz"]
        for i, n in enumerate(rows)
    ]
    text = line_end.join(separator.join(line[:: -1 if reverse else 1]) for line in lines)
    (root / "ours/t.csv").write_bytes(mark + text.encode())
    section: dict[str, Any] = {
        "table": {"path": "t.csv", "column": "ID", "columns": {"code": {"range": [0, 99]}}},
        "labels": {"code": "code", "group": {"from": "group", "map": {f"g{n}": n for n in rows}}},
        "where": f"code >= {least}",
    }
    if layout == "table":
        section |= {"layout": "table", "channels": {"T1": "path"}}
    try:
        labels, rejected = run(root, source(**section))
    except UserError as error:
        assert "is left" in str(error)  # noqa: PT017
        return
    both = [people & set(rows), set(rows) - people]
    unused = sum(row in both[1] for row in rows)
    assert (
        len(labels) + len(rejected)
        == {
            "files": len(people) + unused,
            "table": len(rows),
        }[layout]
    )
    assert {int(subject) for subject in labels["subject"]} == {n for n in both[0] if n >= least}
    for _, row in labels.iterrows():
        person = int(row["subject"])
        assert row["channel:T1"] == f"ours/{person:03d}_T1.nii.gz"
        assert row["code"] == str(person)
        assert row["group"] in ("", str(person))


@given(st.lists(st.integers(0, 10**6)))
def test_natural_order_is_that_of_numbers(numbers: list[int]) -> None:
    names = [f"sub-{n}" for n in numbers]
    assert sorted(names, key=_natural) == [f"sub-{n}" for n in sorted(numbers)]


@given(st.lists(st.text("a1-", max_size=4)))
def test_natural_order_knows_any_name(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(names, key=_natural) == sorted(backwards, key=_natural)


# --- real data


def test_the_hippocampi(shared_data: Path, tmp_path: Path) -> None:
    section = {
        "source": "msd",
        "layout": "pairs",
        "path": "msd_task04_hippocampus",
        "channels": {"T1": "image"},
        "mask": "label",
        "subject": {"pattern": r"hippocampus_(\d+)", "group": 2},
    }
    words = ["label", "--settings", json.dumps({"data": [section], "shards": 4, "max_rejected": 1})]
    assert cli.main([*words, "--data", str(shared_data), "--output", str(tmp_path)]) == 0
    labels = files.read_csv(tmp_path / "labels.csv")
    assert len(labels) == 200
    assert labels["subject"].nunique() == 130
    assert labels.groupby("subject").size().max() == 2
    assert labels.iloc[0].tolist()[:2] == ["001", "001"]


def test_ten_scans_of_ixi(shared_data: Path, tmp_path: Path) -> None:
    section = {
        "path": "ixi10_2mm",
        "channels": {"T1": "nifti/{subject}-{site}-{number}-T1_ds.nii.gz"},
        "mask": "dlmuse/{subject}-{site}-{number}-T1_ds_DLMUSE.nii.gz",
        "table": {
            "path": "lists/IXI_demog_n10.csv",
            "column": "MRID",
            "key": "{subject}-{site}-{number}",
        },
        "labels": {"age": "Age", "sex": "Sex"},
    }
    label(sources=[source(**section)], shards=2, data=shared_data, output=tmp_path)
    labels = files.read_csv(tmp_path / "labels.csv")
    assert labels.loc[0, ["subject", "site", "age", "sex"]].tolist() == [
        "IXI012", "HH", "38.78", "M"
    ]  # fmt: skip
    assert "number" not in labels
    assert len(labels) == 10
