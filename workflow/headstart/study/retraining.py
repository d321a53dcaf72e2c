"""What a run will train again although it is finished: why, and how to keep what there is.

Snakemake gives its reasons job by job. This says it in the words of the config, before the first
job starts, in a dry run too.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from functools import cached_property
from pathlib import Path
from typing import Any

from headstart.common import study_paths
from headstart.common.errors import UserError
from headstart.common.run_id import CARD
from headstart.common.run_id import RunId
from headstart.common.schema import settings_text
from headstart.study import provenance
from headstart.study.named import study_files
from headstart.study.settings import Settings
from headstart.study.stages import STAGES
from headstart.training import own_network
from headstart.training import run_store
from headstart.training.card import ModelCard
from headstart.training.settings import Run

# The config's sections that the cohort is made with.
SECTIONS = ("data", "classes", "check", "split", "prepare")
LONGEST = 40  # characters of a value that is shown

Changes = dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class _Published:
    """A finished training in its place, beside the settings of now."""

    settings: Settings
    run: RunId
    card: ModelCard

    @cached_property
    def own(self) -> Changes:
        """Changes of the experiment's own keys."""
        names = {"task", "target", "covariates", "train"}
        before, now = (
            run.model_dump(mode="json", include=names) for run in (self.card.run, self._now)
        )
        return changes(before, now)

    @cached_property
    def code(self) -> bool:
        """Whether the code of training gives other results, or was edited."""
        return self.card.code != self.settings.code("train")

    @cached_property
    def edited(self) -> list[str]:
        """The user's own network and loss, if one of their files was edited."""
        train = self.card.run.train
        trained = {
            train.network: self.card.network_digest,
            train.loss or "": self.card.loss_digest,
        }
        now = self.settings.networks
        return [name for name in trained if name in now and now[name] != trained[name]]

    @cached_property
    def parent(self) -> _Published | None:
        """The finished training of the study's own that it starts from."""
        name = self.settings.config.parent(self.run.experiment)
        above = None if name is None else self.run._replace(experiment=name)
        return None if above is None else _finished(self.settings, above)

    @cached_property
    def start(self) -> list[str]:
        """What became another one of what it starts from, in words."""
        if self.parent is not None:
            name = self.parent.run.experiment
            return [f"{name}, which it starts from, is another one"] if self.parent.why else []
        start, before = self._now.train.start, self.card.start
        now = self.settings.weights.get(start.origin) if start else None
        if before is None or now in (None, before.weights_sha256):
            return []
        return [f"{before.name} is another file"]

    @cached_property
    def upstream(self) -> tuple[str, ...]:
        """Changes of what the cohort is made with, in words."""
        snapshot = self.settings.snapshot.parent / (self.card.snapshot or "")
        old = _read(snapshot)
        if old is None:
            return ()
        before, after = (
            config.model_dump(mode="json", include={*SECTIONS})
            for config in (old.config, self.settings.config)
        )
        found = changes(before, after)
        found.pop("split.unrelated", None)  # for the audit, which changes nothing
        words = _words(found)
        if old.split_file != self.settings.split_file:
            words.append("the split file")
        below = STAGES["train"].rests_on
        stages = [s for s in below if old.codes[s] != self.settings.code(s)]
        words += [provenance.what_changed(s, old.codes[s], self.settings.code(s)) for s in stages]
        # once a run has begun with these scans, label has looked at them
        if old.listing != self.settings.listing and not self.settings.snapshot.exists():
            one = self.settings.changed_file
            words.append(f"files in the data folder{one and f', such as {one}'}")
        return tuple(words)

    @property
    def certain(self) -> bool:
        """Whether it is trained again even if its scans turn out to be the same."""
        other = settings_text(self.card.run) != settings_text(self._now)
        # a parent's scans may turn out to be the same, and then it does too
        start = bool(self.start) if self.parent is None else self.parent.certain
        return other or self.code or bool(self.edited) or start

    @property
    def stored(self) -> bool:
        """Whether the run store has a finished run of these settings, code and scans."""
        before, now = self.card.run, self._now
        same = (before.task, before.target, before.fold) == (now.task, now.target, now.fold)
        if self.upstream or not same:
            return False
        study = self.settings.results / self.settings.config.study
        return run_store.finished_attempt(study / study_paths.STORE / self.key) is not None

    @property
    def key(self) -> str:
        """Key in the run store of these settings and code, if the scans are the same."""
        now, above = self._now, self.parent.key if self.parent else ""
        start = now.train.start
        asked = {
            "run": now,
            "code": self.settings.code("train"),
            "network_digest": own_network.digest(now.train.network, self.settings.project),
            "loss_digest": own_network.digest(
                now.train.loss or "", self.settings.project, own_network.LOSS
            ),
            "parent": above or (self.settings.weights.get(start.origin, "") if start else ""),
        }
        return self.card.model_copy(update=asked).key

    @property
    def why(self) -> str:
        """All changes, in words."""
        code = self.settings.code("train")
        new = [provenance.what_changed("train", self.card.code, code)] if self.code else []
        for name in self.edited:
            new.append(f"{name.partition(':')[0]}, or a file that it imports, was edited")
        return "; ".join([*_words(self.own), *new, *self.start, *self.upstream])

    @property
    def minutes(self) -> float:
        """How long the training took."""
        return self.card.seconds / 60

    @cached_property
    def _now(self) -> Run:
        return self.settings.slices.train(*self.run)


