"""What the report and the methods say of an experiment's controls."""

from __future__ import annotations

from pathlib import Path

import pytest
from reported import make_finished
from reported import page_of

from headstart.common import study_paths
from headstart.common.records import read_rows
from headstart.common.records import write_rows
from headstart.evaluation.controls import ControlRow
from headstart.evaluation.injected import HOLE
from headstart.evaluation.injected import InjectedRow
from headstart.figures.controls import plot
from headstart.figures.injected import plot as draw_injected
from headstart.figures.style import Stamp
from headstart.study.status import Study

# one group: what they share is made once, not once per process
pytestmark = pytest.mark.xdist_group("controls")

NOISE = {"shuffled": 60.0, "background": 6.0, "quarter": 12.0, "half": 9.0}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study whose background says the age."""
    folder = tmp_path_factory.mktemp("finished")
    study = make_finished(folder, subjects=60, seeds=(0, 1), controls=NOISE)
    metrics = [
        study.folder / study_paths.METRICS.format(experiment=name)
        for name in ("exp", *study.slices.config.controls("exp"))
    ]
    plot(
        settings=study.slices.plot("exp"),
        stamp=Stamp("small", "data", "code", synthetic=False),
        output=study.folder / "figures/exp/controls.pdf",
        metrics=metrics[0],
        controls=metrics[1:],
    )
    injected = study.folder / study_paths.INJECTED.format(experiment="exp")
    answers = [
        InjectedRow(f"sub-{n:02d}", "1", 0, "", dose, str(n), 40 + 3 * dose + n * dose / 10)
        for n in range(20)
        for dose in (0, *HOLE.doses)
    ]
    write_rows(injected, InjectedRow, answers)
    draw_injected(
        settings=study.slices.plot("exp"),
        stamp=Stamp("small", "data", "code", synthetic=False),
        output=study.folder / "figures/exp/injected.pdf",
        injected=injected,
    )
    return study


def section(page: str, name: str) -> str:
    return page.partition(f'id="{name}"')[2].partition("</section>")[0]


def test_a_control_that_warns_stands_with_the_result_and_in_its_section(study: Study) -> None:
    page = page_of(study)
    for name in ("results", "controls"):
        assert section(page, name).count("A warning: trained on the background") == 1
    told = section(page, "controls")
    assert told.count("as it should be") == 1
    assert "with all of the training subjects" in told
    assert told.count("data:image/svg+xml") == 2
    assert "the answer moves by" in told
    # a control is no experiment of its own
    assert "exp-shuffled" not in page.partition('id="spent"')[0]


def test_the_methods_tell_how_controls_were_trained_and_what_they_found(study: Study) -> None:
    page_of(study)
    text = (study.folder / study_paths.METHODS).read_text()
    assert "As controls of exp" in text
    assert "judged by mean absolute error (permuted labels" in text
    assert "and by Pearson's r (the background" in text
    assert "0.5, 1, 1.5 and 2 % of them" in text
    assert "the answer moves by" in text.partition("## Results")[2]
    assert "A warning: trained on the background" in text.partition("## Results")[2]


def test_the_table_holds_the_numbers_that_are_drawn(study: Study) -> None:
    rows = read_rows(study.folder / study_paths.CONTROLS.format(experiment="exp"), ControlRow)
    outcomes = {row.control: row.outcome for row in rows}
    assert outcomes == {
        "constant": "",
        "size": "",
        "none": "",
        "shuffled": "fails",
        "background": "answers",
        "quarter": "",
        "half": "",
    }
    assert {row.protocol for row in rows} == {"test"}


def test_controls_that_are_not_finished_say_nothing(study: Study, tmp_path: Path) -> None:
    path = study.folder / study_paths.CONTROLS.format(experiment="exp")
    kept = path.rename(tmp_path / "controls.csv")
    try:
        page = page_of(study)
    finally:
        kept.rename(path)
    told = section(page, "controls")
    assert "Not finished yet: shuffled, background, learning-curve." in told
    assert "the answer moves by" in told
    assert "A warning" not in page
