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
from functools import cached_property
from pathlib import Path
from typing import Any

from headstart.parts import files
from headstart.parts import runs
from headstart.parts.settings import Settings

# What the cohort is made with: the config's sections, and the stages whose code counts.
SECTIONS = ("data", "classes", "check", "split", "prepare")
STAGES = ("label", "check", "split", "prepare")
LONGEST = 40  # characters of a value that is shown

Changes = dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class _Published:
    """A finished training in its place, beside the settings of now."""

    settings: Settings
    experiment: str
    fold: int
    seed: int
    card: Mapping[str, Any]

    @cached_property
    def own(self) -> Changes:
        """Changes of the experiment's own keys."""
        names = ("task", "target", "train")
        now = json.loads(self._slice)
        return changes(
            {name: self.card["settings"][name] for name in names},
            {name: now[name] for name in names},
        )

    @cached_property
    def code(self) -> bool:
        """Whether the code of training is another one."""
        return self.card["code_digest"] != self.settings.code("train")

    @cached_property
    def upstream(self) -> tuple[str, ...]:
        """Changes of what the cohort is made with, in words."""
        name = self.card.get("snapshot")
        snapshot = self.settings.snapshot.parent / (name or "")
        if not snapshot.is_file():
            return ()
        old = json.loads(snapshot.read_text(encoding="utf-8"))
        now = self.settings.config.model_dump(mode="json")
        before, after = ({name: c[name] for name in SECTIONS} for c in (old["config"], now))
        found = changes(before, after)
        for key in ("prepare.lookalike", "split.unrelated"):  # for the audit, which changes nothing
            found.pop(key, None)
        words = _words(found)
        if old.get("split_file", "") != self.settings.split_file:
            words.append("the split file")
        stages = [s for s in STAGES if old["codes"][s] != self.settings.code(s)]
        if stages:
            words.append(f"the code of {', '.join(stages)}")
        # once a run has begun with these scans, label has looked at them
        if old["listing"] != self.settings.listing and not self.settings.snapshot.exists():
            words.append("files in the data folder")
        return tuple(words)

    @property
    def certain(self) -> bool:
        """Whether it is trained again even if its scans turn out to be the same."""
        return self.card["settings"] != json.loads(self._slice) or self.code

    @property
    def stored(self) -> bool:
        """Whether the run store has a finished run of these settings, code and scans."""
        asked = ("task", "target", "fold")
        now = json.loads(self._slice)
        if self.upstream or any(now[name] != self.card["settings"][name] for name in asked):
            return False
        own = runs.own_network_file(now["train"]["network"], self.settings.project)
        network = files.sha256(own) if own else ""
        code, cohort = self.settings.code("train"), self.card["cohort_digest"]
        key = runs.run_key(now, cohort, code, network)
        study = self.settings.results / self.settings.config.study
        return runs.finished_attempt(study / "runs" / key) is not None

    @property
    def why(self) -> str:
        """All changes, in words."""
        code = ["the code of train"] if self.code else []
        return "; ".join([*_words(self.own), *code, *self.upstream])

    @property
    def minutes(self) -> float:
        """How long the training took."""
        return sum(self.card["seconds_per_epoch"]) / 60

    @cached_property
    def _slice(self) -> str:
        choice = {"experiment": self.experiment, "fold": self.fold, "seed": self.seed}
        return self.settings.slice("train", **choice)


def retraining(settings: Settings) -> str:
    """Say which finished networks a run will train again, why, and how to keep them.

    Args:
        settings: The settings of now.

    Returns:
        A short paragraph; "" if nothing finished is trained again.
    """
    groups: dict[tuple[str, str], list[_Published]] = {}
    for one in _published(settings):
        if one.why and not one.stored:
            groups.setdefault((one.experiment, one.why), []).append(one)
    if not groups:
        return ""
    lines = ["Finished networks that will be trained again, and what changed:"]
    for (experiment, why), members in groups.items():
        each = " each" if len(members) > 1 else ""
        only = "" if members[0].certain else ", and only if the scans they learn from change"
        minutes = sum(one.minutes for one in members) / len(members)
        took = f"took {minutes:.0f} min{each}" if minutes >= 1 else f"took under a minute{each}"
        lines.append(f"  {experiment} ({_which(members)}): {why}; {took}{only}")
    store = settings.results / settings.config.study / "runs"
    lines.append(
        f"To keep them in their place, stop here and undo the change{_hint(groups)}.\n"
        f"They stay in {store} in any case, and come back from there in seconds."
    )
    return "\n".join(lines)


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
    study = settings.results / settings.config.study
    for name, experiment in settings.config.experiments.items():
        for fold in settings.config.folds(name):
            for seed in experiment.seeds:
                run = Path("train", name, "main", f"fold-{fold}", f"seed-{seed}")
                card = study / run / "model.json"
                if card.is_file():
                    values = json.loads(card.read_text(encoding="utf-8"))
                    yield _Published(settings, name, fold, seed, values)


def _which(members: list[_Published]) -> str:
    if len(members) == 1:
        return f"fold {members[0].fold}, seed {members[0].seed}"
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


def _hint(groups: Mapping[tuple[str, str], list[_Published]]) -> str:
    """Return the command that makes an experiment of the first change to an experiment's keys."""
    for (experiment, _), members in groups.items():
        if members[0].own:
            words = [
                f"--set {shlex.quote(f'{k}={_value(v)}')}" for k, (_, v) in members[0].own.items()
            ]
            return f"; to have both: `headstart vary {experiment} {' '.join(words)}`"
    return ""
