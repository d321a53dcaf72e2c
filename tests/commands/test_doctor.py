"""`headstart doctor` from outside."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from fresh import PROJECT
from study import Checkout
from study import write_study

from headstart import cli
from headstart.cluster import machine
from headstart.planning.doctor import file_system


def doctor(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str]:
    code = cli.main(["doctor", *map(str, words)])
    return code, capsys.readouterr().out


@pytest.fixture
def tiny(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "config").mkdir()
    write_study(tmp_path)
    config = Checkout(tmp_path).config()
    config |= {"root": str(tmp_path / "scans"), "results": str(tmp_path / "results")}
    config["prepare"] |= {"window": [64, 64, 64]}
    config["experiments"]["age"]["train"] |= {"network": "sfcn"}
    return config


def test_environment_is_compared_with_the_lock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/lock.txt").write_text("numpy==0.0.1\nno-such-package==1.0\n")
    code, text = doctor(capsys, "--project", tmp_path)
    assert code == 2
    assert "instead of 0.0.1" in text
    assert "TO FIX: not installed: no-such-package" in text
    assert "snakemake" in doctor(capsys, "--project", PROJECT)[1]


def test_study_that_fits(
    tmp_path: Path, tiny: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny))
    code, text = doctor(capsys, "--configfile", path, "--project", tmp_path)
    assert code == 0, text
    assert "12 scans: prepared volumes take 6.29 MB" in text
    assert "age: sfcn, 4 windows of 64x64x64 in a step fill about" in text
    assert "sex: tiny_net.py:Net is your own; its memory is not known" in text


def test_every_fold_and_seed_takes_its_place_on_the_disk(
    tmp_path: Path, tiny: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    tiny["experiments"] = {"age": tiny["experiments"]["age"] | {"folds": [0, 1], "seeds": [0, 1]}}
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny))
    _, text = doctor(capsys, "--configfile", path, "--project", tmp_path)
    assert "the runs about 189 MB" in text  # 16 bytes for each of 2.95 million weights, four times


def test_study_that_does_not_fit(
    tmp_path: Path,
    tiny: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = machine.Place("a small machine", 1e9, gpu=False, cores=1)
    monkeypatch.setattr(machine, "this_machine", lambda: small)
    tiny["data"][0]["path"] = "elsewhere"
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny))
    code, text = doctor(capsys, "--configfile", path, "--project", tmp_path)
    assert code == 2
    assert "TO FIX: age: sfcn" in text
    assert "take a smaller batch_size" in text
    assert "elsewhere: this folder is not there" in text


def test_file_system_of_a_folder() -> None:
    assert file_system(Path("/proc")) in ("proc", None)


def test_home_without_a_place_for_caches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc/nohome")
    code, text = doctor(capsys, "--project", tmp_path)
    assert code == 2
    [line] = [line for line in text.splitlines() if "/proc/nohome" in line]
    assert f"export XDG_CACHE_HOME={tmp_path}/results/.cache" in line
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "results/.cache"))
    assert doctor(capsys, "--project", tmp_path)[0] == 0


def test_file_system_without_locks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)
    code, text = doctor(capsys, "--project", tmp_path)
    assert code == 2
    assert f"TO FIX: {tmp_path}: no file can be locked there" in text


def test_packages_of_a_sites_module(tmp_path: Path) -> None:
    """They neither break a command nor come before the environment's; doctor names them."""
    (tmp_path / "modules/pandas").mkdir(parents=True)
    (tmp_path / "modules/pandas/__init__.py").write_text("raise ImportError('for Python 2.7')\n")
    done = subprocess.run(
        [sys.executable, "-m", "headstart", "doctor", "--project", tmp_path],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}/modules:{PROJECT}/workflow"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"TO FIX: PYTHONPATH puts pandas of {tmp_path}/modules before" in done.stdout
    assert "our mistake" not in done.stderr
