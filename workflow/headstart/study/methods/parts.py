"""Who is in each part of the cohort: the demographics that reviewers ask for (CLAIM 2024)."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.cohort.splits import SplitRow
from headstart.cohort.splits import read_splits
from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.data.label_table import LabelRow
from headstart.data.label_table import first_scans
from headstart.study.methods.chapters import TextTable
from headstart.study.methods.data import labels_told
from headstart.study.methods.data import of_label
from headstart.study.methods.study_files import StudyFiles


def part_table(study: StudyFiles) -> TextTable:
    """Describe the subjects of each part; each fold is held out from the training on the others."""
    passed = read_rows(study.path(study_paths.PASSED), LabelRow)
    splits = read_splits(study.path(study_paths.SPLITS))
    people = {row.subject: row for row in first_scans(passed)}
    labels = labels_told(study.config, list(people.values()))
    rows = []
    for part, members in _parts(splits).items():
        those = [people[row.subject] for row in members if row.subject in people]
        scans = sum(row.subject in {one.subject for one in those} for row in passed)
        told = [of_label(study.config, label, those) for label in labels]
        rows.append([part, str(len(those)), str(scans), *told])
    head = ["part", "subjects", "scans", *labels]
    of = ", in the first repeat" * (study.config.split.repeats > 1)
    return TextTable(f"Who is in each part{of}", head, rows, numbers=False)


def _parts(splits: Sequence[SplitRow]) -> dict[str, list[SplitRow]]:
    """Return the members of each part that has any."""
    folds = sorted({row.fold for row in splits if row.fold is not None})
    without = ", without those for validation" * any(row.validation for row in splits)
    parts = {
        f"fold {fold}{without}": [row for row in splits if row.fold == fold and not row.validation]
        for fold in folds
    }
    parts["validation, of all folds"] = [row for row in splits if row.validation]
    parts["test"] = [row for row in splits if row.test]
    return {part: members for part, members in parts.items() if members}
