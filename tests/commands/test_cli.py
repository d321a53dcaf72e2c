"""The command line: exit codes, errors in one line, and what is not imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from headstart import cli


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from headstart.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'monai', 'torchio', 'pandas', 'matplotlib', 'pydantic'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for name in (*cli.STAGES, *cli.HELPS):
        assert name in run.stdout


@pytest.mark.parametrize("name", ["label", "check", "split", "audit", "evaluate"])
def test_a_table_stage_starts_without_the_heavy_libraries(name: str) -> None:
    code = f"import sys, headstart.commands.{name}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "monai", "torchio", "sklearn", "matplotlib", "nilearn", "snakemake"}
    heavy |= {"scipy.ndimage", "scipy.stats"}  # nibabel looks whether there is a scipy
    # a stage knows its own part of the settings: its code must not rest on all of them
    assert not (heavy | {"headstart.study.settings"}) & set(done.stdout.split())


@pytest.mark.parametrize("name", [*cli.STAGES, *cli.HELPS])
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([name, "--help"])
    assert left.value.code == 0
    assert f"headstart {name}" in capsys.readouterr().out


def test_users_mistake_is_one_line_and_code_2(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    data = '[{"source": "own", "channels": {"T1": "{subject}.nii"}}]'
    settings = f'{{"data": {data}, "shards": 1, "max_rejected": 1}}'
    words = ["label", "--settings", settings, "--data", f"{tmp_path}/none", "--output", "."]
    assert cli.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "none/own: this folder is not there" in line


def test_unknown_command_is_code_2() -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["trian"])
    assert left.value.code == 2
