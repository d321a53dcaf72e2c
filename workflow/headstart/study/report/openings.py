"""When the test subjects were looked at, and with which networks."""

from __future__ import annotations

from headstart.common import study_paths
from headstart.common.text import numbers_alike
from headstart.evaluation.openings import read_openings
from headstart.figures.style import metric_name
from headstart.study.methods.comparisons import openings_words
from headstart.study.methods.study_files import StudyFiles
from headstart.study.report.markup import Html
from headstart.study.report.markup import folded
from headstart.study.report.markup import joined
from headstart.study.report.markup import table
from headstart.study.report.markup import tag


def openings(study: StudyFiles) -> Html | None:
    """Tell how often the test subjects were looked at; None if they were not."""
    rows = read_openings(study.folder / study_paths.OPENINGS)
    if not rows:
        return None
    head = ["opened (UTC)", "experiment", "networks", "settings", "primary metric", "subjects"]
    cells = [
        [
            row.opened,
            row.experiment,
            str(len(row.networks)),
            row.settings or "\u2014",
            f"{metric_name(row.metric)} {numbers_alike(row.value)[0] or 'not defined'}",
            str(row.n),
        ]
        for row in rows
    ]
    listed = table("Each time that the test set was opened", head, cells, numbers=False)
    return joined([tag("p", openings_words(rows)), folded("Each time", listed)])
