"""Which scans there are, which were rejected and why, and what their labels say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

from headstart.cohort.covariates import is_of_numbers
from headstart.cohort.mask_report import MaskRow
from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.common.text import counted
from headstart.common.text import is_finite_number
from headstart.data.found_scans import RejectedRow
from headstart.data.label_table import IMAGES
from headstart.data.label_table import MASK
from headstart.data.label_table import LabelRow
from headstart.data.label_table import first_scans
from headstart.data.label_table import lacking
from headstart.data.label_table import lacking_text
from headstart.data.rejection_words import in_words
from headstart.study.config import Config
from headstart.study.methods.phrases import and_joined
from headstart.study.methods.phrases import counts_text
from headstart.study.methods.study_files import StudyFiles


def tell_data(study: StudyFiles) -> Iterator[str]:
    """Tell which scans were collected, rejected and used."""
    config = study.config
    labels = read_rows(study.path(study_paths.LABELS), LabelRow)
    passed = read_rows(study.path(study_paths.PASSED), LabelRow)
    if study.synthetic:
        yield (
            "SYNTHETIC: the scans were made by the demo from one template of the average "
            "brain; nothing here is a finding about people."
        )
    sites = len({row.site for row in labels} - {""})
    found = counted(len({row.subject for row in labels}), "subject")
    yield (
        f"{counted(len(labels), 'scan')} of {found} "
        f"{'was' if len(labels) == 1 else 'were'} collected from "
        f"{_sources([row.source for row in labels])}"
        + (f", from {sites} sites" if sites > 1 else "")
        + f"; of each, {used(config)}."
    )
    unusable, bad = (
        [row.reason for row in read_rows(study.path(f"{stage}/rejected.csv"), RejectedRow)]
        for stage in ("label", "check")
    )
    if unusable:
        yield f"In collecting them, {_rejected(unusable)}."
    yield f"Every file was read in full; {_rejected(bad)}."
    if config.check.accept:
        by_hand = counted(len(config.check.accept), "decision")
        yield f"{by_hand} by hand kept scans that a check rejected."
    people = first_scans(passed)
    yield (
        f"{counted(len(passed), 'scan')} of {counted(len(people), 'subject')} "
        f"{'was' if len(passed) == 1 else 'were'} used."
    )
    for name, count in lacking(passed).items():
        yield f"{lacking_text(name, count, len(passed))}, which is optional."
    masks = study.folder / study_paths.MASKS
    if masks.is_file() and any(one.target == MASK for one in config.experiments.values()):
        yield of_masks(read_rows(masks, MaskRow))
    for label in labels_told(config, people):
        yield f"{label}: {of_label(config, label, people)}."


def of_masks(rows: Sequence[MaskRow]) -> str:
    """Say in how many masks each class is: of many a lesion is in none."""
    masks = len({row.key for row in rows})
    has = Counter(row.mask_class for row in rows if row.scan_ml > 0)
    names = dict.fromkeys(row.mask_class for row in rows)
    return f"Of {counted(masks, 'mask')}, " + and_joined(f"{has[n]} hold {n}" for n in names) + "."


def used(config: Config) -> str:
    """Tell which channels of each scan were used, and which of those that have them."""
    always = [name for name in config.channels if name not in config.optional]
    told = f"{and_joined(always)} {'was' if len(always) == 1 else 'were'} used"
    return told + (
        f", and {and_joined(config.optional)} where it has it" if config.optional else ""
    )


def labels_told(config: Config, people: Sequence[LabelRow]) -> list[str]:
    """Return the labels by which a cohort is described: targets, covariates, what is stratified.

    Age and sex are told wherever the table of labels has them.
    """
    experiments = config.experiments.values()
    asked = {one.target for one in experiments if one.target not in IMAGES}
    beside = {name for one in experiments for name in one.covariates}
    named = people[0].values if people else {}
    return sorted({*asked, *beside, *config.split.stratify, "age", "sex"} & set(named))


def of_label(config: Config, label: str, people: Sequence[LabelRow]) -> str:
    """Describe a label of some people: mean, standard deviation and range, or counts."""
    experiments = config.experiments.values()
    units = {one.target: one.unit for one in experiments}
    numeric = {one.target for one in experiments if one.kind.target_kind == "number"}
    known = [row.values[label] for row in people if row.values[label]]
    is_class = label in units and label not in numeric
    if known and not is_class and (label in numeric or is_of_numbers(label, known)):
        told = _numbers(known, units.get(label, ""))
    else:
        told = counts_text(Counter(known)) or "unknown"
    missing = len(people) - len(known)
    return f"{told}{f'; unknown for {missing}' if known and missing else ''}"


def _sources(sources: Sequence[str]) -> str:
    counts = Counter(sources)
    if len(counts) == 1:
        return f"the source '{sources[0]}'"
    return "the sources " + and_joined(
        f"'{name}' ({counted(n, 'scan')})" for name, n in counts.items()
    )


def _rejected(reasons: Sequence[str]) -> str:
    if not reasons:
        return "none was rejected"
    verb = "was" if len(reasons) == 1 else "were"
    counts = Counter(map(in_words, reasons)).most_common()
    told = "; ".join(f"{reason}: {n}" for reason, n in counts)
    return f"{len(reasons)} {verb} rejected ({told})"


def _numbers(values: Sequence[str], unit: str) -> str:
    numbers = np.array([value for value in values if is_finite_number(value)], float)
    of_unit = f" {unit}" if unit else ""
    if len(numbers) == 1:
        return f"{numbers[0]:g}{of_unit}"
    return (
        f"mean {numbers.mean():.1f}, standard deviation {numbers.std(ddof=1):.1f}, "
        f"{numbers.min():g} to {numbers.max():g}{of_unit}"
    )
