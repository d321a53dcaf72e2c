"""Whether a study's targets can be learnt, as far as the label table of its last run tells."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.data.label_names import labels_of_sources
from headstart.data.label_table import LabelRow
from headstart.study.config import Config
from headstart.study.slices import Slices
from headstart.training.target import check_target


def check_targets(config: Config, project: Path, names: Iterable[str] | None = None) -> None:
    """Check experiments' targets against the label table of the last run, if there is one.

    A label that the config promises may not be in that table yet: the stage label checks it.

    Args:
        config: The study.
        project: Folder of the checkout.
        names: The experiments; the default is all.

    Raises:
        UserError: If a target can't be learnt.
    """
    table = project / config.results / config.study / study_paths.LABELS
    if not table.exists():
        return
    labels = read_rows(table, LabelRow)
    promised = labels_of_sources(config.data)
    for name in names or config.experiments:
        target = config.experiments[name].target
        known = any(target in row.values for row in labels)
        if known or target not in promised:
            check_target(labels, Slices(config, project).target(name))
