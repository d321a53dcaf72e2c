"""One head under two names is found however it was scanned again; two people are not."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from heads import head
from heads import scanned_again
from prepared_shards import write_small
from rows import frame_of

from headstart.cli import main
from headstart.cohort.near_duplicates import Strangers
from headstart.cohort.near_duplicates import compare
from headstart.cohort.near_duplicates import describe
from headstart.cohort.outliers import SimilarityRow
from headstart.cohort.pairs import PairRow
from headstart.cohort.rates import OwnSessions
from headstart.cohort.rates import Rates
from headstart.common.records import read_rows

# one group: what they share is made once, not once per process
pytestmark = pytest.mark.xdist_group("near-duplicates")

AGAIN = {
    "turned": {"turn": 8, "shift": 2},
    "mirrored": {"turn": 3, "mirror": True},
    "shaded": {"bias": 0.3, "noise": 0.05},
    "cut": {"cut": 5, "turn": 2},
}
PEOPLE = 20


def compared(
    folder: Path, scans: dict[tuple[str, str], np.ndarray], shards: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame, Rates]:
    """Run the command; return pairs.csv, similarity.csv and rates.json."""
    cards = []
    for number in range(shards):
        keys = list(scans)[number::shards]
        card = folder / f"shard-{number}.json"
        shape = next(iter(scans.values())).shape if scans else (4, 4, 4)
        small = np.array([scans[key] for key in keys], np.float16).reshape(-1, *shape)
        write_small(card, keys, small)
        cards.append(str(card))
    assert main(["near-duplicates", "--prepared", *cards, "--output", str(folder)]) == 0
    rates = Rates.read(folder / "rates.json")
    pairs = frame_of(read_rows(folder / "pairs.csv", PairRow), PairRow)
    similarity = frame_of(read_rows(folder / "similarity.csv", SimilarityRow), SimilarityRow)
    return pairs, similarity, rates


@cache
def cohort(people: int = PEOPLE) -> dict[tuple[str, str], np.ndarray]:
    return {(f"s{n:02d}", "1"): scanned_again(head(n), n) for n in range(people)}


def planted() -> dict[tuple[str, str], np.ndarray]:
    """Return a cohort in which five people come again under other names."""
    again = {
        (f"x{name}", "1"): scanned_again(head(number), 100 + number, **how)
        for number, (name, how) in enumerate(AGAIN.items())
    }
    return cohort() | again


def names(pairs: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(pairs["subject"], pairs["other_subject"], strict=True))


PLANTED = {(f"s{number:02d}", f"x{name}") for number, name in enumerate(AGAIN)}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory):
    return compared(tmp_path_factory.mktemp("planted"), planted())


def test_the_same_head_is_found_beyond_doubt(found) -> None:
    pairs, _, _ = found
    assert names(pairs[pairs["certain"]]) == PLANTED
    assert (pairs["kind"] == "near-duplicate").all()
    mirrored = pairs.set_index("other_subject")["mirrored"]
    assert mirrored[mirrored].index.tolist() == ["xmirrored"]
    assert (pairs["expected"][pairs["certain"]] < 0.001).all()


def test_strangers_are_not_found(tmp_path: Path) -> None:
    pairs, _, rates = compared(tmp_path, cohort())
    assert not pairs["certain"].any()
    assert len(pairs) <= 1
    assert rates.search.pairs == PEOPLE * (PEOPLE - 1) // 2
    assert rates.search.simulated.scans >= PEOPLE - 1
    assert rates.search.simulated.listed > 0.6 * rates.search.simulated.scans
    assert rates.unknown == ""


def test_the_order_of_the_shards_and_the_scale_of_intensity_do_not_matter(
    found, tmp_path: Path
) -> None:
    turned_round = dict(reversed(planted().items()))
    again = compared(tmp_path, {key: 2 * scan for key, scan in turned_round.items()}, shards=3)
    pairs, _, _ = found
    assert names(again[0][again[0]["certain"]]) == PLANTED
    was, now = (t["similarity"].sort_values() for t in (pairs, again[0]))
    np.testing.assert_allclose(was, now, atol=0.02)


def test_the_same_bytes_twice(found, tmp_path: Path) -> None:
    again = compared(tmp_path, planted())
    for before, after in zip(found[:2], again[:2], strict=True):
        pd.testing.assert_frame_equal(before, after)


def test_both_scans_of_a_pair_are_shown_in_one_position(tmp_path: Path) -> None:
    pairs, _, _ = compared(tmp_path, planted())
    pictures = np.load(tmp_path / "pictures.npy").astype(float)
    assert pictures.shape == (len(pairs), 2, *head(0).shape)
    number = pairs.index[pairs["other_subject"] == "xmirrored"][0]
    one, other = pictures[number]
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.95
    assert np.corrcoef(one.ravel(), other[::-1].ravel())[0, 1] < 0.95


def test_the_log_counts_what_the_tables_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, similarity, rates = compared(tmp_path, planted())
    said = capsys.readouterr().err
    certain, simulated = pairs["certain"].sum(), rates.search.simulated
    assert f"{len(similarity)} scans of {PEOPLE + len(AGAIN)} subjects compared" in said
    assert f"beyond doubt: {certain}; doubtful: {len(pairs) - certain}" in said
    assert f"outliers: {similarity['outlier'].sum()};" in said
    assert simulated.certain <= simulated.listed
    found = f"{simulated.listed} would be found, {simulated.certain} of them beyond doubt"
    assert f"of {simulated.scans} second scans simulated" in said
    assert found in said


def test_three_scans_of_one_head_are_three_pairs(tmp_path: Path) -> None:
    more = {(f"x{n}", "1"): scanned_again(head(3), 200 + n, turn=4 * n) for n in range(2)}
    pairs, _, _ = compared(tmp_path, cohort() | more)
    expected = {("s03", "x0"), ("s03", "x1"), ("x0", "x1")}
    assert names(pairs[pairs["certain"]]) == expected


def test_where_everybody_comes_twice_everybody_is_found(tmp_path: Path) -> None:
    twice = {(f"x{n:02d}", "1"): scanned_again(head(n), 300 + n, turn=4) for n in range(PEOPLE)}
    pairs, _, _ = compared(tmp_path, cohort() | twice)
    certain = names(pairs[pairs["certain"]])
    assert certain <= {(f"s{n:02d}", f"x{n:02d}") for n in range(PEOPLE)}
    assert len(certain) >= 0.9 * PEOPLE


def test_own_sessions_are_no_pair_unless_they_differ_as_two_people_do(tmp_path: Path) -> None:
    own = {(f"s{n:02d}", "2"): scanned_again(head(n), 400 + n, turn=4) for n in range(8)}
    pairs, _, rates = compared(tmp_path, cohort() | own)
    assert not pairs["certain"].any()
    assert "sessions-differ" not in set(pairs["kind"])
    assert rates.search.own_sessions == OwnSessions(pairs=8, listed=8)

    swapped = own | {("s05", "2"): scanned_again(head(77), 477)}
    pairs, _, _ = compared(tmp_path, cohort() | swapped)
    differ = pairs[pairs["kind"] == "sessions-differ"]
    assert differ[["subject", "session", "other_session", "certain"]].values.tolist() == [
        ["s05", "1", "2", False]
    ]


def test_few_subjects_leave_doubt_and_it_is_said(tmp_path: Path) -> None:
    few = cohort(7) | {("x", "1"): scanned_again(head(0), 500, turn=5)}
    pairs, similarity, rates = compared(tmp_path, few)
    assert ("s00", "x") in names(pairs)
    assert not pairs["certain"].any()
    assert "from 8 subjects, fewer than 12" in rates.unknown
    assert rates.search.expected_false_alarms.certain == 0
    assert not similarity["outlier"].any()


@pytest.mark.parametrize("number", [0, 1])
def test_nothing_to_compare(number: int, tmp_path: Path) -> None:
    pairs, similarity, rates = compared(tmp_path, cohort(number))
    assert pairs.empty
    assert len(similarity) == number
    assert "nothing to compare" in rates.unknown


@pytest.mark.parametrize("number", [2, 3])
def test_constant_scans_do_no_harm(number: int, tmp_path: Path) -> None:
    flat = {(str(n), "1"): np.zeros((6, 7, 6), np.float32) for n in range(number)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pairs, _, _ = compared(tmp_path, flat)
    assert not pairs["certain"].any()


def test_spoilt_scans_rank_first_and_are_marked(tmp_path: Path) -> None:
    """Half empty, noise, inverted, bright below: each once, worse than anybody else."""
    rng = np.random.default_rng(0)
    half, inverted, skull = head(50).copy(), 1.2 - head(51), head(52).copy()
    half[:, :14] = 0
    skull[:, :, :8] += 2.0
    noise = rng.random(half.shape).astype(np.float32)
    spoilt = {"half": half, "inverted": inverted, "skull": skull, "noise": noise}
    scans = cohort(30) | {(f"bad-{name}", "1"): volume for name, volume in spoilt.items()}
    pairs, similarity, _ = compared(tmp_path, scans)
    ranked = similarity.sort_values("distance", ascending=False, kind="stable")
    assert {name[:4] for name in ranked["subject"].head(4)} == {"bad-"}
    marked = set(similarity["subject"][similarity["outlier"]])
    assert {f"bad-{name}" for name in spoilt} <= marked
    assert len(marked) <= 6
    assert not pairs["certain"].any()


def test_numbers_in_twos_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two scans of one person need not be alike enough to be found one by one."""
    scans = {}
    for number in range(24):
        mixed = head(number // 2) + 0.8 * head(1000 + number)
        scans[f"case_{number + 1:02d}", "1"] = mixed.astype(np.float32)
    pairs, _, _ = compared(tmp_path, scans)
    partners = {(f"case_{n:02d}", f"case_{n + 1:02d}") for n in range(1, 24, 2)}
    found = names(pairs[pairs["certain"]])
    assert len(found & partners) >= 10
    if (pairs["kind"] == "numbering").any():
        assert "are two scans of one person numbered" in capsys.readouterr().err


def test_noise_has_no_near_duplicate_but_its_copy(tmp_path: Path) -> None:
    """Re-scans of noise can't be aligned, so that little is known; its copies are found."""
    scans = {
        (f"s{n:02d}", "1"): np.random.default_rng(101 + n).normal(size=(12, 12, 12))
        for n in range(12)
    }
    noise = np.random.default_rng(1).normal(0, 0.02, (12, 12, 12))
    pairs, _, _ = compared(tmp_path, scans | {("x", "1"): scans["s00", "1"] + noise})
    assert names(pairs[pairs["certain"]]) == {("s00", "x")}


def test_the_tail_holds_for_strangers() -> None:
    """Few pairs of strangers reach what is expected once by chance."""
    volumes = [scanned_again(head(n), n) for n in range(600, 640)]
    correlation = compare(describe(volumes)).correlation
    others = ~np.eye(len(volumes), dtype=bool)
    expected = Strangers.fit(correlation, others).expected(correlation)[np.triu(others)]
    assert (expected < 1).sum() <= 4
    assert (expected < 0.001).sum() == 0
