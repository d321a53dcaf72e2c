"""What is said of two experiments claims no more than their interval, seeds and p value do."""

from __future__ import annotations

from dataclasses import replace

from compared_rows import APART

from headstart.evaluation.experiment_words import explanation
from headstart.evaluation.experiment_words import p_words
from headstart.evaluation.experiment_words import sentence

UNKNOWN = replace(APART, ci_low=None, ci_high=None, p=None, p_holm=None, better="")


def test_each_sentence_says_what_is_known() -> None:
    size = "2.00 years [1.00, 3.00], p < 0.001"
    assert sentence(APART) == f"one beats other by {size}."
    worse = replace(APART, difference=2.0, ci_low=1.0, ci_high=3.0, better="other")
    assert sentence(worse) == f"other beats one by {size}."
    seeds = replace(APART, seed_margin=2.5, better="")
    assert sentence(seeds) == f"one and other differ by {size}, but seeds alone explain up to 2.5."
    alike = replace(APART, ci_high=0.5, p_holm=0.2, better="")
    assert sentence(alike) == (
        "one and other can't be told apart: they differ by 2.00 years [\u22120.50, 3.00], p = 0.20."
    )
    assert "has no interval" in sentence(UNKNOWN)
    dice = replace(APART, metric="dice", unit="", better="other")
    assert "by 2.00 in Dice [" in sentence(dice)


def test_p_values_are_corrected_for_as_many_as_there_are() -> None:
    assert "corrected" not in explanation([APART])
    assert "corrected for 2 comparisons by Holm's method" in explanation([APART, APART, UNKNOWN])
    assert "corrected" not in explanation([APART, UNKNOWN])


def test_what_one_seed_does_not_tell_is_said() -> None:
    assert "what seeds alone explain in 95 of 100" in explanation([APART])
    assert "chance of the seed is not known" in explanation([replace(APART, seed_margin=None)])
    assert sentence(replace(APART, seed_margin=None)).endswith("p < 0.001 (one seed each).")


def test_p_values_have_digits_where_they_matter() -> None:
    assert [p_words(p) for p in (0.0009, 0.0123, 0.051, 0.2, 1.0)] == [
        *("p < 0.001", "p = 0.012", "p = 0.051", "p = 0.20", "p = 1.00")
    ]


def test_a_metric_that_misleads_alone_is_told_so() -> None:
    assert "leaves scans as they are" in explanation([replace(APART, metric="spots", unit="")])
    assert "leaves scans as they are" not in explanation([APART])
