"""The methods and results of a study in words, section by section."""

from __future__ import annotations

import re
from pathlib import Path

from headstart.study.methods.citations import citations
from headstart.study.methods.data import tell_data
from headstart.study.methods.phrases import bullets
from headstart.study.methods.phrases import one_line
from headstart.study.methods.results import tell_results
from headstart.study.methods.split import tell_split
from headstart.study.methods.study_files import StudyFiles
from headstart.study.methods.training import tell_common
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
    config = slices.config
    study = StudyFiles(folder, config, slices.synthetic)
    cards = {name: study.cards(name) for name in config.experiments}
    every = [card for several in cards.values() for card in several]
    parts: list[tuple[str, list[str]]] = [
        ("Data", [one_line(*tell_data(study))]),
        ("Split", [one_line(*tell_split(study))]),
    ]
    if every:
        parts.append(("Preparation", [one_line(tell_preparation(every[0]))]))
        parts.append(
            (
                "Training",
                [one_line(tell_common(every)), *map(one_line, tell_trainings(study, cards))],
            )
        )
        parts.append(("Results", list(tell_results(study))))
        parts.append(("Versions", [one_line(tell_versions(every))]))
    parts.append(("To cite", [bullets(citations(study, every))]))
    return "\n".join(
        f"{title}\n{'-' * len(title)}\n\n" + "\n\n".join(paragraphs) + "\n"
        for title, paragraphs in parts
    )


def as_markup(text: str) -> str:
    """Return the text with every character that reStructuredText would take for markup escaped.

    So is what would begin a directive, which may read files, and a colon that would make a link.
    """
    markup = r"[\\*`|]|_(?=_*(?:\W|$))|(?<!\bhttp)(?<!\bhttps):(?=\S)"
    escaped = re.sub(rf"({markup})", r"\\\1", text)
    return re.sub(r"(?m)^([\s-]*)(\.\.|__)(?=\s|$)", r"\1\\\2", escaped)
