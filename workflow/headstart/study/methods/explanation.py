"""Where answers come from: how it was looked for, and whether the maps show what was learnt."""

from __future__ import annotations

from collections.abc import Iterator

from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.explanation.config import SAME
from headstart.explanation.results import ExplainedGroup
from headstart.explanation.results import verdict
from headstart.study.methods.phrases import and_joined
from headstart.study.methods.study_files import StudyFiles

WORDS = {
    "occlusion": "the change of the answer when a patch is replaced by air",
    "grad-cam++": "where features of a late layer raise the answer",
}


def tell_explanations(study: StudyFiles) -> Iterator[str]:
    """Yield, for each experiment with maps, how they were made and what the check says."""
    for name, groups in explained(study).items():
        asked = study.config.experiments[name].explain
        details = {one.method: one.detail for one in groups}
        how = and_joined(f"{m} ({WORDS[m]}; {details[m]})" for m in details)
        classes = sum(one.method == groups[0].method for one in groups)
        each = " of each class" if classes > 1 else ""
        yield (
            f"{name}: answers for at most {asked.cases} held-out subjects{each}, a third each of "
            "the best, the typical and the worst by the primary metric, were explained by "
            f"{how}, with networks that had not seen the subject. As a check, the maps were made "
            f"again with shuffled weights; a rank correlation of {SAME:g} or more, a limit of "
            "headstart's own, counts as a map that does not show what was learnt. "
            + " ".join(f"{one.title}: {verdict(one)}." for one in groups)
        )


def explained(study: StudyFiles) -> dict[str, list[ExplainedGroup]]:
    """Return the mean maps of each experiment that has them."""
    found = {}
    for name, experiment in study.config.experiments.items():
        path = study.folder / study_paths.EXPLAINED_MEANS.format(experiment=name)
        # what was chosen from a sweep before left its maps, too
        if experiment.explain.methods and study.config.is_evaluated(name) and path.is_file():
            found[name] = read_rows(path, ExplainedGroup)
    return found
