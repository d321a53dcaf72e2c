"""Words that several sections are made of."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from headstart.data.label_table import IMAGES
from headstart.data.label_table import MASK
from headstart.study.experiment import Experiment


def one_line(*texts: str) -> str:
    """Fold texts to one line: no cell of a table may begin a paragraph of its own."""
    return " ".join(" ".join(texts).split())


def counts_text(reasons: Mapping[str, int]) -> str:
    """Write how many there are of each: 2 crc, 1 missing."""
    return ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))


def and_joined(words: Iterable[str]) -> str:
    """Join words: a, b and c."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def asked_for(experiment: Experiment, classes: Iterable[str]) -> str:
    """Name what an experiment predicts: a label, the classes of masks, or images.

    Args:
        experiment: The experiment.
        classes: The classes of the study's masks.
    """
    if experiment.target == MASK:
        return and_joined(classes)
    return f"{experiment.target}s" if experiment.target in IMAGES else experiment.target


def question(experiment: Experiment, classes: Iterable[str]) -> str:
    """Say what an experiment does: regression of age, segmentation of rim and core."""
    return f"{experiment.task} of {asked_for(experiment, classes)}"


def scans_text(number: str) -> str:
    """Write how many scans: 1 scan, 2 to 3 scans."""
    return f"{number} scan{'s' * (number != '1')}"


def span(numbers: Sequence[int]) -> str:
    """Write the least and the most, or the one number that all are."""
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def times(lengths: Iterable[float]) -> str:
    """Write lengths: 2 x 2 x 2."""
    return " x ".join(f"{length:g}" for length in lengths)