@cache
def _read(snapshot: Path) -> Settings | None:
    """Read settings of an earlier run; None if they are not there, or can't be read any more."""
    try:
        return Settings.read(snapshot) if snapshot.is_file() else None
    except UserError:
        return None


def retraining(settings: Settings, file: Path) -> str:
    """Say which finished networks a run will train again, why, and how to keep them.

    Args:
        settings: The settings of now.
        file: The study's config file.

    Returns:
        A short paragraph; "" if nothing finished is trained again.
    """
    groups: dict[tuple[str, str], list[_Published]] = {}
    for one in _published(settings):
        if one.why and not one.stored:
            groups.setdefault((one.run.experiment, one.why), []).append(one)
    if not groups:
        return ""
    certain = [members[0].certain for members in groups.values()]
    will = "will" if all(certain) else "will or may" if any(certain) else "may"
    lines = [f"Finished networks that {will} be trained again, and what changed:"]
    for (experiment, why), members in groups.items():
        each = " each" if len(members) > 1 else ""
        only = "" if members[0].certain else ", and only if the scans they learn from change"
        minutes = sum(one.minutes for one in members) / len(members)
        took = f"took {minutes:.0f} min{each}" if minutes >= 1 else f"took under a minute{each}"
        lines.append(f"  {experiment} ({_which(members)}): {why}; {took}{only}")
    store = settings.results / settings.config.study / study_paths.STORE
    lines.append(
        f"To keep them in their place, stop here and undo the change{_hint(groups, file)}.\n"
        f"They stay in {store} in any case, and come back from there in seconds."
    )
    return "\n".join(lines)


def comes_back(settings: Settings, run: RunId) -> bool:
    """Whether a training is not done again: it was finished with these settings, code and scans.

    Args:
        settings: The settings of now.
        run: The training.
    """
    published = _finished(settings, run)
    return published is not None and published.stored


def changes(old: Any, new: Any, prefix: str = "") -> Changes:
    """Find the keys whose values differ between two nested dicts.

    Args:
        old: The one.
        new: The other.
        prefix: Key that both are the values of.

    Returns:
        Dotted key: (old value, new value); None where the key is missing.
    """
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return {} if old == new else {prefix: (old, new)}
    found: Changes = {}
    for key in dict.fromkeys((*old, *new)):
        dotted = f"{prefix}.{key}" if prefix else str(key)
        found |= changes(old.get(key), new.get(key), dotted)
    return found


def _published(settings: Settings) -> Iterator[_Published]:
    for experiment in settings.config.experiments:
        for run in settings.config.runs(experiment):
            found = _finished(settings, run)
            if found is not None:
                yield found


def _finished(settings: Settings, run: RunId) -> _Published | None:
    folder = settings.results / settings.config.study / run.trained
    there = (folder / CARD).is_file()
    return _Published(settings, run, ModelCard.read(folder)) if there else None


def _which(members: list[_Published]) -> str:
    if len(members) == 1:
        return f"fold {members[0].run.fold}, seed {members[0].run.seed}"
    return f"{len(members)} networks"


def _words(found: Changes) -> list[str]:
    return [
        f"{key} {_value(old)} -> {_value(new)}"
        if max(len(_value(old)), len(_value(new))) <= LONGEST
        else key
        for key, (old, new) in found.items()
    ]


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _hint(groups: Mapping[tuple[str, str], list[_Published]], file: Path) -> str:
    """Return the command that makes an experiment of the first change to an experiment's keys."""
    for (experiment, _), members in groups.items():
        if members[0].own:
            words = [
                f"--set {shlex.quote(f'{k}={_value(v)}')}" for k, (_, v) in members[0].own.items()
            ]
            study = _to_vary(members[0].settings, file)
            return f"; to have both: `headstart vary {study}/{experiment} {' '.join(words)}`"
    return ""


def _to_vary(settings: Settings, file: Path) -> str:
    """Return the study's name where it leads to its config file, or else the file."""
    study, project = settings.config.study, settings.project
    usual = study_files(project).get(study)
    leads = usual is not None and usual.resolve() == (project / file).resolve()
    return study if leads else shlex.quote(str(file))
