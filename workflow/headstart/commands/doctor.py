"""Say whether this machine, the disk and a cluster have what a study needs."""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.cluster import machine
from headstart.common.errors import UserError
from headstart.common.strict_yaml import read_study
from headstart.planning.doctor import FIX
from headstart.planning.doctor import caches
from headstart.planning.doctor import cluster
from headstart.planning.doctor import environment
from headstart.planning.doctor import hardware
from headstart.planning.doctor import locks
from headstart.planning.doctor import study
from headstart.study.config import read_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--configfile", type=Path, help="ask whether this study can run")
    parser.add_argument("--profile", choices=["sge"], help="ask a Grid Engine cluster as well")
    parser.add_argument("--project", type=Path, default=Path(), help="folder of the checkout")


def run(arguments: argparse.Namespace) -> None:
    """Print what there is.

    Raises:
        UserError: If something is to be fixed before a study can run.
    """
    lines = [*environment(arguments.project), *hardware(arguments.project)]
    profile = arguments.profile and arguments.project / "profiles" / arguments.profile
    results = arguments.project / "results"
    if arguments.configfile:
        place = machine.site(profile) if profile else machine.this_machine()
        config = read_config(read_study(arguments.configfile))
        lines += study(config, arguments.project, place, cluster=profile is not None)
        results = arguments.project / config.results
    lines += [*caches(results), *locks(results)]
    print("\n".join(lines))
    if profile:
        print("\n".join(cluster(profile)))
    fixes = sum(line.startswith(FIX) for line in lines)
    if fixes:
        raise UserError(f"doctor: {fixes} to fix, above")
