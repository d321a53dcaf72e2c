"""Splits: no leak, no subject lost, balanced, and the same from any order of rows."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import event
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from headstart.cli import main
from headstart.parts import files
from headstart.parts.balance import balance
from headstart.parts.config import Kin
from headstart.parts.config import Split
from headstart.parts.config import read_config
from headstart.parts.errors import UserError
from headstart.stages.split import audit
from headstart.stages.split import read_own
from headstart.stages.split import split

LOOKALIKES = ["subject", "session", "other_subject", "other_session", "correlation", "flipped"]
NO_PAIRS = pd.DataFrame(columns=LOOKALIKES)


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


def hashes(passed: pd.DataFrame) -> pd.DataFrame:
    """Return check's summary, every scan with voxels of its own."""
    return passed[["subject", "session"]].assign(hash=[f"h{i}" for i in range(len(passed))])


def audited(splits: pd.DataFrame, passed: pd.DataFrame, **more: Any) -> dict[str, Any]:
    given_ = {"summary": hashes(passed), "lookalikes": NO_PAIRS} | more
    return audit(splits=splits, passed=passed, **given_)


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
        inner=draw(st.sampled_from([0.1, 0.3])),
        stratify=tuple(stratify),
        seed=draw(st.integers(0, 9)),
    )
    return pd.concat([frame, twice], ignore_index=True), chosen


@settings(deadline=None, max_examples=60)
@given(cohorts(), st.randoms(use_true_random=False))
def test_every_subject_once_balanced_and_the_same_from_any_order(cohort, random) -> None:
    passed, chosen = cohort
    splits = split(passed=passed, settings=chosen)
    assert sorted(splits["subject"]) == sorted(passed["subject"].unique())
    assert audited(splits, passed)["leaks"] == []

    held_out = splits["test"] == "1"
    assert held_out.sum() == (max(1, round(chosen.test * len(splits))) if chosen.test else 0)
    assert set(splits["fold"][held_out]) <= {""}
    assert set(splits["inner"][held_out]) <= {"0"}
    sizes = splits["fold"][~held_out].value_counts()
    assert len(sizes) == chosen.folds
    assert sizes.max() - sizes.min() <= 1
    inner = splits["inner"][~held_out] == "1"
    assert inner.sum() == max(2, round(chosen.inner * len(inner)))
    per_fold = inner.groupby(splits["fold"][~held_out]).sum()
    assert per_fold.max() - per_fold.min() <= 1

    order = list(passed.index)
    random.shuffle(order)
    again = split(passed=passed.loc[order], settings=chosen)
    assert again.to_csv() == splits.to_csv()


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


@settings(deadline=None, max_examples=COHORTS)
@given(families())
def test_no_leak_in_random_cohorts(case) -> None:
    passed, chosen, together = case
    try:
        splits = split(passed=passed, settings=chosen, together=together)
    except UserError as error:
        event(str(error).split("; ")[0][-40:])
        return  # too few for what is asked, or a family at two sites: said, not split
    event("split")
    rows = splits.set_index("subject")
    assert sorted(rows.index) == sorted(set(passed["subject"]))
    place = rows["test"] + "/" + rows["fold"] + "/" + rows["inner"]
    for _, members in passed[passed["family"] != ""].groupby("family")["subject"]:
        assert place[list(set(members))].nunique() == 1
    for members in together:
        assert place[members].nunique() == 1
    if chosen.sites:
        folds = rows["fold"][rows["test"] == "0"]
        site = passed.groupby("subject")["site"].first()
        assert all(chosen.sites[int(fold)] == site[subject] for subject, fold in folds.items())
    for fold in range(chosen.folds):
        others = rows[(rows["test"] == "0") & (rows["fold"] != str(fold))]
        assert (rows["fold"] == str(fold)).any()
        assert set(others["inner"]) == {"0", "1"}
    same = [Kin(subjects=tuple(members), reason="as drawn") for members in together]
    assert audited(splits, passed, group="family", same=same)["leaks"] == []


