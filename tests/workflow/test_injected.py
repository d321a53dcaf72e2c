"""Names and words that mean something to a shell, to Snakemake or to a browser are only text."""

from __future__ import annotations

from pathlib import Path

import pytest
from fresh import copy_project
from study import Checkout
from study import write_study

SCRIPT = "</script><script>alert(3)</script>"


@pytest.fixture
def strange(tmp_path: Path) -> Checkout:
    """A project and a data root with names that nobody should choose."""
    project = copy_project(tmp_path / "do$llar")
    write_study(project)
    (project / "scans").rename(project / "sc{y}an{shard}s")
    checkout = Checkout(project)
    config = checkout.config() | {"root": "sc{y}an{shard}s"}
    config["experiments"]["age"]["unit"] = SCRIPT
    checkout.configure(config)
    return checkout


def test_braces_in_the_root_are_no_wildcards(strange: Checkout) -> None:
    assert strange.done("tiny/label/labels.csv")["label"] == 1


def test_where_files_are_made_braces_are_refused(strange: Checkout) -> None:
    config = strange.config()
    config["data"] = [{"source": "ixi", "modality": "T1"}]
    strange.configure(config)
    run = strange.snakemake("-n")
    assert run.code == 2
    assert "root: " in run.text
    assert "has braces in its name" in run.text


@pytest.mark.slow
def test_a_script_in_the_config_is_text_in_the_report(strange: Checkout) -> None:
    assert strange.done()["manifest"] == 3
    for name in ("report.html", "snakemake-report.html"):
        report = (strange.study / name).read_text()
        assert "alert(3)" in report
        assert SCRIPT not in report
        assert SCRIPT.replace("/", "\\/") not in report
