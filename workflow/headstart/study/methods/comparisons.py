"""Experiments against each other, and how often the test subjects were looked at."""

from __future__ import annotations

from collections.abc import Iterator

from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.common.text import capital
from headstart.common.text import counted
from headstart.evaluation.experiment_words import explanation
from headstart.evaluation.experiment_words import names_of
from headstart.evaluation.experiment_words import primary_families
from headstart.evaluation.experiment_words import sentence
from headstart.evaluation.experiment_words import title
from headstart.evaluation.openings import OpeningRow
from headstart.evaluation.openings import read_openings
from headstart.evaluation.results import ExperimentRow
from headstart.study.comparable import other_volumes
from headstart.study.methods.phrases import and_joined
from headstart.study.methods.study_files import StudyFiles


def compared(study: StudyFiles) -> list[list[ExperimentRow]]:
    """Read how experiments compare in their primary metric, by question; [] if none were."""
    return primary_families(comparisons(study))


def comparisons(study: StudyFiles) -> list[ExperimentRow]:
    """Read how the experiments compare that are complete.

    Of one that is trained again the table still holds what it was before.
    """
    path = study.folder / study_paths.EXPERIMENTS
    if not (study.config.comparisons and path.is_file()):
        return []
    rows = read_rows(path, ExperimentRow)
    return [row for row in rows if study.complete(row.experiment) and study.complete(row.other)]


def tell_comparisons(study: StudyFiles) -> Iterator[str]:
    """Yield a paragraph for each question that several experiments ask."""
    for family in compared(study):
        said = " ".join(map(sentence, family))
        other = other_volumes(study.config, names_of(family))
        how = " ".join(filter(None, (explanation(family), other)))
        yield f"{capital(title(family[0]))}: {how} {said}"


def tell_openings(study: StudyFiles) -> Iterator[str]:
    """Yield how often the test subjects were looked at, if they were."""
    rows = read_openings(study.folder / study_paths.OPENINGS)
    if rows:
        yield f"{openings_words(rows)} Each time is in {study_paths.OPENINGS}."


def openings_words(rows: list[OpeningRow]) -> str:
    """Say how often the test subjects were looked at, and with what."""
    names = list(dict.fromkeys(row.experiment for row in rows))
    looks = {name: sum(row.experiment == name for row in rows) for name in names}
    if len(rows) == 1:
        return f"The test set was opened once, by {rows[0].experiment} on {rows[0].opened} UTC."
    if len(names) == len(rows):
        how = f"once each by {and_joined(names)}"
    else:
        each = and_joined(f"{name} ({looks[name]})" for name in names)
        settings = counted(len({row.settings for row in rows}), "setting")
        how = f"with other predictions each time: {each}, of {settings}"
    return (
        f"The test set was opened {len(rows)} times, {how}, between {rows[0].opened} and "
        f"{rows[-1].opened} UTC."
    )
