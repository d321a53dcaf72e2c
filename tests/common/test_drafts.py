"""Drafts: those of the dead are removed, those of the living are left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from headstart.common import drafts
from headstart.common import files
from headstart.common import processes


@pytest.fixture(autouse=True)
def unswept():
    drafts.sweep.cache_clear()


@pytest.fixture
def dead() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def draft(folder, place, process, age=0.0):
    path = folder / f".{place}-{process}-0123-shard-0.npy"
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_the_next_write_removes_what_a_killed_process_left(tmp_path, dead):
    left = draft(tmp_path, processes.place(), dead)
    folder = tmp_path / f".{processes.place()}-{dead}-0123-code"
    (folder / "headstart").mkdir(parents=True)
    files.write_text(tmp_path / "other.csv", "")
    assert not left.exists()
    assert not folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["other.csv"]


def test_what_is_not_a_dead_processs_draft_stays(tmp_path, dead):
    mine = draft(tmp_path, processes.place(), os.getpid(), age=1e6)
    theirs = draft(tmp_path, "00000000", dead, age=3600)
    hidden = [tmp_path / name for name in (".snakemake", f".{dead}-mine", ".0123-4-notes")]
    for path in hidden:
        path.touch()
    files.write_text(tmp_path / "other.csv", "")
    assert all(path.exists() for path in (mine, theirs, *hidden))


def test_another_machines_draft_is_nobodys_after_a_day(tmp_path):
    theirs = draft(tmp_path, "00000000", 1, age=2 * drafts.DAY)
    files.write_text(tmp_path / "other.csv", "")
    assert not theirs.exists()


def test_two_drafts_of_one_file_differ_and_keep_its_ending(tmp_path):
    one, two = (drafts.draft_beside(tmp_path / "a.nii.gz") for _ in range(2))
    assert one != two
    assert one.name.endswith("-a.nii.gz")
    assert one.parent == tmp_path


def test_a_killed_writers_draft_goes_with_the_same_command(tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path; from headstart.common import files\n"
        "with files.temporary(Path(sys.argv[1])) as draft:\n"
        "    draft.write_text('half')\n"
        "    if len(sys.argv) > 2: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", script, tmp_path / "volumes.npy"]
    assert subprocess.run([*command, "die"], check=False).returncode < 0
    assert len(list(tmp_path.iterdir())) == 1
    assert subprocess.run(command, check=False).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["volumes.npy"]
