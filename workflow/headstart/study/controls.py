"""The controls of an experiment: further trainings, which become experiments of their own.

One needs no training: what its own networks say of scans into which a known change was injected.

Two must fail: one with labels that are permuted between the training subjects, and one that sees
the background of scans alone. Two more, on a quarter and a half of the training subjects, are the
learning curve. Where each scan gets a mask as its answer, the first two mean little: against
permuted masks the best answer is no mask of any scan, and a background has no structures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from headstart.cohort.settings import INJECTED
from headstart.cohort.settings import SHARES
from headstart.common.errors import UserError
from headstart.common.text import as_number
from headstart.tasks import TASKS
from headstart.training.config import MOST_EPOCHS
from headstart.training.config import Train

# What is trained for each.
CONTROLS: dict[str, tuple[str, ...]] = {
    "shuffled": ("shuffled",),
    "background": ("background",),
    "learning-curve": tuple(SHARES),
    INJECTED: (),
}
# What means something only where nothing was learnt before.
FROM_NOTHING = ("shuffled", "learning-curve")
# `--config` gives truth values as text.
TRUE: tuple[Any, ...] = (True, "true")
NOTHING: tuple[Any, ...] = (None, False, "false", [], ())
# Keys of `train` that count epochs, which are shorter with fewer scans.
IN_EPOCHS = ("epochs", "patience", "save_every")


def with_controls(plain: Mapping[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    """Put the experiments that are an experiment's controls behind it.

    Args:
        plain: Name: plain experiment, as `plain_experiments` makes them.
        written: Name: experiment, as the study file has them.

    Raises:
        UserError: If a control is none, does not fit the task, or has another one's name; or a
            sweep asks for controls.
    """
    asked = {
        name: one["controls"]
        for name, one in written.items()
        if isinstance(one, Mapping) and one.get("controls") not in NOTHING
    }
    found: dict[str, Any] = {}
    for name in asked:
        if name not in plain:
            raise UserError(
                f"experiments.{name}.controls: belong to one experiment, and this is a sweep; ask "
                "for them in one of its own, `like` the combination that did best"
            )
    for name, one in plain.items():
        found[name] = one
        if name not in asked:
            continue
        controls = _named(f"experiments.{name}.controls", asked[name], one)
        _check_start(f"experiments.{name}", controls, one, plain)
        found[name] = one | {"controls": controls}
        for control in (part for key in controls for part in CONTROLS[key]):
            own = f"{name}-{control}"
            if own in plain:
                raise UserError(
                    f"experiments.{name}.controls: makes an experiment '{own}', and there is "
                    "another one of this name; rename that"
                )
            found[own] = _control(one, control) | {"control": control, "control_of": name}
    return found


def as_of_base(mistakes: str, experiments: Mapping[str, Any]) -> str:
    """Say of an experiment, once, what is wrong with its controls too.

    Args:
        mistakes: A line for each mistake, beginning with its key.
        experiments: The study's experiments, name: keys.
    """
    lines = []
    for line in mistakes.split("\n"):
        for name, one in experiments.items():
            start = f"experiments.{name}"
            base = one.get("control_of") if isinstance(one, Mapping) else None
            if base and line.startswith((f"{start}.", f"{start}:")):
                line = f"experiments.{base}{line.removeprefix(start)}"
        lines.append(line)
    return "\n".join(dict.fromkeys(lines))


def _named(where: str, written: Any, experiment: Mapping[str, Any]) -> list[str]:
    """Return the names of the controls that an experiment asks for."""
    task = TASKS.get(str(experiment.get("task")))
    fitting = task.controls if task else tuple(CONTROLS)
    if written in TRUE:
        return list(fitting)
    asked = list(written) if isinstance(written, list | tuple) else [written]
    for control in asked:
        if str(control) not in CONTROLS:
            raise UserError(
                f"{where}: '{control}' is no control; allowed: true, or a list of "
                f"{', '.join(CONTROLS)}"
            )
        if control not in fitting:
            raise UserError(
                f"{where}: {control} says nothing of a {experiment['task']}; allowed: "
                f"{', '.join(fitting)}"
            )
    return list(dict.fromkeys(asked))


def _check_start(
    where: str, controls: Sequence[str], experiment: Mapping[str, Any], plain: Mapping[str, Any]
) -> None:
    """Check that a training does not begin with what its controls are to do without.

    A network of this study has learnt from all training subjects, with labels that are right.
    """
    train = experiment.get("train")
    start = train.get("start") if isinstance(train, Mapping) else None
    origin = start.get("from") if isinstance(start, Mapping) else start
    unfit = [control for control in controls if control in FROM_NOTHING]
    rest = ", ".join(control for control in controls if control not in FROM_NOTHING)
    if unfit and isinstance(origin, str) and origin in plain:
        raise UserError(
            f"{where}.controls: {unfit[0]} says nothing of a training that starts from {origin}, "
            "which has learnt from all these subjects, with their own labels; write controls: "
            f"[{rest}], or start from random weights"
        )


def _control(experiment: Mapping[str, Any], control: str) -> dict[str, Any]:
    """Return the experiment as it is trained for a control."""
    keys = {key: value for key, value in experiment.items() if key != "explain"}
    if control == "background":
        keys.pop("covariates", None)  # they are no background
    if control in SHARES and isinstance(keys.get("train"), Mapping):
        keys["train"] = _as_many_steps(keys["train"], SHARES[control])
    return keys


def _as_many_steps(train: Mapping[str, Any], share: float) -> dict[str, Any]:
    """Return a training of so many steps as the whole one, on a share of its scans.

    Else the learning curve would tell of the length of trainings, too.
    """
    default = {} if "iterations" in train else {"epochs": Train.model_fields["epochs"].default}
    longer = default | dict(train)
    for key in IN_EPOCHS:
        epochs = as_number(str(longer.get(key)), None)
        if epochs is not None and math.isfinite(epochs):
            longer[key] = min(round(epochs / share), MOST_EPOCHS)
    return longer
