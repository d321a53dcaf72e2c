"""Look at a folder of scans and write a ready study for it."""

from __future__ import annotations

import argparse
import itertools
import shlex
from pathlib import Path

from headstart.cluster import machine
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.strict_yaml import load
from headstart.common.walk import list_files
from headstart.data.column_names import as_label
from headstart.planning.discovery import discover
from headstart.planning.fingerprint import Fingerprint
from headstart.planning.own_space_plan import plan_in_own_space
from headstart.planning.plan import plan
from headstart.planning.questions import check_size
from headstart.planning.questions import choose
from headstart.planning.questions import describe_folder
from headstart.planning.questions import root
from headstart.planning.questions import row
from headstart.planning.questions import study_name
from headstart.planning.sample import take_sample
from headstart.planning.trial import too_many_lost
from headstart.planning.write_study import study_text
from headstart.study.config import read_config
from headstart.tasks import TASKS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", type=Path, help="the folder that holds the scans")
    parser.add_argument(
        "--task", choices=sorted(TASKS), help="what to learn; asked for, or inferred"
    )
    parser.add_argument("--target", help="the label to predict; asked for, or inferred")
    parser.add_argument("--name", help="name of the study; the default is the folder's")
    parser.add_argument("--output", type=Path, help="file to write; default config/NAME.yaml")
    parser.add_argument(
        "--renew", action="store_true", help="write a study that is there already again"
    )
    parser.add_argument(
        "--profile", choices=["sge"], help="plan for the cluster's GPUs, not for this machine"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print what the folder holds, and write the study."""
    folder = arguments.folder
    if not folder.is_dir():
        raise UserError(f"{folder}: is not a folder; name the one that holds the scans")
    name = arguments.name or study_name(folder)
    output = arguments.output or Path("config", f"{name}.yaml")
    if arguments.output is None and not Path("config").is_dir():
        raise UserError("config: is not here; call this in headstart's folder, or give --output")
    if output.exists() and not arguments.renew:
        raise UserError(
            f"{output}: is there already; give another --name or --output, or --renew to write it "
            f"again (this one is kept as {_kept(output).name})"
        )
    place = machine.site(Path("profiles/sge")) if arguments.profile else machine.this_machine()

    target = arguments.target and as_label(arguments.target)
    clean = arguments.task is not None and TASKS[arguments.task].needs_noise
    found = discover(folder, list_files(folder), target, clean=clean)
    sample = take_sample(folder, found.images, series=found.series)
    print("\n".join(describe_folder(folder, found, sample)))
    check_size(folder, found)
    question, why = choose(found, arguments.task, target)

    choose_how = plan_in_own_space if TASKS[question.task].own_space else plan
    planned = choose_how(Fingerprint.of(found, sample, question), place)
    text = study_text(name, root(folder), found, question, planned)
    if lost := too_many_lost(folder, read_config(load(text))):
        print("\n".join(row("note", lost)))
    if output.exists():
        output.replace(_kept(output))
    files.write_text(output, text)

    print(f"\n{question.task} of {question.target} ({why})")
    print(f"written, each choice with its reason: {output}")
    option = f" --configfile {shlex.quote(str(output))}"
    where = "--profile sge" if arguments.profile else f"--cores {place.cores}"
    print("next: see what would run, then run it")
    print(f"  snakemake -n{option}")
    print(f"  snakemake {where}{option}")


def _kept(output: Path) -> Path:
    """Return a free name for the study file that is there."""
    names = (output.with_name(f"{output.name}.old{n or ''}") for n in itertools.count())
    return next(name for name in names if not name.exists())
