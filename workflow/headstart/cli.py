"""The command `headstart`: it finds the named module and hands over."""

from __future__ import annotations

import argparse
import errno
import importlib
import keyword
import os
import signal
import sys
import traceback
from collections.abc import Sequence

from headstart import __version__
from headstart.common import machine_errors
from headstart.common.errors import OutOfTimeError
from headstart.common.errors import UserError
from headstart.common.large_pages import ask_for_large_pages
from headstart.common.packages import prefer_own
from headstart.common.stopping import STOPPED
from headstart.common.stopping import Stopped
from headstart.common.stopping import stoppable
from headstart.common.threads import limit_pools
from headstart.study import stages

STAGES = {
    "fetch": "download public scans, and unpack what a study needs",
    **{name: stage.summary for name, stage in stages.STAGES.items()},
    "pull": "bring the figures home from the cluster, through its gateway",
}
HELPS = {
    "init": "look at a folder of scans and write a ready study for it",
    "demo": "make a synthetic cohort to try everything on",
    "status": "show a study's status, and what to type next",
    "try": "train a little, to see before hours in a queue that it goes through",
    "vary": "add an experiment that is like another one, but for some keys",
    "calibrate": "fit a network's offset on a new scanner, by people whose number is known",
    "methods": "tell how a study was done and what came out, in words for a paper",
    "doctor": "say what this machine or cluster has, and what it would refuse",
    "schema": "write the files that are generated from the config's model",
}


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        words: The command line without the program's name; the default is `sys.argv[1:]`.

    Returns:
        The exit code: 0 if all went well, 2 for what the user can fix, 1 for our mistake, 75 if
        the time limit came first, 128 and the signal's number if one stopped the command.
    """
    words = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in words
    limit_pools()
    ask_for_large_pages()
    prefer_own()
    try:
        with stoppable():
            arguments = _parser(words).parse_args([word for word in words if word != "--debug"])
            arguments.run(arguments)
    except (Exception, KeyboardInterrupt, Stopped) as error:
        # `headstart … | head`; Python has the same type for a file server that is shut down
        if isinstance(error, BrokenPipeError) and error.errno != errno.ESHUTDOWN:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        if debug:
            traceback.print_exc()
        # what is torn down while it fails may have words of its own: ours are the last
        traceback.clear_frames(error.__traceback__)
        code, told = _failure(error)
        print(f"headstart: {told}", file=sys.stderr)
        return code
    return 0


def _failure(error: BaseException) -> tuple[int, str]:
    """Return the exit code of a failure, and the one sentence about it."""
    if isinstance(error, KeyboardInterrupt | Stopped):
        number = getattr(error, "number", signal.SIGINT)
        name = signal.Signals(number).name
        return 128 + number, f"{STOPPED}{name}); what is finished stays, the same command goes on"
    if isinstance(error, OutOfTimeError):
        return os.EX_TEMPFAIL, str(error)
    told = str(error) if isinstance(error, UserError) else machine_errors.sentence(error)
    if told is not None:
        return 2, told
    mistake = f"our mistake, not yours: {type(error).__name__}: {error}"
    return 1, f"{mistake}; run it again with --debug and report what it prints"


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headstart",
        description="From a folder of head scans to a trained, evaluated and plotted network.",
        epilog="--debug, with any command: show the traceback of an error.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, summary in {**STAGES, **HELPS}.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=summary,
            # `@FILE` stands for the file's lines: what grows with the cohort fits no command line
            fromfile_prefix_chars="@" if name in STAGES else None,
        )
        if name in words[:1]:  # only the named command's module is imported
            file = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
            module = importlib.import_module(f"headstart.commands.{file}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser
