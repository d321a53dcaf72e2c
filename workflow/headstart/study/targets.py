"""Whether a study's labels can be learnt and seen, as far as the table of its last run tells."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path

from headstart.common import study_paths
from headstart.common.errors import UserError
from headstart.common.records import read_rows
from headstart.data.label_names import check_label
from headstart.data.label_names import labels_of_sources
from headstart.data.label_table import IMAGES
from headstart.data.label_table import LabelRow
from headstart.study.config import Config
from headstart.study.slices import Slices
from headstart.training.target import Target
from headstart.training.target import check_covariates
from headstart.training.target import check_target


def check_targets(config: Config, project: Path, names: Iterable[str] | None = None) -> None:
    """Check targets and covariates against what the config promises, or the last run's table.

    A label that the config promises may not be in that table yet: the stage label checks it.

    Args:
        config: The study.
        project: Folder of the checkout.
        names: The experiments; the default is all.

    Raises:
        UserError: If there is no such label, a target can't be learnt, or a covariate can't be seen
            beside the scan.
    """
    table = project / config.results / config.study / study_paths.LABELS
    labels = read_rows(table, LabelRow) if table.exists() else []
    promised = labels_of_sources(config.data)
    known = {label for row in labels for label in row.values}
    for name in names or config.experiments:
        question = Slices(config, project).target(name)
        later = {question.target, *question.covariates}.intersection(promised) - known
        if not labels:
            _check_promised(name, question, promised)
        elif question.target not in later:
            check_target(labels, question)
            if not later:
                check_covariates(labels, question)


def _check_promised(name: str, question: Target, promised: Sequence[str]) -> None:
    asked = [("target", question.target)] if question.target not in IMAGES else []
    asked += [("covariates", covariate) for covariate in question.covariates]
    for key, label in asked:
        try:
            check_label(label, promised if key == "target" else [*promised, "source"])
        except ValueError as error:
            raise UserError(f"experiments.{name}.{key}: {error}") from None
