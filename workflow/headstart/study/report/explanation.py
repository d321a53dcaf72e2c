"""Where answers come from, and whether the maps are to be trusted."""

from __future__ import annotations

from headstart.explanation.results import verdict
from headstart.study.methods.explanation import explained
from headstart.study.methods.study_files import StudyFiles
from headstart.study.report.drawings import drawing
from headstart.study.report.markup import PageSection
from headstart.study.report.markup import joined
from headstart.study.report.markup import tag

LIMITS = (
    "A map shows what moves this network's answer for a scan. It does not show a cause, nor what "
    "the disease or age does to a brain; it misses what two places tell alike, for either is "
    "enough; and it says nothing about whether the answer is right. A scan with a patch of air is "
    "one that the network has never seen the like of. Means lie on the prepared grid, where heads "
    "are centred, laid onto a template if prepare.space says so, and never warped."
)


def explanations(study: StudyFiles) -> list[PageSection]:
    """Show the maps of each experiment that asks for them; without any there is no section."""
    asked = [name for name, one in study.config.experiments.items() if one.explain.methods]
    asked = [name for name in asked if study.config.is_evaluated(name)]
    if not asked:
        return []
    found = explained(study)
    shown = [
        joined(
            [
                tag("h3", name),
                tag("ul", *(tag("li", f"{g.title}: {verdict(g)}.") for g in found.get(name, []))),
                drawing(study, name, "explanation"),
            ]
        )
        for name in asked
    ]
    body = joined([tag("p", LIMITS), *shown])
    return [PageSection("explanation", "Where answers come from", body)]
