"""The methods and results of a study in words, chapter by chapter."""

from __future__ import annotations

from pathlib import Path

from headstart.study.methods.chapters import Chapter
from headstart.study.methods.chapters import Points
from headstart.study.methods.chapters import as_text
from headstart.study.methods.citations import citations
from headstart.study.methods.controls import tell_controls
from headstart.study.methods.controls import tell_findings
from headstart.study.methods.data import tell_data
from headstart.study.methods.explanation import tell_explanations
from headstart.study.methods.parts import part_table
from headstart.study.methods.phrases import one_line
from headstart.study.methods.results import tell_results
from headstart.study.methods.split import tell_split
from headstart.study.methods.study_files import StudyFiles
from headstart.study.methods.training import tell_common
from headstart.study.methods.training import tell_masks
from headstart.study.methods.training import tell_preparation
from headstart.study.methods.training import tell_trainings
from headstart.study.methods.training import tell_versions
from headstart.study.slices import Slices


def tell(folder: Path, slices: Slices) -> str:
    """Tell how a study was done, and what came out.

    Args:
        folder: `results/STUDY`.
        slices: The settings of its last run.

    Returns:
        Text with a heading for each part, also readable as reStructuredText.

    Raises:
        UserError: If the study has not come to its split yet.
    """
    return as_text(chapters(StudyFiles(folder, slices.config, slices.synthetic)))


def chapters(study: StudyFiles) -> list[Chapter]:
    """Tell how a study was done, and what came out, in chapters.

    Raises:
        UserError: If the study has not come to its split yet.
    """
    experiments = study.config.experiments.items()
    cards = {name: study.cards(name) for name, one in experiments if not one.control_of}
    every = [card for several in cards.values() for card in several]
    told = [
        Chapter("Data", [one_line(*tell_data(study))]),
        Chapter("Split", [one_line(*tell_split(study)), part_table(study)]),
    ]
    if every:
        trained = [tell_common(every), *tell_trainings(study, cards), *tell_controls(study)]
        told += [
            Chapter(
                "Preparation", [one_line(tell_preparation(every[0]), tell_masks(study.config))]
            ),
            Chapter("Training", list(map(one_line, trained))),
            Chapter("Results", [*tell_results(study), *tell_findings(study)]),
            *_explanation(study),
            Chapter("Versions", [one_line(tell_versions(every))]),
        ]
    cited = dict.fromkeys(map(one_line, citations(study, every)))
    return [*told, Chapter("To cite", [Points(tuple(cited))])]


def _explanation(study: StudyFiles) -> list[Chapter]:
    told = list(map(one_line, tell_explanations(study)))
    return [Chapter("Explanation", told)] if told else []
