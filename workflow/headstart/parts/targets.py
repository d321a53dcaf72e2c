"""Whether the label table has what the experiments are to predict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from headstart.parts.errors import UserError
from headstart.parts.numbers import as_number


def check_target(labels: pd.DataFrame, question: Mapping[str, Any]) -> None:
    """Check that an experiment's target can be learnt from the label table.

    Args:
        labels: labels.csv, every cell as text.
        question: The experiment's name, task and target.

    Raises:
        UserError: If no scan has the target, it has one class only, or a number is none.
    """
    task, target = question["task"], question["target"]
    key = f"experiments.{question['experiment']}.target"
    if target not in labels.columns:
        raise UserError(
            f"{key}: no scan has the label '{target}'; allowed: {', '.join(_allowed(labels))}"
        )
    known = labels[labels[target] != ""]
    values = set(known[target])
    if not values:
        raise UserError(f"{key}: '{target}' is empty for every scan; mend the label table")
    if task == "classification" and len(values) < 2:
        raise UserError(
            f"{key}: every scan has {target} = '{values.pop()}'; a class to tell it from is missing"
        )
    if task == "regression":
        for subject, value in zip(known["subject"], known[target], strict=True):
            if not math.isfinite(float(as_number(value, "nan"))):
                raise UserError(
                    f"{key}: subject {subject} has {target} = '{value}', which is no number; "
                    "mend the label table, or set the experiment's task to classification"
                )


def _allowed(labels: pd.DataFrame) -> list[str]:
    columns = list(labels.columns)
    return ["site", *columns[columns.index("brain_mask") + 1 :]]
