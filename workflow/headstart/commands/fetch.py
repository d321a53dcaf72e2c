"""Download public collections, check them, and unpack what a study needs."""

from __future__ import annotations

import argparse
from pathlib import Path

from headstart.common.errors import UserError
from headstart.common.schema import read_settings
from headstart.common.stopping import survive_hangup
from headstart.common.strict_yaml import read_study
from headstart.data.collections import absolute
from headstart.data.collections import read_request
from headstart.data.credits import write_credits
from headstart.data.fetch import fetch
from headstart.data.fetch import show_plan
from headstart.data.fetch_job import FetchJob
from headstart.data.settings import FetchSettings
from headstart.study.config import read_config
from headstart.training.weights_download import fetch_weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    one = parser.add_argument_group("one source")
    one.add_argument("--source", help="ixi, oasis1, neurite-oasis, msd-task01 …, or a new name")
    one.add_argument(
        "--modality", action="append", default=[], help="e.g. T1; again for each further one"
    )
    one.add_argument("--output", type=Path, help="the source's folder, e.g. data/ixi")
    one.add_argument("--lock", type=Path, help="file that keeps checksums, e.g. config/ixi.lock")
    one.add_argument("--url", help="an archive that is not in the catalogue")
    one.add_argument("--md5", help="its md5")
    one.add_argument("--sha256", help="its sha256")
    one.add_argument("--bytes", type=int, help="its size")
    one.add_argument("--accept-terms", action="store_true", help="you accept the source's terms")
    one.add_argument(
        "--weights", metavar="NAME", help="weights of the catalogue in place of a source"
    )
    every = parser.add_argument_group("all sources of a study")
    every.add_argument("--config", type=Path, help="the study, e.g. config/ixi.yaml")
    every.add_argument("--settings", help='JSON: {"sources": [{"source": …, "modality": […]}]}')
    every.add_argument("--data", type=Path, help="data root; the default is the study's `root`")
    every.add_argument("--locks", type=Path, help="folder of NAME.lock; the default is config")
    parser.add_argument(
        "--mirror",
        action="append",
        default=[],
        help="folder or address to look in first; for sites without internet, a folder of archives",
    )
    parser.add_argument(
        "--plan", action="store_true", help="print what would come and whether it fits; fetch none"
    )
    parser.add_argument(
        "--prefetch", action="store_true", help="go on when the ssh connection drops"
    )
    parser.add_argument(
        "--credits",
        type=Path,
        help="write licences and the sentences to cite to this table; fetch none",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the stage from its command line."""
    if arguments.weights is not None:
        _fetch_weights(arguments)
        return
    jobs = _jobs(arguments)
    if not jobs:
        print(f"{arguments.config}: nothing to fetch, its scans are in folders of your own")
    elif arguments.plan:
        show_plan(jobs)
    elif arguments.credits:
        write_credits(jobs, arguments.credits)
    else:
        if arguments.prefetch:
            survive_hangup(jobs[0].output.parent / "prefetch.log")
        for job in jobs:
            fetch(job)


def _jobs(arguments: argparse.Namespace) -> list[FetchJob]:
    mirrors = tuple(arguments.mirror)
    if arguments.source is not None:
        if arguments.output is None:
            raise UserError("fetch: --source needs --output, the source's folder")
        names = ("source", "modality", "accept_terms", "url", "md5", "sha256", "bytes")
        values = {name: getattr(arguments, name) for name in names} | {"mirrors": mirrors}
        return [FetchJob(read_request(values), arguments.output, arguments.lock)]
    root = arguments.data
    if arguments.config is not None:
        config = read_config(read_study(arguments.config))
        requests = config.requests
        root = Path(config.root) if root is None else root
    elif arguments.settings is not None:
        requests = read_settings(FetchSettings, arguments.settings).sources
    else:
        raise UserError("fetch: say what: --config STUDY, --settings JSON, or --source NAME")
    if root is None:
        raise UserError("fetch: --settings needs --data, the data root")
    locks = arguments.locks or Path("config")
    return [FetchJob.within(root, locks, request, mirrors) for request in requests]


def _fetch_weights(arguments: argparse.Namespace) -> None:
    if arguments.output is None or arguments.sha256 is None:
        raise UserError("fetch: --weights needs --output, a file, and --sha256")
    mirrors = tuple(absolute(mirror, Path()) for mirror in arguments.mirror)
    fetch_weights(arguments.weights, arguments.sha256, arguments.output, mirrors)
