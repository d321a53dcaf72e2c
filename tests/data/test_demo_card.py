"""The card of the demo's cohort: whose scans are made up, and whose are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.data.config import Source
from headstart.data.demo_card import DemoCard
from headstart.data.demo_card import synthetic

CARD = DemoCard(seed=1, subjects=10, broken=1, files=3, sha256="0" * 64)
OWN = Source(source="own", path="site/layout", channels={"T1": "{subject}.nii"})


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert DemoCard.read(tmp_path) is None
    CARD.write(tmp_path)
    assert DemoCard.read(tmp_path) == CARD
    assert '"SYNTHETIC": true' in (tmp_path / "cohort.json").read_text()


@pytest.mark.parametrize("folder", ["site", "site/layout"])
def test_scans_in_a_folder_of_the_demo_are_made_up(tmp_path: Path, folder: str) -> None:
    assert not synthetic([OWN], tmp_path)
    CARD.write(tmp_path / folder)
    assert synthetic([OWN], tmp_path)


def test_the_source_demo_is_made_up(tmp_path: Path) -> None:
    assert synthetic([OWN, OWN.model_copy(update={"source": "demo"})], tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", '{"subjects": 10}', '{"SYNTHETIC": false}'])
def test_a_file_of_the_same_name_is_no_card(tmp_path: Path, text: str) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/cohort.json").write_text(text)
    assert not synthetic([OWN], tmp_path)


@pytest.mark.parametrize("text", ['{"SYNTHETIC": true}', '{"SYNTHETIC": true, "old": 1}'])
def test_a_card_of_another_version_still_marks_its_scans(tmp_path: Path, text: str) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/cohort.json").write_text(text)
    assert synthetic([OWN], tmp_path)
    assert DemoCard.read(tmp_path / "site") is None  # and is made again
