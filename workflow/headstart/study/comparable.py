"""Which experiments of a study are compared with each other, as its settings tell."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headstart.common.text import counted
from headstart.evaluation.results import Protocol
from headstart.evaluation.results import protocol_of
from headstart.evaluation.settings import Comparable

if TYPE_CHECKING:
    from headstart.study.config import Config

Question = tuple[Protocol, str, str, tuple[int, ...]]  # protocol, task, target, folds


def comparable(config: Config) -> tuple[Comparable, ...]:
    """Group the experiments that ask for the same target of the same subjects.

    Args:
        config: The study.

    Returns:
        Groups of two and more, those of the test subjects first.
    """
    groups: dict[Question, list[str]] = {}
    for name in filter(config.is_reported, config.experiments):
        for question in _questions(config, name):
            groups.setdefault(question, []).append(name)
    return tuple(
        _group(config, question, names)
        for question, names in sorted(groups.items(), key=lambda group: group[0][0] != "test")
        if len(names) > 1
    )


def other_volumes(config: Config, names: Iterable[str]) -> str:
    """Say of experiments of series that they are judged by different volumes; "" if they aren't."""
    seen = {name: config.experiments[name].train.neighbours for name in sorted(names)}
    if len(set(seen.values())) == 1:
        return ""
    told = "; ".join(
        f"{name} by those with {counted(its.before, 'volume')} before and {its.after} after them"
        for name, its in seen.items()
        if its is not None
    )
    return f"They are judged by different volumes of the same series: {told}."


def _questions(config: Config, name: str) -> Iterator[Question]:
    asked, folds = config.experiments[name], tuple(sorted(config.folds(name)))
    if name in config.final:
        yield "test", asked.task, asked.target, ()
    yield protocol_of("fold", len(folds)), asked.task, asked.target, folds


def _group(config: Config, question: Question, names: list[str]) -> Comparable:
    protocol, task, target, folds = question
    several = [config.experiments[name] for name in names]
    objects = {one.instances for one in several}
    return Comparable(
        protocol=protocol,
        folds=folds,
        task=task,
        target=target,
        unit=next((one.unit for one in several if one.unit), ""),
        primary=config.primary_metric(names[0]),
        experiments=tuple(names),
        instances=objects.pop() if len(objects) == 1 else False,
    )
