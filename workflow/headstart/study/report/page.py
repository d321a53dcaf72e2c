"""The report's page, put together from its sections."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from headstart import __version__
from headstart.common import files
from headstart.common import study_paths
from headstart.figures.manifest import manifest
from headstart.study.methods.phrases import question
from headstart.study.methods.study_files import StudyFiles
from headstart.study.methods.tell import chapters
from headstart.study.report.balance import balance
from headstart.study.report.cases import cases
from headstart.study.report.checklists import checklists
from headstart.study.report.controls import controls
from headstart.study.report.curves import curves
from headstart.study.report.data import flow
from headstart.study.report.data import quality
from headstart.study.report.experiments import experiments
from headstart.study.report.explanation import explanations
from headstart.study.report.headline import headline
from headstart.study.report.headline import notice
from headstart.study.report.markup import Html
from headstart.study.report.markup import PageSection
from headstart.study.report.markup import joined
from headstart.study.report.markup import tag
from headstart.study.report.methods import methods
from headstart.study.report.methods import written
from headstart.study.report.results import results
from headstart.study.report.spent import spent
from headstart.study.status import Study

FOLDER = Path(__file__).parent


def write_report(study: Study) -> Path:
    """Write the report, and beside it the methods as Markdown and whom to cite as BibTeX.

    Last comes the list of these files, by which `headstart pull` brings them home whole.

    Returns:
        The page.

    Raises:
        UserError: If the study has not come to its split yet.
    """
    source = StudyFiles(study.folder, study.slices.config, study.slices.synthetic)
    told = chapters(source)
    parts = [
        headline(source, study.trainings()),
        results(source),
        controls(source),
        *experiments(source),
        cases(source),
        *explanations(source),
        curves(source),
        flow(source),
        quality(source),
        balance(source),
        spent(source),
        methods(told),
        checklists(source, told),
        _files(source),
    ]
    texts = {study_paths.REPORT: _page(source, parts), **written(told)}
    for name, text in texts.items():
        files.write_text(study.folder / name, text)
    listed = manifest(source.config.study, [study.folder / name for name in texts])
    files.write_json(study.folder / study_paths.BROUGHT, listed)
    return study.folder / study_paths.REPORT


def _page(study: StudyFiles, parts: Sequence[PageSection]) -> str:
    style = Html((FOLDER / "page.css").read_text(encoding="utf-8"))
    script = Html((FOLDER / "viewer.js").read_text(encoding="utf-8"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # the browser is told to fetch nothing, and to run no script but this one
    allowed = f"img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    name = study.config.study
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=f"default-src 'none'; {allowed}"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{name}: report"),
        tag("style", style),
    )
    header = tag(
        "header",
        tag("h1", name),
        tag("p", _summary(study)),
        notice(study),
    )
    links = tag("nav", tag("ol", *(tag("li", part.link) for part in parts)), aria_label="Sections")
    main = tag("main", *map(_section, parts), id="main", tabindex="-1")
    body = tag(
        "body",
        tag("a", "Skip to the results", href="#main", class_="skip"),
        tag("div", header, links, main, _footer(study), class_="layout"),
        tag("script", script),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _summary(study: StudyFiles) -> str:
    asked = ", ".join(
        f"{name} ({question(one, study.config.classes)})"
        for name, one in study.config.experiments.items()
        if study.config.is_reported(name)
    )
    return f"A study with headstart: {asked}"


def _section(part: PageSection) -> Html:
    heading = f"{part.anchor}-heading"
    return tag(
        "section",
        tag("h2", part.title, id=heading),
        part.body,
        id=part.anchor,
        aria_labelledby=heading,
    )


def _files(study: StudyFiles) -> PageSection:
    """Say where the study has what is not on the page."""
    rows = {
        "figures/": "every figure as PDF, for a paper",
        "evaluate/": "of each experiment metrics.csv, with intervals, comparison.csv, with "
        "differences from baselines, and answers.csv, what is answered for each held-out scan; of "
        "a number also the gap, predicted minus true, as it is and corrected for the truth",
        study_paths.OPENINGS: "when the test subjects were looked at, and with which networks",
        study_paths.METHODS: "the methods as Markdown",
        study_paths.REFERENCES: "whom to cite, as BibTeX",
        study_paths.CONFIG: "every setting of the study",
        study_paths.SNAKEMAKE_REPORT: "Snakemake's own report, made after a complete run: which "
        "rule made what, and how long it took",
    }
    if not study.config.final:
        rows.pop(study_paths.OPENINGS)
    listed = (tag("li", tag("a", name, href=name), f": {what}") for name, what in rows.items())
    return PageSection(
        "files", "Files", joined([tag("p", "Beside this page:"), tag("ul", *listed)])
    )


def _footer(study: StudyFiles) -> Html:
    data = files.sha256(study.path(study_paths.PASSED))[:8]
    return tag(
        "footer",
        f"study {study.config.study} \u00b7 data {data} \u00b7 headstart {__version__}. The page "
        "fetches nothing. Subjects are named as in the study's tables: make sure that "
        "these names are pseudonyms before you pass it on.",
    )
