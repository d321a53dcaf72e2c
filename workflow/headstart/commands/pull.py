"""Bring figures and reports home from the cluster, through its gateway.

It takes two sessions of one connection, however many files there are: one that reads all
manifests, and one tar stream of the files that are new. Nothing is left to the copying program:
each file is held against the sha256 of its manifest before it gets its name.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from headstart.cluster.pull import WAYS
from headstart.cluster.pull import by_hand
from headstart.cluster.pull import poll_interval
from headstart.cluster.pull import pull
from headstart.cluster.pull import read_pull_settings
from headstart.cluster.pull import report
from headstart.cluster.pull import watch
from headstart.cluster.ssh import connect
from headstart.common.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--config", type=Path, default=Path("config/pull.yaml"), help="default: %(default)s"
    )
    parser.add_argument("--study", help="what is of one study; the default is all")
    parser.add_argument("--way", choices=WAYS, help="instead of the way in the config")
    parser.add_argument(
        "--watch", type=poll_interval, metavar="SECONDS", help="go on, and look again so often"
    )
    parser.add_argument(
        "--print", action="store_true", help="only print ssh and scp lines that do it by hand"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    settings = read_pull_settings(arguments.config, way=arguments.way)
    study = arguments.study
    if study is not None and (study.startswith(".") or "/" in study):
        raise UserError(
            f"--study {study}: is no study's name, but a path; see `study` in its config"
        )
    if arguments.print:
        print("\n".join(by_hand(settings, study)))
        return
    with connect(settings.route, idle=60 + int(arguments.watch or 0)) as connection:
        if arguments.watch is None:
            pulled = pull(
                connection=connection, folder=settings.folder, into=settings.into, study=study
            )
            report(pulled, settings.into)
            return
        try:
            for pulled in watch(
                seconds=arguments.watch,
                connection=connection,
                folder=settings.folder,
                into=settings.into,
                study=study,
            ):
                report(pulled, settings.into)
        except KeyboardInterrupt:
            print("stopped; every file that arrived is whole", file=sys.stderr)
