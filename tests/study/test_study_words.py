"""The words of a Snakemake command: which are study files."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.study.study_words import files_in


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("-n --configfile a.yaml", ["a.yaml"]),
        ("--configfile=a.yaml all", ["a.yaml"]),
        ("cohort --configfile a.yaml b.yaml -n", ["a.yaml", "b.yaml"]),
        ("--configfiles a.yaml --cores 2 cohort", ["a.yaml"]),
        ("--configfile a.yaml cohort", ["a.yaml", "cohort"]),
        ("--configfile a.yaml --configfile b.yaml", ["b.yaml"]),
        ("--cores 2 all", []),
    ],
)
def test_the_study_files_of_a_command(line, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert files_in(line.split()) == [Path(name) for name in files]


def test_without_one_it_is_the_default_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/config.yaml").touch()
    assert files_in(["-n"]) == [Path("config/config.yaml")]
