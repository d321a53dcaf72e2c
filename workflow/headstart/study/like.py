"""Experiments as a study file writes them, with `like` and `sweep`, become plain ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.common.errors import UserError
from headstart.common.strict_yaml import overlay
from headstart.study import sweep
from headstart.study.controls import with_controls

OWN = ("like", "sweep", "controls")  # what another experiment does not take over


def plain_experiments(written: Mapping[str, Any]) -> dict[str, Any]:
    """Replace each `like: OTHER` by OTHER's keys, and each sweep by its combinations.

    Args:
        written: Name: experiment, as the study file has them.

    Returns:
        Likewise, without `like`; a combination of a sweep has the sweep, and its name in
        `variant_of`; and with the controls that are asked for.

    Raises:
        UserError: If OTHER is not there or comes back to itself, or a sweep or a control is wrong.
    """
    variants = {
        variant: (name, keys)
        for name, one in sweep.swept(written).items()
        for variant, keys in sweep.combinations(name, one["sweep"]).items()
    }
    for variant, (name, _) in variants.items():
        if variant in written:
            raise UserError(
                f"experiments.{name}.sweep: makes an experiment '{variant}', and there is another "
                "one of this name; rename that"
            )

    def resolve(name: str, seen: tuple[str, ...] = ()) -> Any:
        if name in seen:
            raise UserError(f"experiments.{name}.like: a loop, {' -> '.join((*seen, name))}")
        if name in variants:
            family, keys = variants[name]
            return like(resolve(family, (*seen, name)), keys)
        own = written[name]
        if not isinstance(own, Mapping):
            return own
        rest = {key: value for key, value in own.items() if key not in OWN}
        if "like" not in own:
            return rest
        other = own["like"]
        if not isinstance(other, str) or other not in (*written, *variants):
            allowed = ", ".join(one for one in (*written, *variants) if one != name)
            raise UserError(
                f"experiments.{name}.like: '{other}' is not an experiment; allowed: {allowed}"
            )
        return like(resolve(other, (*seen, name)), rest)

    plain: dict[str, Any] = {}
    for name in written:
        own = [variant for variant, (family, _) in variants.items() if family == name]
        for variant in own:
            swept = {"sweep": written[name]["sweep"], "variant_of": name}
            plain[variant] = resolve(variant) | swept
        if not own:
            plain[name] = resolve(name)
    return with_controls(plain, written)


def like(base: Any, own: Mapping[str, Any]) -> Any:
    """Overlay an experiment with another one's own keys.

    What belongs to a key that is set to something else goes with the old value: a network's
    arguments and deep supervision, a task's loss and metric, a target's unit, the other way to say
    how long.
    `network_arguments: {}` empties the arguments.
    """
    merged = overlay(base, own)
    if not (isinstance(base, Mapping) and isinstance(merged.get("train"), Mapping)):
        return merged
    before, ours, train = (_section(of, "train") for of in (base, own, merged))
    if "network" in ours and ours["network"] != before.get("network"):
        train["network_arguments"] = ours.get("network_arguments", {})
        if "deep_supervision" not in ours:
            train.pop("deep_supervision", None)
    for one, other in (("epochs", "iterations"), ("iterations", "epochs")):
        if one in ours and other not in ours:
            train.pop(other, None)
    if ours.get("network_arguments") == {}:
        train["network_arguments"] = {}
    if "task" in own and own["task"] != base.get("task"):
        for key in {"primary", "instances"} - set(own):
            merged.pop(key, None)
        for key in {"loss", "class_weights"} - set(ours):
            train.pop(key, None)
    if "target" in own and own["target"] != base.get("target") and "unit" not in own:
        merged.pop("unit", None)
    return merged | {"train": train}


def _section(experiment: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = experiment.get(name)
    return dict(section) if isinstance(section, Mapping) else {}
