"""Who trains and who is held out, and what the audit found."""

from __future__ import annotations

from collections.abc import Iterator

from headstart.cohort.audit import Audit
from headstart.cohort.config import Split
from headstart.cohort.rates import Rates
from headstart.cohort.splits import read_splits
from headstart.common import study_paths
from headstart.common.text import counted
from headstart.figures.near_duplicates import tell_simulated
from headstart.study.config import Config
from headstart.study.methods.phrases import and_joined
from headstart.study.methods.study_files import StudyFiles
from headstart.study.pairs_to_judge import describe_pairs


def tell_split(study: StudyFiles) -> Iterator[str]:
    """Tell how subjects were divided, and what the audit found."""
    splits = read_splits(study.path(study_paths.SPLITS))
    audit = Audit.read(study.path(study_paths.AUDIT))
    test = sum(row.test for row in splits)
    were = "was" if test == 1 else "were"
    held = f"{test} {were} held out as the test set, and the other " if test else ""
    folds = len({row.fold for row in splits if not row.test})
    validation = sum(row.validation for row in splits)
    settings = study.config.split
    into = counted(folds, "fold") + (
        f", one per site ({and_joined(settings.sites)})" if settings.sites else ""
    )
    yield (
        f"Subjects were assigned with all their sessions ({_how(settings)}): "
        f"{held}{len(splits) - test} were divided into {into}{_again(settings)}."
    )
    if settings.group:
        yield f"Subjects of one {settings.group} stayed together."
    if validation:
        subjects = "subject" if validation == 1 else "subjects"
        yield (
            f"{validation} of these served as validation {subjects} wherever their fold was not "
            f"held out: no network was trained on them{_choosers(study.config)}."
        )
    leaks = len(audit.leaks)
    doubtful = describe_pairs([tie.subjects for tie in audit.doubtful])
    yield (
        "An audit searched for subjects, families, scans with identical voxels and near-duplicate "
        f"scans in more than one part, and found {leaks or 'none'}"
        f"{doubtful and f'; left to be judged by eye: {doubtful}'}."
    )
    yield from _near_duplicates(audit.rates)
    if audit.unrelated:
        decisions = counted(len(audit.unrelated), "decision")
        yield f"{decisions} by hand found near-duplicates to be unrelated."


def _near_duplicates(rates: Rates) -> Iterator[str]:
    """Tell what the search for near-duplicates could find."""
    if rates.search is None:
        yield f"Near-duplicates were not looked for: {rates.unknown}."
        return
    yield (
        "Near-duplicates, scans so alike that they may be of one person under two names, were "
        "sought by aligning and comparing all pairs of scans."
    )
    if rates.search.simulated.scans:
        yield tell_simulated(rates.search.simulated)
    if rates.unknown:
        yield f"But {rates.unknown}."


def _how(settings: Split) -> str:
    if settings.file:
        return f"as the file {settings.file} says"
    if settings.stable:
        return f"by a hash of each name, seed {settings.seed}, so that new ones move nobody"
    strata = f", stratified by {and_joined(settings.stratify)}" if settings.stratify else ""
    return f"at random, seed {settings.seed}{strata}"


def _again(settings: Split) -> str:
    if settings.repeats == 1:
        return ""
    first = "; the table of parts is that of the first time"
    return f", {settings.repeats} times, each time differently{first}"


def _choosers(config: Config) -> str:
    """Say what the validation subjects decide."""
    every = {name: one for name, one in config.experiments.items() if not one.control_of}
    choosing = [name for name, one in every.items() if one.train.keep == "best"]
    if not choosing:
        return "; they show how the training went, and decided nothing"
    of = "" if len(choosing) == len(every) else f" of {and_joined(choosing)}"
    return f", and the epoch{of} whose weights are kept was chosen on them"
