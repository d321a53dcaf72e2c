"""Code counts by what it computes: six edits of it, and what each makes a finished study do."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import shown
from study import CONFIG
from study import FROM_BOTH_TRAININGS
from study import Checkout

from headstart.common.run_id import RunId

pytestmark = pytest.mark.slow

LOSSES = "workflow/headstart/training/losses.py"
HUBER = ("functional.huber_loss", "functional.smooth_l1_loss")
TRAINED = [f"tiny/{RunId(name, 0, 0).trained}/model.json" for name in ("age", "sex")]


def commented(losses: Path) -> None:
    losses.write_text("# a comment\n" + losses.read_text())


def reworded(losses: Path) -> None:
    file = losses.with_name("own_modules.py")
    assert "has no class" in file.read_text()
    file.write_text(file.read_text().replace("has no class", "lacks the class"))


def formatted(losses: Path) -> None:
    losses.write_text(ast.unparse(ast.parse(losses.read_text())))


def moved(losses: Path) -> None:
    """Move a function into a module of its own."""
    text = losses.read_text()
    (moving,) = (n for n in ast.parse(text).body if getattr(n, "name", "") == "cross_entropy")
    source = ast.get_source_segment(text, moving)
    assert source is not None
    head = text[: text.index("def cross_entropy")]
    losses.with_name("moved.py").write_text(f"{head}{source}\n")
    here = "from headstart.training.moved import cross_entropy\n"
    losses.write_text(
        text.replace(source, "").replace("from torch import", f"{here}from torch import", 1)
    )


def account_for(checkout: Checkout, *words: str) -> None:
    """Write down a change of the code as its author does; without words: the same results."""
    program = f"import same_results; same_results.write(*{words!r})"
    folders = {"PYTHONPATH": os.pathsep.join(("tests", "workflow"))}
    environment = checkout.environment() | folders
    subprocess.run(
        [sys.executable, "-c", program], cwd=checkout.folder, env=environment, check=True
    )


def plan(checkout: Checkout) -> str:
    code, lines = shown(checkout, "-n", *CONFIG)
    assert code == 0
    return "\n".join(lines)


@pytest.mark.parametrize("edit", [commented, reworded, formatted, moved])
def test_a_release_that_computes_the_same_runs_nothing(
    edit: Callable[[Path], None], checkout: Checkout
) -> None:
    edit(checkout.folder / LOSSES)
    account_for(checkout)
    assert plan(checkout) == "tiny: nothing to do, all is there: `headstart status tiny`"


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("training/loop.py", " to learn from, ", " for training, "),
        ("training/diagnosis.py", "to a tenth", "to a half"),
        ("common/machine_words.py", "free some space", "make room"),
    ],
)
def test_words_of_the_users_own_run_nothing(
    checkout: Checkout, file: str, before: str, after: str
) -> None:
    checkout.edit(f"workflow/headstart/{file}", before, after)
    assert plan(checkout) == "tiny: nothing to do, all is there: `headstart status tiny`"


def test_a_release_with_other_results_says_what_is_trained_again(checkout: Checkout) -> None:
    checkout.edit(LOSSES, *HUBER)
    account_for(checkout, "train", "huber is smooth")
    said = plan(checkout)
    for experiment in ("age", "sex"):
        assert f"{experiment} (fold 0, seed 0): train gives other results since huber" in said
    assert checkout.planned() == FROM_BOTH_TRAININGS


def test_a_release_with_other_metrics_trains_nothing(checkout: Checkout) -> None:
    checkout.edit("workflow/headstart/evaluation/evaluate.py", "\ndef ", "\nNEW = 1\n\n\ndef ")
    account_for(checkout, "evaluate", "a metric more")
    said = plan(checkout)
    assert "\n  evaluate gives other results since a metric more\n" in said
    assert "trained again" not in said
    assert checkout.planned() == FROM_BOTH_TRAININGS - Counter(train=2, predict=2)


def test_an_edit_of_the_users_runs_what_rests_on_it(checkout: Checkout) -> None:
    checkout.edit(LOSSES, *HUBER)
    assert "age (fold 0, seed 0): the code of train was edited" in plan(checkout)
    assert checkout.planned() == FROM_BOTH_TRAININGS
    assert checkout.done(*TRAINED) == Counter(train=2)


def test_a_file_that_ones_own_network_imports_counts(checkout: Checkout) -> None:
    (checkout.folder / "blocks.py").write_text("SIDE = 2\n")
    checkout.edit("tiny_net.py", "import torch\n", "import torch\nfrom blocks import SIDE\n")
    checkout.edit("tiny_net.py", "AdaptiveAvgPool3d(2)", "AdaptiveAvgPool3d(SIDE)")
    checkout.done(*TRAINED)
    (checkout.folder / "blocks.py").write_text("SIDE = (2, 2, 2)\n")
    said = "age (fold 0, seed 0): tiny_net.py, or a file that it imports, was edited"
    assert said in plan(checkout)
    assert checkout.planned() == FROM_BOTH_TRAININGS
