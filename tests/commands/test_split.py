"""Splits: no leak, no subject lost, balanced, and the same from any order of rows."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import event
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from rows import frame_of
from rows import label_rows

from headstart.cli import main
from headstart.cohort.audit import Audit
from headstart.cohort.audit import audit
from headstart.cohort.balance import BalanceRow
from headstart.cohort.balance import balance
from headstart.cohort.config import RelatedSubjects
from headstart.cohort.config import Split
from headstart.cohort.pairs import PairRow
from headstart.cohort.rates import Rates
from headstart.cohort.split import OwnSplit
from headstart.cohort.split import read_own
from headstart.cohort.split import split
from headstart.cohort.splits import SplitRow
from headstart.cohort.splits import by_repeat
from headstart.cohort.splits import read_splits
from headstart.cohort.splits import write_splits
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.records import write_rows
from headstart.data.label_table import LabelRow
from headstart.imaging.scan_rows import CheckRow
from headstart.study.config import read_config

RATES = Rates(scans=0, unknown="")


def table(subjects: int) -> pd.DataFrame:
    rows = []
    for number in range(subjects):
        sessions = ("1", "2") if number % 5 == 0 else ("1",)
        for session in sessions:
            sex = "female" if number % 3 else "male"
            site = ("Guys", "HH", "IOP")[(number // 2) % 3]
            age = str(20 + number * 7 % 61 + 0.5)
            rows.append((f"Sub_{number + 1}", session, site, "", sex, age))
    return pd.DataFrame(rows, columns=["subject", "session", "site", "brain_mask", "sex", "age"])


def once(subjects: int) -> pd.DataFrame:
    """Return a table with one session of each subject."""
    return table(subjects).drop_duplicates("subject", ignore_index=True)


def summary_of(passed: pd.DataFrame, twice: bool = False) -> list[CheckRow]:
    """Return check's summary, every scan with voxels of its own, or the first two with the same."""
    keys = zip(passed["subject"], passed["session"], strict=True)
    return [
        CheckRow(*key, path="", hash="twice" if twice and number < 2 else f"h{number}")
        for number, key in enumerate(keys)
    ]


def audited(splits: list[SplitRow], passed: pd.DataFrame, **more: Any) -> Audit:
    given_ = {"summary": summary_of(passed), "pairs": (), "rates": RATES} | more
    return audit(splits=splits, passed=label_rows(passed), **given_)


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[pd.DataFrame, Split]:
    folds = draw(st.integers(2, 6))
    n = draw(st.integers(4 * folds, 90))
    levels = st.sampled_from(["", "a", "b", "c"])
    frame = pd.DataFrame(
        {
            "subject": [f"s{i}" for i in range(n)],
            "session": "1",
            "site": draw(st.lists(levels, min_size=n, max_size=n)),
            "brain_mask": "",
            "sex": draw(st.lists(levels, min_size=n, max_size=n)),
            "age": [str(a) for a in draw(st.lists(st.integers(18, 90), min_size=n, max_size=n))],
        }
    )
    twice = frame[draw(st.integers(0, n - 1)) :].assign(session="2", sex="other")
    stratify = draw(st.lists(st.sampled_from(["site", "sex", "age"]), unique=True))
    chosen = Split(
        test=draw(st.sampled_from([0.0, 0.1, 0.25])),
        folds=folds,
        validation=draw(st.sampled_from([0, 0.1, 0.3])),
        stratify=tuple(stratify),
        seed=draw(st.integers(0, 9)),
    )
    return pd.concat([frame, twice], ignore_index=True), chosen


@settings(max_examples=60)
@given(cohorts(), st.randoms(use_true_random=False))
def test_every_subject_once_balanced_and_the_same_from_any_order(cohort, random) -> None:
    passed, chosen = cohort
    rows = split(passed=label_rows(passed), settings=chosen)
    splits = frame_of(rows, SplitRow)
    assert sorted(splits["subject"]) == sorted(passed["subject"].unique())
    assert audited(rows, passed).leaks == ()

    held_out = splits["test"]
    assert held_out.sum() == (max(1, round(chosen.test * len(splits))) if chosen.test else 0)
    assert splits["fold"][held_out].isna().all()
    assert not splits["validation"][held_out].any()
    sizes = splits["fold"][~held_out].value_counts()
    assert len(sizes) == chosen.folds
    assert sizes.max() - sizes.min() <= 1
    validation = splits["validation"][~held_out]
    wanted = max(2, round(chosen.validation * len(validation))) if chosen.validation else 0
    assert validation.sum() == wanted
    per_fold = validation.groupby(splits["fold"][~held_out]).sum()
    assert per_fold.max() - per_fold.min() <= 1

    order = list(passed.index)
    random.shuffle(order)
    assert split(passed=label_rows(passed.loc[order]), settings=chosen) == rows


