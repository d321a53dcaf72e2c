"""The command `headstart`: it finds the named module and hands over."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from headstart import __version__
from headstart.parts.errors import OutOfTimeError
from headstart.parts.errors import UserError

STAGES = {
    "fetch": "download public scans, and unpack what a study needs",
    "label": "collect scans and labels into labels.csv",
    "check": "read every scan to the last byte and turn the bad away",
    "split": "divide the subjects into folds and a held-out test set",
    "prepare": "resample, crop and normalise every scan, once",
    "train": "train one network on one fold",
    "predict": "predict the held-out subjects, or new scans",
    "evaluate": "judge the predictions beside their baselines",
    "plot": "draw figures as PDF",
    "pull": "bring the figures home from the cluster, through its gateway",
}
HELPS = {
    "init": "look at a folder of scans and write a ready study for it",
    "demo": "make a synthetic cohort to try everything on",
    "status": "show where a study stands, and what to type next",
    "vary": "add an experiment that is like another one, but for some keys",
    "methods": "tell how a study was done and what came out, in words for a paper",
    "doctor": "say what this machine or cluster has, and what it would refuse",
    "schema": "write the files that are generated from the config's model",
}


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        words: The command line without the program's name; the default is `sys.argv[1:]`.

    Returns:
        The exit code: 0 if all went well, 2 for the user's mistake, 1 for ours, 75 if the time
        limit came first.
    """
    words = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in words
    try:
        arguments = _parser(words).parse_args([word for word in words if word != "--debug"])
        arguments.run(arguments)
    except UserError as error:
        if debug:
            traceback.print_exc()
        print(f"headstart: {error}", file=sys.stderr)
        return 2
    except OutOfTimeError as error:
        print(f"headstart: {error}", file=sys.stderr)
        return os.EX_TEMPFAIL
    except BrokenPipeError:  # `headstart … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if debug:
            raise
        print(
            f"headstart: our mistake, not yours: {type(error).__name__}: {error}; "
            "run it again with --debug and report what it prints",
            file=sys.stderr,
        )
        return 1
    return 0


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headstart",
        description="From a folder of head scans to a trained, judged and plotted network.",
        epilog="--debug, with any command: show the traceback of an error.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, summary in {**STAGES, **HELPS}.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name in words[:1]:  # only the named command's module is imported
            floor = "stages" if name in STAGES else "helps"
            module = importlib.import_module(f"headstart.{floor}.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser
