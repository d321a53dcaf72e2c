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
    held = f"{test} {were} held out for the test, the other " if test else ""
    folds = len({row.fold for row in splits if not row.test})
    validation = sum(row.validation for row in splits)
    settings = study.config.split
    into = counted(folds, "fold") + (
        f", one per site ({and_joined(settings.sites)})" if settings.sites else ""
    )
    yield (
        f"Subjects, with all their sessions, were divided ({_how(settings)}): "
        f"{held}{len(splits) - test} were dealt into {into}{_again(settings)}."
    )
    if settings.group:
        yield f"Subjects of one {settings.group} stayed together."
    if validation:
        yield (
            f"{validation} of these {'is' if validation == 1 else 'are'} for validation wherever "
            f"their fold is trained on: no network learns from them{_choosers(study.config)}."
        )
    leaks = len(audit.leaks)
    doubtful = describe_pairs([tie.subjects for tie in audit.doubtful])
    yield (
        "The audit looked for subjects, families, identical voxels and near-duplicate scans that "
        f"are in two parts at once, and found {leaks or 'none'}"
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
        "Near-duplicates are scans so alike that they may be of one person, under whatever name: "
        "all pairs of scans were aligned and compared."
    )
    if rates.search.simulated.scans:
        yield tell_simulated(rates.search.simulated)
    if rates.unknown:
        yield f"But {rates.unknown}."


def _how(settings: Split) -> str:
    if settings.file:
        return f"as the file {settings.file} says"
    if settings.stable:
        return f"seed {settings.seed}, by a hash of each name, so that new ones move nobody"
    stratify = f", in equal shares of {and_joined(settings.stratify)}" if settings.stratify else ""
    return f"seed {settings.seed}{stratify}"


def _again(settings: Split) -> str:
    if settings.repeats == 1:
        return ""
    first = "; the table of parts is that of the first time"
    return f", {settings.repeats} times, each time otherwise{first}"


def _choosers(config: Config) -> str:
    """Say what the validation subjects decide."""
    every = {name: one for name, one in config.experiments.items() if not one.control_of}
    choosing = [name for name, one in every.items() if one.train.keep == "best"]
    if not choosing:
        return "; they show how the training went, and decide nothing"
    of = "" if len(choosing) == len(every) else f" of {and_joined(choosing)}"
    return f", and they choose the epoch{of} whose weights are kept"
