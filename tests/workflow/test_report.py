"""The methods of a finished study, and its report: what they say stands in the files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from commands import headstart
from study import Checkout

from headstart.common.run_id import RunId
from headstart.common.text import decimals_of
from headstart.common.text import number_with_interval
from headstart.figures.screen import read_pages
from headstart.study.methods.chapters import as_markup
from headstart.training.card import ModelCard

pytestmark = pytest.mark.slow


def test_methods_say_what_the_files_say(checkout: Checkout) -> None:
    text = headstart(checkout, "methods", "tiny", check_width=False)
    passed = pd.read_csv(checkout.study / "check/passed.csv")
    splits = pd.read_csv(checkout.study / "split/splits.csv")
    card = ModelCard.read(checkout.study / RunId("age", 0, 0).trained)
    assert f"{len(passed)} scans of {passed['subject'].nunique()} subjects were used." in text
    assert f"age: mean {passed['age'].mean():.1f}," in text
    assert f"{splits['test'].sum()} were held out as the test set" in text
    assert (
        "scans with identical voxels and near-duplicate scans in more than one part, and found none"
        in text
    )
    assert "resampled to 4 x 4 x 4 mm" in text
    assert f"was trained on {card.counts.training.scans} scans, with" in text
    assert (
        f"({card.parameters:,} parameters)" in text or f", {card.parameters:,} parameters" in text
    )
    assert f"(epoch {card.chosen_epoch})" in text
    assert f"torch {card.versions['torch']}" in text
    assert "RandomFlip" not in text
    assert "Kerfoot" not in text  # no U-Net was used
    assert "SYNTHETIC" not in text
    for name in ("age", "sex"):
        table = pd.read_csv(checkout.study / "evaluate" / name / "metrics.csv")
        key = table["metric"].iloc[0]
        told = table[(table["metric"] == key) & (table["group"] == "all")]
        network = told[told["model"] == "network"].iloc[0]
        decimals = decimals_of(network["value"], network["ci_low"], network["ci_high"])
        for row in told.itertuples():
            said = number_with_interval(row.value, row.ci_low, row.ci_high, decimals)
            assert said in text

    (checkout.study / RunId("sex", 0, 0).trained / "model.json").unlink()
    text = headstart(checkout, "methods", "tiny", check_width=False)
    assert "sex: left out, because 0 of 1 training finished." in text
    assert "sex, on" not in text


@pytest.mark.parametrize("file", ["check/passed.csv", "split/splits.csv", "split/audit.json"])
def test_a_study_that_ran_in_part_is_no_mistake_of_ours(checkout: Checkout, file: str) -> None:
    (checkout.study / file).unlink()
    done = subprocess.run(
        [sys.executable, "-m", "headstart", "methods", "tiny"],
        cwd=checkout.folder,
        env=checkout.environment() | {"PYTHONPATH": "workflow"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"{file}: is not there yet" in done.stderr


def test_snakemake_s_report_tells_the_story_in_order(finished_study: Path) -> None:
    page = (finished_study / "results/tiny/snakemake-report.html").read_text()
    headings = ["Data", "Split", "Preparation", "Training", "Results", "Versions", "To cite"]
    places = [page.index(f"<h1>{name}</h1>") for name in headings]
    assert places == sorted(places)
    assert "system-message" not in page
    assert "Every file was read in full" in page
    for category in ("1. Data and exclusions", "2. Split and balance", "3. Learning curves"):
        assert category in page
    assert "4. Results beside baselines" in page
    assert "SYNTHETIC" not in page


def test_the_report_has_every_figure_and_result(finished_study: Path) -> None:
    folder = finished_study / "results/tiny"
    page = (folder / "report.html").read_text()
    assert "is not there yet" not in page
    assert "No result yet" not in page
    assert "SYNTHETIC" not in page
    for name in ("age", "sex"):
        table = pd.read_csv(folder / "evaluate" / name / "metrics.csv")
        value = table["value"].iloc[0]
        assert number_with_interval(value, None, None)[:3] in page
    drawn = sum(len(read_pages(path)) for path in folder.glob("figures/*/*.svg"))
    assert page.count("data:image/svg+xml") == drawn > 9
    assert "## Data" in (folder / "methods.md").read_text()
    assert "@misc{" in (folder / "references.bib").read_text()


def test_figures_say_that_scans_are_made_up_only_where_they_are(finished_study: Path) -> None:
    folder = finished_study / "results/tiny"
    figures = list(folder.glob("figures/*/*.pdf"))
    assert len(figures) == 5 + 2 + 2  # the cohort's, and those of two experiments
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler-utils)")
    for figure in figures:
        text = subprocess.run(["pdftotext", figure, "-"], capture_output=True, check=True).stdout
        assert b"SYNTHETIC" not in text


def test_markup_is_escaped() -> None:
    text = as_markup("a_b c_ *d* `e` |f|, and age_\n---\n")
    assert re.sub(r"\\(.)", r"\1", text) == "a_b c_ *d* `e` |f|, and age_\n---\n"
    assert text.startswith(r"a_b c\_ \*d\* \`e\`")
