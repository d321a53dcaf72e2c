"""`headstart doctor` from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from fresh import PROJECT
from study import Checkout
from study import write_study

from headstart import cli
from headstart.helps.doctor import file_system
from headstart.parts import machine


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
    assert "TO MEND: not installed: no-such-package" in text
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


def test_study_that_does_not_fit(
    tmp_path: Path,
    tiny: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = machine.Place("a small machine", 1e9, card=False, cores=1)
    monkeypatch.setattr(machine, "this_machine", lambda: small)
    tiny["data"][0]["path"] = "elsewhere"
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny))
    code, text = doctor(capsys, "--configfile", path, "--project", tmp_path)
    assert code == 2
    assert "TO MEND: age: sfcn" in text
    assert "take a smaller batch_size" in text
    assert "elsewhere: this folder is not there" in text


def test_file_system_of_a_folder() -> None:
    assert file_system(Path("/proc")) in ("proc", None)
