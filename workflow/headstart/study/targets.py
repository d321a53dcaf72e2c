"""Whether a study's targets can be learnt, as far as the label table of its last run tells."""

from __future__ import annotations

from collections.abc import Iterable
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
from headstart.training.target import check_target


def check_targets(config: Config, project: Path, names: Iterable[str] | None = None) -> None:
    """Check experiments' targets against what the config promises, or the table of the last run.

    A label that the config promises may not be in that table yet: the stage label checks it.

    Args:
        config: The study.
        project: Folder of the checkout.
        names: The experiments; the default is all.

    Raises:
        UserError: If there is no such label, or a target can't be learnt.
    """
    table = project / config.results / config.study / study_paths.LABELS
    labels = read_rows(table, LabelRow) if table.exists() else []
    promised = labels_of_sources(config.data)
    for name in names or config.experiments:
        target = config.experiments[name].target
        known = any(target in row.values for row in labels)
        if labels and (known or target not in promised):
            check_target(labels, Slices(config, project).target(name))
        elif not labels and target not in IMAGES:
            try:
                check_label(target, promised)
            except ValueError as error:
                raise UserError(f"experiments.{name}.target: {error}") from None
