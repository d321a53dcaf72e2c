"""A run's path: how it lies on the disk, and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.common.errors import UserError
from headstart.common.run_id import RunId
from headstart.common.run_id import named_by


def test_a_run_has_one_folder_and_one_name() -> None:
    run = RunId("age-2", 12, 3)
    assert run.folder == Path("age-2/main/fold-12/seed-3")
    assert run.name == "age-2/fold-12/seed-3"


@pytest.mark.parametrize("above", ["", "any", "/results/study/predict", "main/fold-0/seed-0"])
def test_a_file_says_which_run_it_belongs_to(above: str) -> None:
    run = RunId("age", 12, 3)
    assert RunId.of(above / run.folder / "predictions.csv") == run


@pytest.mark.parametrize(
    ("folder", "named"),
    [
        ("", ()),
        ("age", ("age",)),
        ("age/main", ("age",)),
        ("main/main/fold-1", ("main", "fold-1")),
        ("age/main/fold-1/seed-2", ("age", "fold-1", "seed-2")),
    ],
)
def test_a_folder_above_a_runs_names_a_part_of_it(folder: str, named: tuple[str, ...]) -> None:
    assert named_by(Path(folder)) == named


@pytest.mark.parametrize(
    "folder",
    [
        "",
        "age/main/fold-1",
        "age/main/fold-1/seed-x",
        "age/main/fold-1/seed-",
        "age/main/seed-1/fold-1",
        "age/other/fold-1/seed-1",
        "main/fold-1/seed-1",
        "age/main/fold-1/seed-1/masks",
    ],
)
def test_a_folder_of_another_name_is_a_users_error(folder: str) -> None:
    with pytest.raises(UserError, match="must end in EXPERIMENT/main/fold-F/seed-S"):
        RunId.of(Path(folder, "predictions.csv"))
