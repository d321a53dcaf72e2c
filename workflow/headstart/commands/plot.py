"""Draw figures as PDF: vector, made for print, the same input always giving the same bytes."""

from __future__ import annotations

import argparse
from pathlib import Path
from pkgutil import resolve_name

from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.schema import read_settings
from headstart.figures.manifest import manifest
from headstart.figures.registry import FIGURES
from headstart.figures.registry import INPUTS
from headstart.figures.registry import OF_CONTROLS
from headstart.figures.registry import OF_RUNS
from headstart.figures.registry import PREPARED
from headstart.figures.registry import ROOT
from headstart.figures.settings import CohortPlotSettings
from headstart.figures.settings import ExperimentPlotSettings
from headstart.figures.settings import PlotSettings
from headstart.figures.settings import SweepPlotSettings
from headstart.figures.style import Stamp
from headstart.figures.terminal import plot_in_terminal
from headstart.study.named import newest_history
from headstart.study.provenance import identity

MANIFEST = "manifest"
KINDS = (*FIGURES, MANIFEST)
SETTINGS: dict[str, type[PlotSettings]] = {
    "cohort": CohortPlotSettings,
    "study": CohortPlotSettings,
    "experiment": ExperimentPlotSettings,
    "sweep": SweepPlotSettings,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "names",
        nargs="*",
        metavar="STUDY/EXPERIMENT",
        help="show the learning curves of one training, or of two overlaid, in the terminal; of "
        "several the newest; also a history.csv; needs nothing else",
    )
    parser.add_argument("--kind", choices=KINDS, help="what to draw")
    parser.add_argument("--settings", default="{}", help="JSON: study, synthetic, experiment, …")
    parser.add_argument("--output", type=Path, help="the PDF, or manifest.json")
    for name, path in INPUTS.items():
        several = path if isinstance(path, list) else [path]
        count = len(several) if isinstance(path, list) else None
        said = " ".join(several).replace("<study>/", "")
        parser.add_argument(f"--{name}", type=Path, nargs=count, help=said)
    for name, path in OF_RUNS.items():
        said = f"{path.replace('<study>/', '')}, all runs"
        parser.add_argument(f"--{name}", type=Path, nargs="+", help=said)
    for name, path in OF_CONTROLS.items():
        said = f"{path.replace('<study>/', '')}, all controls"
        parser.add_argument(f"--{name}", type=Path, nargs="+", help=said)
    parser.add_argument(f"--{PREPARED}", type=Path, help="folder of shard-K.json")
    parser.add_argument(f"--{ROOT}", type=Path, help="data root, where the raw masks are")
    parser.add_argument("--files", type=Path, nargs="+", help="the figures that a manifest lists")


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    if arguments.names:
        print(plot_in_terminal([newest_history(name) for name in arguments.names]))
        return
    _check_complete(arguments)
    figure = FIGURES.get(arguments.kind)
    if figure is None:
        study = read_settings(CohortPlotSettings, arguments.settings).study
        files.write_json(arguments.output, manifest(study, arguments.files))
        return
    settings = read_settings(SETTINGS[figure.of], arguments.settings)
    stamp = Stamp(
        study=settings.study,
        data=files.sha256(arguments.passed)[:8],
        code=identity("plot"),
        synthetic=settings.synthetic,
    )
    given = {name: getattr(arguments, name) for name in figure.needs}
    draw = resolve_name(figure.draw)
    draw(settings=settings, stamp=stamp, output=arguments.output, **given)


def _check_complete(arguments: argparse.Namespace) -> None:
    if arguments.kind is None:
        raise UserError(f"plot: give --kind ({', '.join(KINDS)}), or a STUDY/EXPERIMENT")
    figure = FIGURES.get(arguments.kind)
    for name in (*(figure.given if figure else ("files",)), "output"):
        if getattr(arguments, name) is None:
            raise UserError(f"plot: --kind {arguments.kind} needs --{name}")