@settings(deadline=None, max_examples=100)
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
        one = split(passed=before, settings=chosen, together=known).set_index("subject")
        two = split(passed=passed, settings=chosen, together=known).set_index("subject")
    except UserError:
        return
    assert two.loc[one.index].equals(one)


@pytest.mark.parametrize("shape", [{"stratify": ("sex",)}, {"stable": True, "folds": 3}])
def test_every_interpreter_writes_the_same_bytes(shape: dict[str, Any], tmp_path: Path) -> None:
    passed = tmp_path / "passed.csv"
    table(90).to_csv(passed, index=False)
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
    splits = split(passed=passed, settings=chosen)
    counts = balance(splits=splits, passed=passed, stratify=chosen.stratify)
    for (label, level), group in counts[counts["share"] != ""].groupby(["label", "level"]):
        folds = group["n"][group["part"] != "test"]
        assert folds.max() - folds.min() <= 2, (label, level)
        share = group["n"][group["part"] == "test"].iloc[0] / group["n"].sum()
        assert share == pytest.approx(0.25, abs=0.06), (label, level)
    assert counts["smd"][counts["smd"] != ""].astype(float).abs().max() < 0.1


def test_standardised_differences_by_hand() -> None:
    passed = once(12).assign(
        age=[str(age) for age in [30, 40, 50, 60, 70, 80, 31, 41, 51, 61, 71, ""]],
        sex=list("FFFMMM") + list("FMMMMM"),
    )
    splits = passed[["subject"]].assign(test="0", fold=["0"] * 6 + ["1"] * 6, inner="0")
    rows = balance(splits=splits, passed=passed, stratify=())
    rows = rows.set_index(["part", "label", "level"])
    age = rows.loc[("fold-0", "age", "")]
    assert (age["n"], age["mean"], age["sd"]) == (6, "55", "18.71")
    # means 55 and 51, variances 350 and 250
    assert float(age["smd"]) == pytest.approx(4 / math.sqrt(300), abs=1e-4)
    assert rows.loc[("fold-1", "age", ""), "n"] == 5
    sex = rows.loc[("fold-0", "sex", "F")]
    variance = (0.5 * 0.5 + 1 / 6 * 5 / 6) / 2
    assert (sex["n"], sex["share"]) == (3, "0.5")
    assert float(sex["smd"]) == pytest.approx((3 / 6 - 1 / 6) / math.sqrt(variance), abs=1e-4)
    assert rows.loc[("fold-0", "scans", "all"), "n"] == 6


def test_known_answer() -> None:
    """Pins the split itself: other folds on another machine or release would be a new study."""
    splits = split(passed=table(12), settings=Split(test=0.25, folds=3, stratify=("sex",)))
    assert "".join(splits["test"]) == "000101001000"
    assert ",".join(splits["fold"]) == "2,0,1,,2,,0,2,,1,1,0"


@pytest.mark.parametrize(
    ("shape", "digest"),
    [
        ({"stable": True}, "e1b3637ba38fffd6"),
        ({"sites": ("Guys", "HH", "IOP")}, "7113afc67c89f48d"),
        ({"stratify": ("sex", "age")}, "5e43cf675b4fa657"),
    ],
)
def test_known_digests(shape: dict[str, Any], digest: str) -> None:
    together = [["Sub_1", "Sub_7"], ["Sub_7", "Sub_31"]]
    splits = split(passed=table(60), settings=Split(**shape), together=together)
    text = splits.to_csv(index=False, lineterminator="\n")
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


def test_a_seed_makes_another_split() -> None:
    passed = table(60)
    one, two = (split(passed=passed, settings=Split(seed=seed)) for seed in (1, 2))
    assert not one.equals(two)


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
        splits=split(passed=passed, settings=chosen), passed=passed, stratify=chosen.stratify
    )
    assert "late" not in set(counts["level"])


def test_too_few_subjects() -> None:
    with pytest.raises(UserError, match="3 subjects that are not held out are too few for 5 folds"):
        split(passed=table(4), settings=Split())
    with pytest.raises(UserError, match="without training or inner subjects"):
        split(passed=table(3), settings=Split(folds=2, test=0.3))


