"""README.md and config/first-week.md to the letter, in a new copy of the project.

The commands are those of the pages. Only the demo and the studies are cut small (tests/cut.py), the
path of README's scans is put in, and `make test` collects its tests but does not run itself.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cut import cut
from fresh import PROJECT
from fresh import Fresh
from fresh import make_fresh
from pages import PAGE
from pages import commands_of
from pages import page_of
from pages import read_script
from pages import script_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("first week")]

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def commands(text: str) -> list[str]:
    """Return the commands in a part of README.md, without the comments beside them."""
    return [re.sub(r"\s+# .*", "", line) for line in commands_of(text)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """A new copy in which README's first commands were run."""
    fresh = make_fresh(tmp_path_factory.mktemp("fresh"))
    cut(fresh.folder / "config/config.yaml")
    install, run, test = commands(section("Try it"))
    assert (install, run, test) == ("make install", "make demo", "make test")
    fresh.bash(install)
    assert "results/demo/figures/age/curves.pdf" in fresh.bash(run)
    # to run all tests here would never end
    said = fresh.bash(test, PYTEST_ADDOPTS="--collect-only -q")
    assert "tests/workflow/test_readme.py" in said
    return fresh


def test_the_page_is_the_script() -> None:
    lines = read_script()
    assert PAGE.read_text(encoding="utf-8") == page_of(lines), "run `python tests/pages.py`"


def test_every_command_of_the_readme_is_run_by_a_test() -> None:
    here = ["Try it", "Your own scans", "Bring the figures home", "When something fails"]
    run = [command for title in here for command in commands(section(title))]
    week = [line.text for line in read_script() if line.command]
    assert set(commands(README)) <= {*run, *week}


def test_readme_to_the_letter(demo: Fresh) -> None:
    shutil.copytree(demo.folder / "data/demo/subjects", demo.folder.parent / "scans")
    activate, init, plan, run, status = commands(section("Your own scans"))
    assert "/path/to/scans" in init
    init = init.replace("/path/to/scans", f"{demo.folder.parent}/scans")
    demo.bash(f"{activate}\n{init}")
    cut(demo.folder / "config/my-study.yaml")
    assert "my-study: what would run" in demo.bash(f"{activate}\n{plan}")
    demo.bash(f"{activate}\n{run}")
    assert (demo.folder / "results/my-study/report.html").exists()
    assert "1 training: 1 finished" in demo.bash(f"{activate}\n{status}")
    demo.bash("\n".join([activate, *commands(section("When something fails"))]))

    pull, by_hand = commands(section("Bring the figures home"))
    said = demo.bash(f"{activate}\n! {pull}")  # test_pull.py goes through a real one
    assert "config/pull.yaml" in said
    config = demo.folder / "config/pull.yaml"
    text = config.read_text().replace("\nuser:", "\nuser: ada").replace("\nfolder:", "\nfolder: r")
    config.write_text(text)
    assert "ssh -J ada@knuckles" in demo.bash(f"{activate}\n{by_hand}")


def test_first_week_on_the_laptop(demo: Fresh) -> None:
    lines = read_script()
    said = demo.bash(script_of(lines, "laptop"))
    assert "the trial went through (at most 8 subjects, 2 epochs)" in said
    assert "knuckles.cs.ucl.ac.uk" in said
    assert "age-learning-rate-3e-4" in said
    with (demo.folder / "new.csv").open(newline="") as file:
        first, *_ = csv.DictReader(file)
    assert list(first)[:6] == ["scan", "rejected", "warning", "target", "unit", "prediction"]
    assert (first["target"], first["unit"]) == ("age", "years")
    assert float(first["prediction"]) > 0
    assert "SYNTHETIC: the scans were made by" in said
    assert "minus baseline" in said


def test_all_that_the_demo_shows_is_stamped_synthetic(demo: Fresh) -> None:
    folder = demo.folder / "results/demo"
    assert "SYNTHETIC: the scans were made by" in (folder / "report.html").read_text()
    figures = sorted(folder.glob("figures/*/*.pdf"))
    assert {figure.parent.name for figure in figures} == {"cohort", "age", "sex", "tissue"}
    if shutil.which("pdftotext") is None and "CI" not in os.environ:
        pytest.skip("needs pdftotext: sudo apt-get install poppler-utils")
    for figure in figures:
        pages = pages_of(figure)
        assert pages
        assert all("SYNTHETIC" in page for page in pages), figure


def pages_of(figure: Path) -> list[str]:
    done = subprocess.run(["pdftotext", figure, "-"], capture_output=True, text=True, check=True)
    return done.stdout.rstrip("\f").split("\f")
