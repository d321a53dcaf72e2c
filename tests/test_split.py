"""Splits: no leak, no subject lost, balanced, and the same from any order of rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from headstart.cli import main
from headstart.parts.config import Split
from headstart.parts.errors import UserError
from headstart.stages.split import audit
from headstart.stages.split import balance
from headstart.stages.split import split


def table(subjects: int, *, second: int = 5) -> pd.DataFrame:
    rows = []
    for number in range(subjects):
        sessions = ("1", "2") if number % second == 0 else ("1",)
        for session in sessions:
            sex = "female" if number % 3 else "male"
            site = ("Guys", "HH", "IOP")[(number // 2) % 3]
            rows.append((f"Sub_{number + 1}", session, site, sex, str(20 + number * 7 % 61 + 0.5)))
    return pd.DataFrame(rows, columns=["subject", "session", "site", "sex", "age"])


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
def test_every_subject_once_balanced_and_stable(cohort, random) -> None:
    passed, chosen = cohort
    splits = split(passed=passed, settings=chosen)
    assert sorted(splits["subject"]) == sorted(passed["subject"].unique())
    assert audit(splits=splits, passed=passed)["leaks"] == []

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


def test_every_label_is_shared_out_in_proportion() -> None:
    passed = table(240)
    chosen = Split(test=0.25, folds=5, stratify=("sex", "site", "age"))
    splits = split(passed=passed, settings=chosen)
    counts = balance(splits=splits, passed=passed, stratify=chosen.stratify)
    for (label, level), group in counts.groupby(["label", "level"]):
        folds = group["n"][group["part"] != "test"]
        assert folds.max() - folds.min() <= (10 if label == "scans" else 2), (label, level)
        if label == "scans":
            continue
        share = group["n"][group["part"] == "test"].iloc[0] / group["n"].sum()
        assert share == pytest.approx(0.25, abs=0.06), (label, level)


def test_known_answer() -> None:
    """Pins the split itself: other folds on another machine or release would be a new study."""
    splits = split(passed=table(12), settings=Split(test=0.25, folds=3, stratify=("sex",)))
    assert "".join(splits["test"]) == "000101001000"
    assert ",".join(splits["fold"]) == "2,0,1,,2,,0,2,,1,1,0"


def test_a_seed_makes_another_split() -> None:
    passed = table(60)
    one, two = (split(passed=passed, settings=Split(seed=seed)) for seed in (1, 2))
    assert not one.equals(two)


def test_first_session_gives_the_labels() -> None:
    passed = pd.DataFrame(
        {
            "subject": ["s10", "s10", "s9"] + [f"t{i}" for i in range(9)],
            "session": ["10", "9", "1"] + ["1"] * 9,
            "sex": ["late", "early", "early"] + ["early"] * 9,
        }
    )
    chosen = Split(test=0.0, folds=2, stratify=("sex",))
    counts = balance(
        splits=split(passed=passed, settings=chosen), passed=passed, stratify=chosen.stratify
    )
    assert "late" not in set(counts["level"])


def test_too_few_subjects() -> None:
    with pytest.raises(UserError, match="4 subjects, 1 of them held out, are too few for 5 folds"):
        split(passed=table(4), settings=Split())
    with pytest.raises(UserError, match="without training or inner subjects"):
        split(passed=table(3), settings=Split(folds=2, test=0.3))


def test_unknown_label_names_the_allowed_ones() -> None:
    with pytest.raises(UserError, match=r"'height' is not a column .* site, sex, age"):
        split(passed=table(20), settings=Split(stratify=("height",)))


def test_one_scan_under_two_names_is_a_leak() -> None:
    passed = table(20)
    splits = split(passed=passed, settings=Split())
    part = splits.set_index("subject")["fold"]
    a, b = part.index[part == "0"][0], part.index[part == "1"][0]
    summary = passed[["subject", "session"]].assign(hash=[f"h{i}" for i in range(len(passed))])
    assert audit(splits=splits, passed=passed, summary=summary)["hashes_compared"] == len(passed)
    summary.loc[summary["subject"].isin([a, b]), "hash"] = "same"
    with pytest.raises(UserError, match="have the same voxels but are in"):
        audit(splits=splits, passed=passed, summary=summary)


def test_command_writes_three_files(tmp_path: Path) -> None:
    passed = tmp_path / "passed.csv"
    table(30).to_csv(passed, index=False)
    slice_ = json.dumps({"split": {"stratify": ["sex"], "seed": 3}})
    command = ["split", "--settings", slice_, "--passed", str(passed), "--output"]
    assert main([*command, str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out/audit.json").read_text())["test"] == 6
    rows = (tmp_path / "out/splits.csv").read_text().splitlines()
    assert rows[0] == "subject,test,fold,inner"
    assert len(rows) == 31


def test_imports_stay_light() -> None:
    code = "import sys, headstart.stages.split; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "sklearn", "matplotlib", "scipy"} & set(done.stdout.split())