def test_unknown_label_names_the_allowed_ones() -> None:
    with pytest.raises(UserError, match=r"split.stratify: 'height' is not a column .* sex, age"):
        split(passed=table(20), settings=Split(stratify=("height",)))


def test_too_few_in_a_stable_split() -> None:
    with pytest.raises(UserError, match=r"none of 4 subjects falls into fold ., as in a stable"):
        split(passed=table(4), settings=Split(stable=True, test=0))


# --- leave one site out -------------------------------------------------------------------------


def test_each_site_is_a_fold() -> None:
    passed = table(60)
    chosen = Split(sites=("HH", "Guys", "IOP"), test=0.2, stratify=("sex",))
    assert chosen.folds == 3
    rows = split(passed=passed, settings=chosen).set_index("subject")
    site = passed.drop_duplicates("subject").set_index("subject")["site"]
    for fold, name in enumerate(chosen.sites):
        assert set(site[rows.index[rows["fold"] == str(fold)]]) == {name}
    # of every site some choose the epoch, and some are held out for the test
    assert set(site[rows.index[rows["inner"] == "1"]]) == set(site)
    assert set(site[rows.index[rows["test"] == "1"]]) == set(site)


@pytest.mark.parametrize(
    ("sites", "told"),
    [
        (("Guys", "HH"), r"names Guys, HH, but the subjects .* Guys \(20\), HH \(20\), IOP \(20\)"),
        (("Guys", "HH", "IOP", "UCL"), "names Guys, HH, IOP, UCL, but"),
    ],
)
def test_sites_that_are_not_those_of_the_scans(sites: tuple[str, ...], told: str) -> None:
    with pytest.raises(UserError, match=told):
        split(passed=table(60), settings=Split(sites=sites))


def test_unknown_site_and_family_at_two_sites_have_no_fold() -> None:
    passed = table(60)
    chosen = Split(sites=("Guys", "HH", "IOP"))
    with pytest.raises(UserError, match=r"\(unknown\) \(1\)"):
        split(passed=passed.assign(site=["", *passed["site"][1:]]), settings=chosen)
    with pytest.raises(UserError, match="was scanned at Guys and at HH"):
        split(passed=passed, settings=chosen, together=[["Sub_1", "Sub_3"]])


# --- a split of the user's own ------------------------------------------------------------------


def own_split(path: Path, text: str, folds: int = 2) -> pd.DataFrame:
    path.write_text(text)
    return read_own(path, files.sha256(path), folds)


def taken(path: Path, text: str) -> pd.DataFrame:
    chosen = Split(file=path.name, folds=2)
    return split(passed=table(20), settings=chosen, own=own_split(path, text))


def test_own_split_is_taken_as_it_is(tmp_path: Path) -> None:
    passed = table(10)
    rows = [f"Sub_{n},{'test' if n > 8 else n % 2}" for n in (*range(1, 11), 99)]
    own = own_split(tmp_path / "my.csv", "subject,fold\n" + "\n".join(rows) + "\n")
    chosen = Split(file="my.csv", folds=2, inner=0.3)
    splits = split(passed=passed, settings=chosen, own=own)
    assert "".join(splits["test"]) == "0000000011"
    assert ",".join(splits["fold"]) == "1,0,1,0,1,0,1,0,,"
    assert (splits["inner"] == "1").sum() == 2
    # the splits.csv of a study will do, the inner part included
    files.write_csv(tmp_path / "splits.csv", splits)
    own = read_own(tmp_path / "splits.csv", files.sha256(tmp_path / "splits.csv"), 2)
    assert split(passed=passed, settings=chosen, own=own).equals(splits)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("subject,part\nSub_1,0\n", "has no column 'fold'; its columns are subject, part"),
        (
            "subject,fold\nSub_1,2\n",
            r"row 2 has the fold '2'; it may be 0 to 1 \(split.folds\) or test",
        ),
        ("subject,fold\nSub_1,\n", r"row 2 has the fold ''; it"),
        ("subject,fold,inner\nSub_1,0,yes\n", "row 2 has the inner 'yes'; it may be 0 or 1"),
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
        split(passed=table(20), settings=Split(file="my.csv", folds=3), own=own)


def test_own_split_that_was_edited_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("subject,fold\n")
    with pytest.raises(UserError, match=r"my.csv: was changed after this run was planned"):
        read_own(tmp_path / "my.csv", "0" * 64, 2)


# --- the audit ----------------------------------------------------------------------------------


def in_parts(passed: pd.DataFrame, **parts: str) -> pd.DataFrame:
    """Return a split by hand: everyone in fold 0 but for those who are named."""
    rows = pd.DataFrame({"subject": sorted(set(passed["subject"]))})
    part = rows["subject"].map(parts).fillna("0")
    return rows.assign(
        test=(part == "test").astype(int).astype(str),
        fold=part.str.replace("test", "").str.replace("inner", "0"),
        inner=(part == "inner").astype(int).astype(str),
    )


def lookalikes(*pairs: tuple[str, str]) -> pd.DataFrame:
    rows = [(one, "1", other, "1", "0.9941", "1") for one, other in pairs]
    return pd.DataFrame(rows, columns=LOOKALIKES)


@settings(deadline=None, max_examples=200)
@given(families(), st.data())
def test_the_audit_stops_a_split_by_chance_exactly_where_there_is_a_leak(case, data) -> None:
    passed, _, together = case
    subjects = sorted(set(passed["subject"]))
    part = st.sampled_from(["0"] * 12 + ["1", "test", "inner"])
    drawn = data.draw(st.lists(part, min_size=len(subjects), max_size=len(subjects)))
    parts = dict(zip(subjects, drawn, strict=True))
    pairs = [(one, other) for one, other, *_ in together]
    is_family = data.draw(st.booleans())
    tied = pairs if not is_family else []
    if is_family:
        named = passed[passed["family"] != ""]
        tied = [tuple(set(members)) for _, members in named.groupby("family")["subject"]]
    leaks = [members for members in tied if len({parts[subject] for subject in members}) > 1]
    found = {"group": "family"} if is_family else {"lookalikes": lookalikes(*pairs)}
    told = pytest.raises(UserError, match=f"{len(leaks)} leak") if leaks else nullcontext()
    with told:
        audited(in_parts(passed, **parts), passed, **found)


@pytest.mark.parametrize("part", ["1", "test", "inner"])
def test_the_audit_finds_each_kind_of_leak(part: str) -> None:
    """Between folds, with the test, and with those who choose the epoch."""
    passed = once(8).assign(family=["F1", "F1", *[""] * 6])
    splits = in_parts(passed, Sub_2=part)
    name = {"1": "fold-1", "test": "test", "inner": "inner part of fold-0"}[part]
    told = rf"1 leak .* Sub_1 \(fold-0\), Sub_2 \({name}\): "
    with pytest.raises(UserError, match=told + "family F1"):
        audited(splits, passed, group="family")
    same = [Kin(subjects=("Sub_1", "Sub_2"), reason="one person, two ids")]
    with pytest.raises(UserError, match=told + "split.same: one person, two ids"):
        audited(splits, passed, same=same)
    summary = hashes(passed)
    summary.loc[[0, 1], "hash"] = "twice"
    with pytest.raises(UserError, match=told + "the very same voxels"):
        audited(splits, passed, summary=summary)
    with pytest.raises(UserError, match=told + r"look alike \(sessions 1 and 1, .* is flipped\)"):
        audited(splits, passed, lookalikes=lookalikes(("Sub_1", "Sub_2")))


def test_a_lookalike_pair_is_no_leak_once_a_person_has_decided() -> None:
    passed = once(8)
    splits = in_parts(passed, Sub_2="1")
    pairs = lookalikes(("Sub_1", "Sub_2"), ("Sub_1", "Sub_900"), ("Sub_3", "Sub_4"))
    unrelated = [Kin(subjects=("Sub_2", "Sub_1"), reason="other gyri")]
    report = audited(splits, passed, lookalikes=pairs, unrelated=unrelated)
    assert report["leaks"] == []
    # in one part, and for a person to know of
    assert [pair["subjects"] for pair in report["lookalikes"]] == [("Sub_3", "Sub_4")]
    assert report["unrelated"] == [{"subjects": ["Sub_2", "Sub_1"], "reason": "other gyri"}]
    together = split(passed=passed, settings=Split(folds=2), together=[["Sub_1", "Sub_2"]])
    assert audited(together, passed, lookalikes=pairs[:2])["leaks"] == []


def test_identical_voxels_stay_a_leak_whatever_a_person_says() -> None:
    passed = once(8)
    summary = hashes(passed)
    summary.loc[[0, 1], "hash"] = "twice"
    unrelated = [Kin(subjects=("Sub_1", "Sub_2"), reason="I think")]
    with pytest.raises(UserError, match="the very same voxels"):
        audited(in_parts(passed, Sub_2="1"), passed, summary=summary, unrelated=unrelated)


def test_two_sessions_of_one_subject_are_no_leak() -> None:
    passed = table(20)
    pairs = pd.DataFrame([("Sub_1", "1", "Sub_1", "2", "0.99", "0")], columns=LOOKALIKES)
    summary = hashes(passed)
    summary.loc[[0, 1], "hash"] = "twice"
    splits = split(passed=passed, settings=Split())
    assert audited(splits, passed, lookalikes=pairs, summary=summary)["leaks"] == []


def test_a_decision_about_nobody() -> None:
    passed = table(20)
    splits = split(passed=passed, settings=Split())
    same = [Kin(subjects=("Sub_1", "Sub_021"), reason="twins")]
    with pytest.raises(UserError, match=r"split.same: .* no subject 'Sub_021'; .* e.g., Sub_2,"):
        audited(splits, passed, same=same)


# --- settings and command -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"sites": ["A", "B"], "folds": 5}, "sites: names 2 sites, each a fold; leave out `folds`"),
        ({"sites": ["A", "A"]}, "sites: names 2 sites"),
        ({"file": "s.csv", "stable": True}, "file: is a split already"),
        ({"stable": True, "stratify": ["sex"]}, "stable: a place that never changes can't"),
        ({"same": [{"subjects": ["a"], "reason": "one"}]}, r"split.same.0.subjects"),
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
    table(30).to_csv(passed, index=False)
    slice_ = json.dumps({"split": {"stratify": ["sex"], "seed": 3}, "together": []})
    command = ["split", "--settings", slice_, "--passed", str(passed), "--output", str(out)]
    assert main(command) == 0
    rows = (out / "splits.csv").read_text().splitlines()
    assert rows[0] == "subject,test,fold,inner"
    assert len(rows) == 31

    fold = files.read_csv(out / "splits.csv").set_index("subject")["fold"]
    pair = (fold.index[fold == "0"][0], fold.index[fold == "1"][0])
    files.write_csv(tmp_path / "summary.csv", hashes(table(30)))
    files.write_csv(tmp_path / "lookalikes.csv", lookalikes(pair))
    decisions = {"group": None, "same": [], "unrelated": []}
    words = ["split", "--audit", "--passed", str(passed), "--output", str(out)]
    for name in ("summary", "lookalikes"):
        words += [f"--{name}", str(tmp_path / f"{name}.csv")]
    words += ["--splits", str(out / "splits.csv"), "--settings"]
    assert main([*words, json.dumps(decisions)]) == 2
    assert not (out / "audit.json").exists()
    *_, line = capsys.readouterr().err.splitlines()
    assert f"put `- {{subjects: [{', '.join(pair)}], reason: …}}` into split.same" in line
    decisions["unrelated"] = [{"subjects": list(pair), "reason": "two people"}]
    assert main([*words, json.dumps(decisions)]) == 0
    report = json.loads((out / "audit.json").read_text())
    assert (report["test"], report["scans"], report["leaks"]) == (6, 36, [])


def test_imports_stay_light() -> None:
    code = "import sys, headstart.stages.split; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "sklearn", "matplotlib", "scipy"} & set(done.stdout.split())
