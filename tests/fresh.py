"""The project as a newcomer has it: a new copy, an empty home, nothing of one's environment.

One thing is spared: `.venv` is not installed again but borrows the packages of the tests' own
environment, which CI has just installed by `make test` in a fresh clone.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
COMMANDS = {"headstart": "headstart.cli", "snakemake": "snakemake.cli", "pytest": "pytest"}


@dataclass(frozen=True)
class Fresh:
    """A copy of the project and the environment of its user."""

    folder: Path
    environment: dict[str, str]

    def bash(self, script: str, **environment: str) -> str:
        """Run a script in the project's folder; return what it printed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout


def make_fresh(folder: Path) -> Fresh:
    """Copy the project, and give it an environment."""
    home = folder / "home"
    home.mkdir(parents=True)
    project = copy_project(folder / "headstart")
    borrow_packages(project)
    path = "/usr/local/bin:/usr/bin:/bin"
    return Fresh(project, {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8", "TERM": "dumb"})


def copy_project(target: Path) -> Path:
    """Copy what git has, or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, target / name, follow_symlinks=False)
    return target


def borrow_packages(project: Path) -> None:
    """Make `.venv`, whose packages are those of the running Python."""
    venv = project / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(f"{project}/workflow\n{sysconfig.get_path('purelib')}\n")
    write_commands(venv / "bin/python")
    # what make looks at: nothing is left to install
    for stamp in ("python", "run", "dev"):
        (venv / stamp).touch()


def write_commands(python: Path) -> None:
    """Put beside a Python the commands that pip would have put there."""
    for name, module in COMMANDS.items():
        script = python.with_name(name)
        script.write_text(f"#!{python}\nimport sys\nfrom {module} import main\nsys.exit(main())\n")
        script.chmod(0o755)
