"""What is compared before code is said to give the same results."""

from __future__ import annotations

from pathlib import Path

import pytest
from same_results import differences

from headstart.common.run_id import RunId


def write(study: Path, history: str, weights: bytes) -> Path:
    run = study / RunId("age", 0, 0).trained
    run.mkdir(parents=True)
    (run / "history.csv").write_text(history)
    (run / "model.safetensors").write_bytes(weights)
    return study


@pytest.mark.parametrize(
    ("history", "weights", "found"),
    [
        ("epoch,loss,seconds\n1,0.5,7\n", b"w", []),
        ("epoch,loss,seconds\n1,0.6,7\n", b"w", ["history.csv: differs"]),
        ("epoch,loss,seconds\n1,0.5,7\n", b"v", ["model.safetensors: differs"]),
    ],
)
def test_clocks_may_differ_and_nothing_else(
    history: str, weights: bytes, found: list[str], tmp_path: Path
) -> None:
    one = write(tmp_path / "one", "epoch,loss,seconds\n1,0.5,6\n", b"w")
    other = write(tmp_path / "other", history, weights)
    assert [text.rpartition("/")[2] for text in differences(one, other)] == found


def test_what_only_one_has_is_a_difference(tmp_path: Path) -> None:
    one = write(tmp_path / "one", "epoch\n1\n", b"w")
    (tmp_path / "other").mkdir()
    assert all(text.endswith("only one has it") for text in differences(one, tmp_path / "other"))
    assert len(list(differences(one, tmp_path / "other"))) == 2
