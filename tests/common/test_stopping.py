"""A command that is told to stop: one sentence, no traceback, and nothing half-written."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from headstart.common.stopping import Stopped
from headstart.common.stopping import stoppable

SIGNALS = ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGINT"]
SCRIPT = """
import signal, sys, time
from pathlib import Path
from headstart import cli
from headstart.common import files
from headstart.commands import schema

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup makes what it starts deaf to it

def run(_):
    with files.temporary(Path("volumes.npy")) as draft:
        draft.write_text("half")
        print("begun", flush=True)
        time.sleep(60)

schema.run = run
sys.exit(cli.main(['schema']))
"""


def begin(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.mark.parametrize("name", SIGNALS)
def test_a_stopped_command_leaves_no_draft(name, tmp_path):
    number = signal.Signals[name]
    process = begin(tmp_path)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert list(tmp_path.iterdir()) == []
    (line,) = said.splitlines()
    assert line.startswith(f"headstart: stopped ({name}); ")
    assert "same command" in line


def test_handlers_are_put_back_and_what_is_ignored_stays_so():
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        old = signal.getsignal(signal.SIGTERM)
        with stoppable():
            assert signal.getsignal(signal.SIGTERM) is not old
            signal.raise_signal(signal.SIGUSR1)  # a warning of Grid Engine
        assert signal.getsignal(signal.SIGTERM) is old
        with pytest.raises(Stopped), stoppable():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGUSR1, before)
