"""Trainings that start from another experiment of the study, and from a file."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest
from safetensors.torch import load_file
from safetensors.torch import save_file
from study import FROM_COMPARED
from study import FROM_TRAINING
from study import Checkout
from study import planned

from headstart.common.run_id import RunId
from headstart.training.card import ModelCard

pytestmark = pytest.mark.slow

AGE, CHILD = RunId("age", 0, 0), RunId("child", 0, 0)


def add(checkout: Checkout, **train: object) -> str:
    """Add an experiment that starts from something; return the card of its training."""
    config = checkout.config()
    config["experiments"]["child"] = {"like": "age", "train": train}
    checkout.configure(config)
    return f"tiny/{CHILD.trained}/model.json"


def set_epochs(checkout: Checkout, number: int) -> None:
    """Set those of the experiment age; the one that is like it keeps its own."""
    config = checkout.config()
    config["experiments"]["age"]["train"]["epochs"] = number
    checkout.configure(config)


def card(checkout: Checkout, run: RunId) -> ModelCard:
    return ModelCard.read(checkout.study / run.trained)


def test_what_starts_from_an_experiment_follows_it(checkout: Checkout) -> None:
    target = add(checkout, start={"from": "age", "rate": {"head": 0.5}}, epochs=2)
    assert checkout.done(target) == Counter(train=1)
    begun = card(checkout, CHILD)
    assert begun.parent == card(checkout, AGE).key
    assert begun.start is not None
    assert (begun.start.kind, begun.start.known) == ("experiment", True)
    assert "start from age, sha256" in (checkout.study / CHILD.log).read_text()

    # another parent is another child, and what is put back trains nobody
    set_epochs(checkout, 3)
    run = checkout.snakemake(target)
    assert "child (fold 0, seed 0): age, which it starts from, is another one" in run.text
    assert run.jobs == Counter(train=2)
    assert card(checkout, CHILD).parent == card(checkout, AGE).key != begun.parent
    set_epochs(checkout, 2)
    assert checkout.done(target) == Counter(train=2)
    assert card(checkout, CHILD).key == begun.key
    for one in (AGE, CHILD):
        assert "already finished" in (checkout.study / one.log).read_text()
    assert not checkout.planned(target)


def test_what_starts_from_a_file_is_told_of_and_follows_it(checkout: Checkout) -> None:
    file = checkout.folder / "w.safetensors"
    shutil.copy(checkout.study / AGE.trained / "model.safetensors", file)
    add(checkout, start=file.name)
    assert checkout.done() == FROM_TRAINING + FROM_COMPARED
    story = " ".join((checkout.study / "methods.rst").read_text().split())
    assert "beginning from w.safetensors (sha256 " in story
    assert "it may have seen subjects that are held out here" in story
    save_file({name: tensor * 2 for name, tensor in load_file(file).items()}, file)
    run = checkout.snakemake("-n")
    assert "child (fold 0, seed 0): w.safetensors is another file" in run.text
    assert planned(run.text) == FROM_TRAINING + FROM_COMPARED


def test_who_has_seen_the_held_out_is_refused_before_it_trains(checkout: Checkout) -> None:
    """The network of fold 0 has seen who is held out by fold 1."""
    file = f"results/tiny/{AGE.trained}/model.safetensors"
    add(checkout, start=file)
    config = checkout.config()
    config["experiments"]["child"]["folds"] = [1]
    checkout.configure(config)
    run = checkout.snakemake(f"tiny/{RunId('child', 1, 0).trained}/model.json")
    assert run.code != 0
    assert "that fold 1 or the test holds out (" in run.text
    assert "Start from an experiment of this study" in run.text
    assert not list(checkout.study.glob("runs/*/attempt-*/checkpoint.pt"))