KIND = st.sampled_from(["random", "stable", "sites"])


@st.composite
def families(draw: st.DrawFn) -> tuple[pd.DataFrame, Split, list[list[str]]]:
    """Cohorts as they come: families, twins under two names, rare sites, holes in every label."""
    n = draw(st.integers(8, 60))
    number = st.integers(0, 2**32 - 1)
    bits = draw(st.lists(number, min_size=n, max_size=n))
    kind = draw(KIND)
    rows = []
    for i, bit in enumerate(bits):
        family = f"F{bit % 11}" if bit % 7 < 3 else ""
        # a third of them at one site, few at the last; a family lives at one place
        place = int(family[1:]) if family else bit // 11
        site = "AAABBC"[place % 6] if kind == "sites" or bit % 13 else ""
        age = str(18 + bit // 77 % 70) if bit % 5 else ""
        sex = ("F", "M", "")[bit // 3 % 3]
        sessions = range(1 + (bit // 17 % 4 == 0) + (bit // 19 % 9 == 0))
        rows += [(f"s{i}", str(k + 1), site, "", sex, age, family) for k in sessions]
    columns = ["subject", "session", "site", "brain_mask", "sex", "age", "family"]
    passed = pd.DataFrame(rows, columns=columns)
    sites = tuple(sorted(set(passed["site"])))
    pair = st.lists(st.integers(0, n - 1), min_size=2, max_size=3, unique=True)
    together = [[f"s{i}" for i in members] for members in draw(st.lists(pair, max_size=4))]
    stratify = draw(st.lists(st.sampled_from(["site", "sex", "age"]), unique=True))
    shape = {"folds": draw(st.integers(2, 5))}
    if kind == "sites" and len(sites) > 1:
        shape = {"sites": sites}
    chosen = Split(
        test=draw(st.sampled_from([0.0, 0.2])),
        stratify=() if kind == "stable" else tuple(stratify),
        stable=kind == "stable",
        group="family",
        seed=draw(st.integers(0, 9)),
        **shape,
    )
    return passed, chosen, together


COHORTS = int(os.environ.get("RANDOM_COHORTS", "400"))


@settings(max_examples=COHORTS)
@given(families())
def test_no_leak_in_random_cohorts(case) -> None:
    passed, chosen, together = case
    try:
        splits = split(passed=label_rows(passed), settings=chosen, together=together)
    except UserError as error:
        event(str(error).split("; ")[0][-40:])
        return  # too few for what is asked, or a family at two sites: said, not split
    event("split")
    rows = frame_of(splits, SplitRow).set_index("subject")
    assert sorted(rows.index) == sorted(set(passed["subject"]))
    place = pd.Series({row.subject: (row.part, row.validation) for row in splits})
    for _, members in passed[passed["family"] != ""].groupby("family")["subject"]:
        assert place[list(set(members))].nunique() == 1
    for members in together:
        assert place[members].nunique() == 1
    if chosen.sites:
        folds = rows["fold"][~rows["test"]]
        site = passed.groupby("subject")["site"].first()
        assert all(chosen.sites[int(fold)] == site[subject] for subject, fold in folds.items())
    for fold in range(chosen.folds):
        others = rows[~rows["test"] & (rows["fold"] != fold)]
        assert (rows["fold"] == fold).any()
        assert set(others["validation"]) == {False, True}
    same = [RelatedSubjects(subjects=tuple(members), reason="as drawn") for members in together]
    assert audited(splits, passed, group="family", same=same).leaks == ()


@settings(max_examples=100)
@given(families(), st.data())
def test_new_subjects_move_nobody_in_a_stable_split(case, data) -> None:
    passed, chosen, together = case
    chosen = chosen.model_copy(
        update={"stable": True, "stratify": (), "sites": None, "folds": 3, "test": 0.3}
    )
    late = set(data.draw(st.lists(st.sampled_from(sorted(set(passed["subject"]))), unique=True)))
    late -= {members[0] for members in together}  # who stands first leads the others
    before = passed[~passed["subject"].isin(late)]
    # a newcomer to two families makes one of them, and who knew?
    known = [members for members in together if not set(members) & late]
    try:
        one = split(passed=label_rows(before), settings=chosen, together=known)
        two = split(passed=label_rows(passed), settings=chosen, together=known)
    except UserError:
        return
    assert set(one) <= set(two)


@pytest.mark.parametrize("shape", [{"stratify": ("sex",)}, {"stable": True, "folds": 3}])
def test_every_interpreter_writes_the_same_bytes(shape: dict[str, Any], tmp_path: Path) -> None:
    passed = tmp_path / "passed.csv"
    write_rows(passed, LabelRow, label_rows(table(90)))
    slice_ = json.dumps({"split": shape, "together": [["Sub_1", "Sub_2"]]})
    words = [sys.executable, "-m", "headstart", "split", "--settings", slice_, "--passed", passed]
    bytes_ = set()
    for seed in ("0", "1", "random"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([*words, "--output", tmp_path / seed], env=environment, check=True)
        bytes_.add((tmp_path / seed / "splits.csv").read_bytes())
        bytes_.add((tmp_path / seed / "balance.csv").read_bytes())
    assert len(bytes_) == 2


def test_every_label_is_shared_out_in_proportion() -> None:
    passed = table(240)
    chosen = Split(test=0.25, folds=5, stratify=("sex", "site", "age"))
    splits = split(passed=label_rows(passed), settings=chosen)
    rows = balance(splits=splits, passed=label_rows(passed), stratify=chosen.stratify)
    counts = frame_of(rows, BalanceRow)
    for (label, level), group in counts[counts["share"].notna()].groupby(["label", "level"]):
        folds = group["n"][group["part"] != "test"]
        assert folds.max() - folds.min() <= 2, (label, level)
        share = group["n"][group["part"] == "test"].iloc[0] / group["n"].sum()
        assert share == pytest.approx(0.25, abs=0.06), (label, level)
    assert counts["smd"].abs().max() < 0.1


def test_standardised_differences_by_hand() -> None:
    passed = once(12).assign(
        age=[str(age) for age in [30, 40, 50, 60, 70, 80, 31, 41, 51, 61, 71, ""]],
        sex=list("FFFMMM") + list("FMMMMM"),
    )
    splits = [SplitRow(s, False, n // 6, False) for n, s in enumerate(passed["subject"])]
    rows = frame_of(balance(splits=splits, passed=label_rows(passed), stratify=()), BalanceRow)
    rows = rows.set_index(["part", "label", "level"])
    age = rows.loc[("fold-0", "age", "")]
    assert (age["n"], age["mean"], age["sd"]) == (6, 55, pytest.approx(18.708, abs=1e-3))
    # means 55 and 51, variances 350 and 250
    assert age["smd"] == pytest.approx(4 / math.sqrt(300), abs=1e-4)
    assert rows.loc[("fold-1", "age", ""), "n"] == 5
    sex = rows.loc[("fold-0", "sex", "F")]
    variance = (0.5 * 0.5 + 1 / 6 * 5 / 6) / 2
    assert (sex["n"], sex["share"]) == (3, 0.5)
    assert sex["smd"] == pytest.approx((3 / 6 - 1 / 6) / math.sqrt(variance), abs=1e-4)
    assert rows.loc[("fold-0", "scans", "all"), "n"] == 6


def test_known_answer() -> None:
    """Pins the split itself: other folds on another machine or release would be a new study."""
    splits = split(
        passed=label_rows(table(12)), settings=Split(test=0.25, folds=3, stratify=("sex",))
    )
    assert [row.fold for row in splits] == [2, 0, 1, None, 2, None, 0, 2, None, 1, 1, 0]


@pytest.mark.parametrize(
    ("shape", "digest"),
    [
        ({"stable": True}, "7768d2839344a803"),
        ({"sites": ("Guys", "HH", "IOP")}, "d2942edaf39f1cc5"),
        ({"stratify": ("sex", "age")}, "b8eb21037c892621"),
    ],
)
def test_known_digests(shape: dict[str, Any], digest: str, tmp_path: Path) -> None:
    together = [["Sub_1", "Sub_7"], ["Sub_7", "Sub_31"]]
    splits = split(passed=label_rows(table(60)), settings=Split(**shape), together=together)
    write_splits(tmp_path / "splits.csv", splits)
    _, _, rows = (tmp_path / "splits.csv").read_bytes().partition(b"\n")
    assert hashlib.sha256(rows).hexdigest()[:16] == digest


def test_a_seed_makes_another_split() -> None:
    passed = table(60)
    one, two = (split(passed=label_rows(passed), settings=Split(seed=seed)) for seed in (1, 2))
    assert one != two


def test_first_session_gives_the_labels() -> None:
    passed = pd.DataFrame(
        {
            "subject": ["s10", "s10", "s9"] + [f"t{i}" for i in range(9)],
            "session": ["10", "9", "1"] + ["1"] * 9,
            "site": "",
            "brain_mask": "",
            "sex": ["late", "early", "early"] + ["early"] * 9,
        }
    )
    chosen = Split(test=0.0, folds=2, stratify=("sex",))
    counts = balance(
        splits=split(passed=label_rows(passed), settings=chosen),
        passed=label_rows(passed),
        stratify=chosen.stratify,
    )
    assert "late" not in {row.level for row in counts}


def test_too_few_subjects() -> None:
    with pytest.raises(UserError, match="3 subjects that are not held out are too few for 5 folds"):
        split(passed=label_rows(table(4)), settings=Split())
    with pytest.raises(UserError, match="without subjects for training or for validation"):
        split(passed=label_rows(table(3)), settings=Split(folds=2, test=0.3))


@pytest.mark.parametrize("stable", [False, True])
def test_nobody_is_set_aside_where_nobody_is_asked_for(stable: bool) -> None:
    splits = split(
        passed=label_rows(table(12)), settings=Split(folds=3, test=0, validation=0, stable=stable)
    )
    assert not any(row.validation for row in splits)
    assert {row.fold for row in splits} == {0, 1, 2}


def test_unknown_label_names_the_allowed_ones() -> None:
    with pytest.raises(UserError, match=r"split.stratify: 'height' is not a column .* sex, age"):
        split(passed=label_rows(table(20)), settings=Split(stratify=("height",)))


def test_too_few_in_a_stable_split() -> None:
    with pytest.raises(UserError, match=r"none of 4 subjects falls into fold ., as in a stable"):
        split(passed=label_rows(table(4)), settings=Split(stable=True, test=0))


# --- leave one site out -------------------------------------------------------------------------


def test_each_site_is_a_fold() -> None:
    passed = table(60)
    chosen = Split(sites=("HH", "Guys", "IOP"), test=0.2, stratify=("sex",))
    assert chosen.folds == 3
    rows = frame_of(split(passed=label_rows(passed), settings=chosen), SplitRow).set_index(
        "subject"
    )
    site = passed.drop_duplicates("subject").set_index("subject")["site"]
    for fold, name in enumerate(chosen.sites):
        assert set(site[rows.index[rows["fold"] == fold]]) == {name}
    # of every site some choose the epoch, and some are held out for the test
    assert set(site[rows.index[rows["validation"]]]) == set(site)
    assert set(site[rows.index[rows["test"]]]) == set(site)


@pytest.mark.parametrize(
    ("sites", "told"),
    [
        (("Guys", "HH"), r"names Guys, HH, but the subjects .* Guys \(20\), HH \(20\), IOP \(20\)"),
        (("Guys", "HH", "IOP", "UCL"), "names Guys, HH, IOP, UCL, but"),
    ],
)
def test_sites_that_are_not_those_of_the_scans(sites: tuple[str, ...], told: str) -> None:
    with pytest.raises(UserError, match=told):
        split(passed=label_rows(table(60)), settings=Split(sites=sites))


def test_unknown_site_and_family_at_two_sites_have_no_fold() -> None:
    passed = table(60)
    chosen = Split(sites=("Guys", "HH", "IOP"))
    with pytest.raises(UserError, match=r"\(unknown\) \(1\)"):
        split(passed=label_rows(passed.assign(site=["", *passed["site"][1:]])), settings=chosen)
    with pytest.raises(UserError, match="was scanned at Guys and at HH"):
        split(passed=label_rows(passed), settings=chosen, together=[["Sub_1", "Sub_3"]])


# --- a split of the user's own ------------------------------------------------------------------


def own_split(path: Path, text: str, folds: int = 2) -> OwnSplit:
    path.write_text(text)
    return read_own(path, files.sha256(path), folds)


def taken(path: Path, text: str) -> list[SplitRow]:
    chosen = Split(file=path.name, folds=2)
    return split(passed=label_rows(table(20)), settings=chosen, own=own_split(path, text))


def test_own_split_is_taken_as_it_is(tmp_path: Path) -> None:
    passed = table(10)
    rows = [f"Sub_{n},{'test' if n > 8 else n % 2}" for n in (*range(1, 11), 99)]
    own = own_split(tmp_path / "my.csv", "subject,fold\n" + "\n".join(rows) + "\n")
    chosen = Split(file="my.csv", folds=2, validation=0.3)
    splits = split(passed=label_rows(passed), settings=chosen, own=own)
    assert [row.fold for row in splits] == [1, 0, 1, 0, 1, 0, 1, 0, None, None]
    assert sum(row.validation for row in splits) == 2
    # the splits.csv of a study will do, the validation set included
    write_splits(tmp_path / "splits.csv", splits)
    own = read_own(tmp_path / "splits.csv", files.sha256(tmp_path / "splits.csv"), 2)
    assert split(passed=label_rows(passed), settings=chosen, own=own) == splits


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("subject,part\nSub_1,0\n", "has no column 'fold'; its columns are subject, part"),
        ("subject,fold,inner\nSub_1,0,1\n", "has a column 'inner'; call it `validation`"),
        ("subject,fold,is_validation\nSub_1,0,1\n", "call it `validation`, or remove it"),
        ("subject,fold,Val\nSub_1,0,1\n", "has a column 'Val'; call it `validation`"),
        (
            "subject,fold\nSub_1,2\n",
            r"row 2 has the fold '2'; it may be 0 to 1 \(split.folds\) or test",
        ),
        ("subject,fold\nSub_1,\n", r"row 2 has the fold ''; it"),
        (
            "subject,fold,validation\nSub_1,0,yes\n",
            "row 2 has the validation 'yes'; it may be 0 or 1",
        ),
        ("subject,fold\nSub_1,0\nSub_1,1\n", "more than one row of subject Sub_1; keep one"),
        ("subject,fold\nSub_1,0\nSub_2,1\n", "no row of subjects Sub_3, .*, Sub_12 and 8 more"),
    ],
)
def test_mistakes_in_an_own_split(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        taken(tmp_path / "my.csv", text)


def test_own_split_with_fewer_folds_than_the_config_says(tmp_path: Path) -> None:
    rows = "".join(f"Sub_{n},{n % 2}\n" for n in range(1, 21))
    own = own_split(tmp_path / "my.csv", "subject,fold\n" + rows, folds=3)
    with pytest.raises(UserError, match=r"has 2 folds with subjects that passed, but split.folds"):
        split(passed=label_rows(table(20)), settings=Split(file="my.csv", folds=3), own=own)


def test_own_split_that_was_edited_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("subject,fold\n")
    with pytest.raises(UserError, match=r"my.csv: was changed after this run was planned"):
        read_own(tmp_path / "my.csv", "0" * 64, 2)


# --- the audit ----------------------------------------------------------------------------------


def in_parts(passed: pd.DataFrame, **parts: str) -> list[SplitRow]:
    """Return a split by hand: everyone in fold 0 but for those who are named."""
    fold = {"test": None, "validation": 0, "0": 0, "1": 1}
    given = {subject: parts.get(subject, "0") for subject in sorted(set(passed["subject"]))}
    return [
        SplitRow(subject, part == "test", fold[part], part == "validation")
        for subject, part in given.items()
    ]


def near_duplicates(*pairs: tuple[str, str], certain: bool = True) -> list[PairRow]:
    return [
        PairRow(one, "1", other, "1", "near-duplicate", certain, 0.94, True, 2e-9)
        for one, other in pairs
    ]


@settings(max_examples=200)
@given(families(), st.data())
def test_the_audit_stops_a_split_by_chance_exactly_where_there_is_a_leak(case, data) -> None:
    passed, _, together = case
    subjects = sorted(set(passed["subject"]))
    part = st.sampled_from(["0"] * 12 + ["1", "test", "validation"])
    drawn = data.draw(st.lists(part, min_size=len(subjects), max_size=len(subjects)))
    parts = dict(zip(subjects, drawn, strict=True))
    pairs = [(one, other) for one, other, *_ in together]
    is_family = data.draw(st.booleans())
    tied = pairs if not is_family else []
    if is_family:
        named = passed[passed["family"] != ""]
        tied = [tuple(set(members)) for _, members in named.groupby("family")["subject"]]
    leaks = [members for members in tied if len({parts[subject] for subject in members}) > 1]
    found = {"group": "family"} if is_family else {"pairs": near_duplicates(*pairs)}
    told = pytest.raises(UserError, match=f"{len(leaks)} leak") if leaks else nullcontext()
    with told:
        audited(in_parts(passed, **parts), passed, **found)


@pytest.mark.parametrize("part", ["1", "test", "validation"])
def test_the_audit_finds_each_kind_of_leak(part: str) -> None:
    """Between folds, with the test, and with those who choose the epoch."""
    passed = once(8).assign(family=["F1", "F1", *[""] * 6])
    splits = in_parts(passed, Sub_2=part)
    name = {"1": "fold-1", "test": "test", "validation": "validation set of fold-0"}[part]
    told = rf"1 leak .* Sub_1 \(fold-0\), Sub_2 \({name}\): "
    with pytest.raises(UserError, match=told + "family F1"):
        audited(splits, passed, group="family")
    same = [RelatedSubjects(subjects=("Sub_1", "Sub_2"), reason="one person, two ids")]
    with pytest.raises(UserError, match=told + "split.same: one person, two ids"):
        audited(splits, passed, same=same)
    summary = summary_of(passed, twice=True)
    with pytest.raises(UserError, match=told + "the very same voxels"):
        audited(splits, passed, summary=summary)
    with pytest.raises(UserError, match=told + r"near-duplicates \(sessions 1 and 1, .*mirrored;"):
        audited(splits, passed, pairs=near_duplicates(("Sub_1", "Sub_2")))


def test_near_duplicates_are_no_leak_once_a_person_has_decided() -> None:
    passed = once(8)
    splits = in_parts(passed, Sub_2="1")
    pairs = near_duplicates(("Sub_1", "Sub_2"), ("Sub_1", "Sub_900"), ("Sub_3", "Sub_4"))
    unrelated = [RelatedSubjects(subjects=("Sub_2", "Sub_1"), reason="other gyri")]
    report = audited(splits, passed, pairs=pairs, unrelated=unrelated)
    assert report.leaks == ()
    # in one part, and for a person to know of
    assert [pair.subjects for pair in report.near_duplicates] == [("Sub_3", "Sub_4")]
    assert report.unrelated == tuple(unrelated)
    together = split(
        passed=label_rows(passed), settings=Split(folds=2), together=[["Sub_1", "Sub_2"]]
    )
    assert audited(together, passed, pairs=pairs[:2]).leaks == ()


@pytest.mark.parametrize("other", ["sub_1", "Sub_01", "SUB-1", "Sub1"])
def test_one_id_in_two_writings_is_a_leak_unless_a_person_has_decided(other: str) -> None:
    passed = once(8).assign(source="own")
    passed.loc[1, "subject"] = other
    splits = in_parts(passed, **{other: "1"})
    with pytest.raises(UserError, match=rf"1 leak .* Sub_1 \(fold-0\), {other} \(fold-1\): one id"):
        audited(splits, passed)
    decided = [RelatedSubjects(subjects=(other, "Sub_1"), reason="two cohorts")]
    assert audited(splits, passed, unrelated=decided).leaks == ()
    passed.loc[1, "source"] = "another"
    assert audited(splits, passed).leaks == ()


def test_a_doubtful_pair_is_told_and_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    passed = once(8)
    splits = in_parts(passed, Sub_2="1")
    pairs = near_duplicates(("Sub_1", "Sub_2"), certain=False)
    report = audited(splits, passed, pairs=pairs)
    assert (report.leaks, report.near_duplicates) == ((), ())
    assert [pair.subjects for pair in report.doubtful] == [("Sub_1", "Sub_2")]
    assert "1 pairs are doubtful, e.g. Sub_1, Sub_2" in capsys.readouterr().err
    decided = [RelatedSubjects(subjects=("Sub_1", "Sub_2"), reason="other gyri")]
    assert audited(splits, passed, pairs=pairs, unrelated=decided).doubtful == ()


def test_identical_voxels_stay_a_leak_whatever_a_person_says() -> None:
    passed = once(8)
    summary = summary_of(passed, twice=True)
    unrelated = [RelatedSubjects(subjects=("Sub_1", "Sub_2"), reason="I think")]
    with pytest.raises(UserError, match="the very same voxels"):
        audited(in_parts(passed, Sub_2="1"), passed, summary=summary, unrelated=unrelated)


def test_two_sessions_of_one_subject_are_no_leak() -> None:
    passed = table(20)
    pairs = [replace(near_duplicates(("Sub_1", "Sub_1"))[0], other_session="2")]
    summary = summary_of(passed, twice=True)
    splits = split(passed=label_rows(passed), settings=Split())
    assert audited(splits, passed, pairs=pairs, summary=summary).leaks == ()


def test_a_decision_about_nobody() -> None:
    passed = table(20)
    splits = split(passed=label_rows(passed), settings=Split())
    same = [RelatedSubjects(subjects=("Sub_1", "Sub_021"), reason="twins")]
    with pytest.raises(UserError, match=r"split.same: .* no subject 'Sub_021'; .* e.g., Sub_2,"):
        audited(splits, passed, same=same)


# --- settings and command -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"sites": ["A", "B"], "folds": 5}, "sites: names 2 sites, each a fold; leave out `folds`"),
        ({"sites": ["A", "A"]}, "sites: has 'A' twice; keep one"),
        ({"file": "s.csv", "stable": True}, "file: is a split already"),
        ({"stable": True, "stratify": ["sex"]}, "stable: a place that never changes can't"),
        ({"same": [{"subjects": ["a"], "reason": "one"}]}, r"split\.same\[0\]\.subjects"),
        (
            {key: [{"subjects": ["a", "b"], "reason": key}] for key in ("same", "unrelated")},
            "same: a, b are in `unrelated` too",
        ),
    ],
)
def test_settings_that_contradict_each_other(section: dict[str, Any], told: str) -> None:
    study = {
        "study": "s",
        "data": [{"source": "own", "channels": {"T1": "{subject}.nii"}}],
        "experiments": {
            "age": {"task": "regression", "target": "age", "train": {"network": "sfcn"}}
        },
        "split": section,
    }
    with pytest.raises(UserError, match=told):
        read_config(study)


def test_command_splits_and_audits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    passed, out = tmp_path / "passed.csv", tmp_path / "out"
    write_rows(passed, LabelRow, label_rows(table(30)))
    slice_ = json.dumps({"split": {"stratify": ["sex"], "seed": 3}, "together": []})
    command = ["split", "--settings", slice_, "--passed", str(passed), "--output", str(out)]
    assert main(command) == 0
    rows = (out / "splits.csv").read_text().splitlines()
    assert rows[0] == "subject,test,fold,validation"
    assert len(rows) == 31

    first = {row.fold: row.subject for row in reversed(read_splits(out / "splits.csv"))}
    pair = (first[0], first[1])
    write_rows(tmp_path / "summary.csv", CheckRow, summary_of(table(30)))
    write_rows(tmp_path / "pairs.csv", PairRow, near_duplicates(pair))
    RATES.write(tmp_path / "rates.json")
    decisions = {"group": None, "same": [], "unrelated": []}
    words = ["audit", "--passed", str(passed), "--output", str(out / "audit.json")]
    for name in ("summary.csv", "pairs.csv", "rates.json"):
        words += [f"--{name.partition('.')[0]}", str(tmp_path / name)]
    words += ["--splits", str(out / "splits.csv"), "--settings"]
    assert main([*words, json.dumps(decisions)]) == 2
    assert not (out / "audit.json").exists()
    *_, line = capsys.readouterr().err.splitlines()
    assert f"put `- {{subjects: [{', '.join(pair)}], reason: …}}` into split.same" in line
    decisions["unrelated"] = [{"subjects": list(pair), "reason": "two people"}]
    assert main([*words, json.dumps(decisions)]) == 0
    report = Audit.read(out / "audit.json")
    assert (report.test, report.scans, report.leaks) == (6, 36, ())


def test_ten_ages_are_numbers_and_serial_words_are_not_described() -> None:
    passed = pd.DataFrame(
        {
            "subject": [f"s{n}" for n in range(10)],
            "session": "1",
            "site": "",
            "brain_mask": "",
            "age": [f"{20 + 3.5 * n}" for n in range(10)],
            "cdr": ["0", "0.5", "1", "0", "0"] * 2,
            "code": [f"K{n}" for n in range(10)],
        }
    )
    splits = [SplitRow(s, False, n % 2, False) for n, s in enumerate(passed["subject"])]
    rows = balance(splits=splits, passed=label_rows(passed), stratify=["age"])
    assert {row.level for row in rows if row.label == "age"} == {""}
    assert {row.level for row in rows if row.label == "cdr"} == {"0", "0.5", "1"}
    assert "code" not in {row.label for row in rows}


@pytest.mark.parametrize("stable", [False, True])
def test_repeats_deal_everyone_into_folds_again_and_leave_the_first_as_it_was(
    stable: bool,
) -> None:
    passed = table(90)
    asked = {"folds": 3, "stable": stable} | ({} if stable else {"stratify": ("sex",)})
    alone, again = (
        split(passed=label_rows(passed), settings=Split(**asked, repeats=repeats))
        for repeats in (1, 3)
    )
    assert [replace(row, repeats={}) for row in again] == alone
    for row in again:
        assert set(row.repeats) == {"1", "2"}
        assert [fold // 3 for fold in row.folds] == ([] if row.test else [0, 1, 2])
    first, second, third = by_repeat(again)
    assert first == alone
    apart = [
        {(row.subject, row.fold % 3) for row in repeat if not row.test}
        for repeat in (first, second, third)
    ]
    # by chance a third is in the fold of the same number again
    assert all(len(one & other) < 0.6 * len(one) for one, other in combinations(apart, 2))
    if not stable:
        sex = dict(zip(passed["subject"], passed["sex"], strict=True))
        for repeat in (second, third):
            for fold in {row.fold for row in repeat} - {None}:
                members = [row for row in repeat if row.fold == fold]
                assert len(members) == 24
                assert sum(sex[row.subject] == "male" for row in members) in (7, 8, 9)
                assert sum(row.validation for row in members) in (3, 4, 5)


def test_families_stay_together_in_each_repeat_and_the_audit_looks_at_all() -> None:
    passed = table(60)
    passed["family"] = [f"f{int(subject[4:]) // 2}" for subject in passed["subject"]]
    asked = Split(folds=3, repeats=2, test=0, group="family")
    splits = split(passed=label_rows(passed), settings=asked)
    assert audited(splits, passed, group="family").leaks == ()
    family = dict(zip(passed["subject"], passed["family"], strict=True))
    # a member more of the family that is in fold 3 of the second repeat alone is a leak
    place = next(
        number
        for number, row in enumerate(splits)
        if not row.validation
        and any(
            family[other.subject] == family[row.subject] and other is not row for other in splits
        )
    )
    row = splits[place]
    moved = replace(row, repeats={"1": str(3 + (int(row.repeats["1"]) - 2) % 3)})
    splits[place] = moved
    with pytest.raises(UserError, match="leak"):
        audited(splits, passed, group="family")


def test_a_table_with_repeats_is_read_as_it_was_written(tmp_path: Path) -> None:
    splits = split(passed=label_rows(table(40)), settings=Split(folds=2, repeats=2))
    write_splits(tmp_path / "splits.csv", splits)
    assert read_splits(tmp_path / "splits.csv") == splits
    text = (tmp_path / "splits.csv").read_text()
    (tmp_path / "splits.csv").write_text(text.replace(",3\n", ",\n", 1))
    with pytest.raises(UserError, match="is not in one fold of each repeat"):
        read_splits(tmp_path / "splits.csv")


@pytest.mark.parametrize("other", [{"sites": ["A", "B"]}, {"file": "own.csv"}])
def test_who_is_in_which_fold_once_and_for_all_is_not_repeated(other: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="leave out `repeats`"):
        Split(**other, repeats=2)
