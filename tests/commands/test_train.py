from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from prepared_shards import write_digests
from safetensors.torch import load_file
from small_study import SmallStudy

from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import volumes_of
from headstart.cohort.splits import read_splits
from headstart.cohort.splits import write_splits
from headstart.common.errors import OutOfTimeError
from headstart.common.errors import UserError
from headstart.common.schema import settings_text
from headstart.study.provenance import identity
from headstart.training import loop
from headstart.training import run_store
from headstart.training.card import Count
from headstart.training.card import ModelCard
from headstart.training.checkpoint import newest_checkpoint
from headstart.training.device import choose_device
from headstart.training.inference import load_network
from headstart.training.networks import initial_network
from headstart.training.settings import Publication
from headstart.training.train import train

HARD = {"epochs": 5, "batch_size": 3, "augment": [{"RandomNoise": {}}, {"RandomAffine": {}}]}
PUBLISHED = ("history.csv", "model.safetensors", "model.json")


@pytest.fixture
def study(tmp_path):
    return SmallStudy(tmp_path / "study")


def go(study, run, name="out", code="code", **more):
    output = study.folder / name
    store = study.folder / "runs" / name
    train(
        run=run,
        code=code,
        **study.inputs,
        store=store,
        output=output,
        networks=study.folder,
        device="cpu",
        **more,
    )
    return output


def command(study, run, name, *more, **environment):
    words = ["--settings", settings_text(run), "--code", identity("train")]
    for key, value in study.inputs.items():
        words += [f"--{key}", value]
    words += ["--store", study.folder / "runs" / name, "--output", study.folder / name]
    words += ["--networks", study.folder, "--device", "cpu", *more]
    return subprocess.Popen(
        [sys.executable, "-m", "headstart", "train", *map(str, words)],
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def without(folder, *packages):
    """Make an environment whose Python can't import some packages."""
    lines = ["import sys", *(f"sys.modules[{name!r}] = None" for name in packages)]
    (folder / "sitecustomize.py").write_text("\n".join(lines))
    return {"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


def card_of(output):
    return ModelCard.read(output)


@pytest.mark.parametrize(
    ("task", "columns"),
    [
        ("regression", ["mae", "rmse", "r", "r2"]),
        ("classification", ["log_loss", "balanced_accuracy", "auroc", "accuracy"]),
        ("segmentation", ["dice", "dice_left", "dice_right"]),
    ],
)
def test_each_task_learns(study, capsys, task, columns):
    epochs = 12
    output = go(study, study.run(task, epochs=epochs, learning_rate=0.05))
    assert sorted(path.name for path in output.iterdir()) == sorted(PUBLISHED)
    history = pd.read_csv(output / "history.csv")
    told = [f"{of}_{name}" for of in ("train", "val") for name in ("loss", *columns)]
    names = ["epoch", "learning_rate", *told, "key_metric", "chosen"]
    assert list(history) == names
    assert set(history["key_metric"]) == {columns[0]}
    assert list(history["epoch"]) == list(range(1, epochs + 1))
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    key = history[f"val_{columns[0]}"]
    best = key.idxmax() if task == "segmentation" else key.idxmin()
    assert list(history["epoch"][history["chosen"] == 1]) == [best + 1]
    card = card_of(output)
    assert (card.chosen_epoch, card.chosen_by) == (best + 1, columns[0])
    assert card.counts.held_out == Count(scans=7, subjects=6)
    assert len(card.spent) == epochs
    assert capsys.readouterr().err.count("epoch ") == epochs


def test_what_is_held_out_changes_nothing(study):
    """Neither the held-out fold nor the test subjects are looked at."""
    one = go(study, study.run(), "one")
    study.change_table("age", {0: "999", 1: "999", 20: "999"})
    two = go(study, study.run(), "two")
    for name in PUBLISHED[:2]:
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert card_of(one).cohort_digest == card_of(two).cohort_digest


def test_targets_are_standardised_with_training_subjects(study):
    card = card_of(go(study, study.run(epochs=1)))
    table, splits = pd.read_csv(study.passed), pd.read_csv(study.splits)
    rows = table.merge(splits, on="subject")
    rows = rows[(rows["test"] == 0) & (rows["fold"] != 0) & (rows["validation"] == 0)]
    assert card.task.mean == pytest.approx(rows["age"].mean())
    assert card.task.standard_deviation == pytest.approx(rows["age"].std(ddof=0))


def test_a_network_says_in_which_unit_it_answers_and_is_no_other_for_it(study):
    run = study.run(epochs=1)
    output = go(study, run, code=identity("train"), publication=Publication(unit="years"))
    assert card_of(output).unit == "years"
    weights = (output / "model.safetensors").read_bytes()
    assert command(study, run, "out", "--publication", '{"unit": "y"}').wait() == 0
    assert card_of(output).unit == "y"
    assert (output / "model.safetensors").read_bytes() == weights


def test_choose_last(study):
    output = go(study, study.run(keep="last", epochs=4, learning_rate=1.0))
    assert card_of(output).chosen_epoch == 4


def test_nobody_chooses_where_nobody_is_set_aside(study, capsys):
    splits = read_splits(study.splits)
    write_splits(study.splits, [replace(row, validation=False) for row in splits])
    output = go(study, study.run(keep="last", epochs=2))
    card = card_of(output)
    assert card.counts.validation == Count(scans=0, subjects=0)
    learnt = [row for row in splits if not row.test and row.fold != 0]
    assert card.counts.training.subjects == len(learnt)
    history = pd.read_csv(output / "history.csv")
    assert "train_mae" in history
    assert not any(name.startswith("val_") for name in history)
    assert history["chosen"].tolist() == [0, 1]
    assert "validation loss" not in capsys.readouterr().err


def test_seeds_differ(study):
    one = go(study, study.run(), "one")
    two = go(study, study.run().model_copy(update={"seed": 1}), "two")
    assert (one / "model.safetensors").read_bytes() != (two / "model.safetensors").read_bytes()


def test_killed_and_rerun_has_the_bits_of_an_unbroken_run(study):
    settings = study.run(**HARD)
    unbroken = go(study, settings, "unbroken")
    process = command(study, settings, "broken", SLOW="0.1")
    store = study.folder / "runs" / "broken"
    while not list(store.glob("*/attempt-1/previous.pt")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (study.folder / "broken").exists()

    again = command(study, settings, "broken")
    said = again.communicate()[1]
    assert again.returncode == 0, said
    assert "going on after epoch" in said
    assert [path.name for path in store.glob("*/attempt-*")] == ["attempt-2"]
    assert not list(store.rglob("*.pt"))
    for name in PUBLISHED[:2]:
        assert (study.folder / "broken" / name).read_bytes() == (unbroken / name).read_bytes()
    assert len(card_of(study.folder / "broken").spent) == HARD["epochs"]


def test_a_time_limit_ends_the_command_after_a_step(study):
    marker = study.folder / "out-of-time"
    limit = {"HEADSTART_DEADLINE": "0", "HEADSTART_OUT_OF_TIME": str(marker)}
    process = command(study, study.run(**HARD), "out", **limit)
    said = process.communicate()[1]
    assert process.returncode == os.EX_TEMPFAIL, said
    assert marker.exists()
    assert said.splitlines()[-1].startswith("headstart: out of time")


@pytest.mark.parametrize("task", ["regression", "classification", "segmentation", "patches"])
def test_rounds_under_a_time_limit_have_the_bits_of_an_unbroken_run(
    study, task, monkeypatch, capsys
):
    """A passed deadline leaves time for one step: the run is gone on with at every place."""
    patches = {"sampling": {"patches": [4, 4, 4], "per_scan": 1}} if task == "patches" else {}
    kind = "segmentation" if task == "patches" else task
    settings = study.run(kind, **HARD | {"epochs": 2, "keep": "ema"} | patches)
    unbroken = go(study, settings, "unbroken")
    monkeypatch.setenv("HEADSTART_DEADLINE", "0")
    # of 6 steps, and of the validations between and after them
    for _ in range(6):
        with pytest.raises(OutOfTimeError):
            go(study, settings, "broken")
    broken = go(study, settings, "broken")
    assert "going on after epoch 1, step 2 of the next\n" in capsys.readouterr().err
    for name in PUBLISHED[:2]:
        assert (broken / name).read_bytes() == (unbroken / name).read_bytes()
    assert len(card_of(broken).spent) == 2


@pytest.mark.parametrize("told", [signal.SIGUSR2, signal.SIGTERM])
def test_a_signal_stops_the_run_after_a_step(study, told):
    """USR2 is what Grid Engine says before the end, to a job that is put back into the queue."""
    marker = study.folder / "out-of-time"
    limit = {"HEADSTART_OUT_OF_TIME": str(marker)} if told is signal.SIGUSR2 else {}
    process = command(study, study.run(**HARD), "told", SLOW="0.2", **limit)
    while not list((study.folder / "runs/told").glob("*/attempt-1/checkpoint.pt")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(told)
    said = process.communicate()[1]
    assert "Traceback" not in said
    assert marker.exists() == bool(limit)
    if limit:
        assert process.returncode == os.EX_TEMPFAIL, said
        assert "headstart: out of time" in said
    else:
        assert process.returncode == 128 + signal.SIGTERM, said
        assert said.splitlines()[-1].startswith("headstart: stopped (SIGTERM); ")
    ((attempt,),) = (run_store.attempts_at(run) for run in (study.folder / "runs/told").iterdir())
    # whoever comes next, on another machine too, need not wait
    assert (attempt / "heartbeat").stat().st_mtime == 0
    assert not list(attempt.glob(".*"))


def test_a_warning_is_answered_by_a_checkpoint_in_mid_epoch(study):
    """USR1 says that the job may be suspended: what there is is kept, and the work goes on."""
    process = command(study, study.run(**HARD), "told", SLOW="0.3")
    store = study.folder / "runs/told"
    while not list(store.glob("*/attempt-1/checkpoint.pt")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    steps = set()
    while process.poll() is None and not steps - {0}:
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.2)
        for run in store.iterdir():
            steps.add(newest_checkpoint(run)["progress"]["step"])
    assert steps - {0}
    assert process.wait() == 0, process.stderr.read()


def test_a_gpu_job_never_trains_on_the_cpu_in_silence(monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    monkeypatch.setenv("HEADSTART_DEVICE", "cuda")
    with pytest.raises(UserError, match=r"a GPU is asked for, but torch .* sees none"):
        choose_device("auto")
    assert choose_device("cpu").type == "cpu"


def stop_in_the_last_epoch(study, settings, name, monkeypatch):
    """Leave a run as a kill after its last checkpoint but one does; return its newest attempt."""
    with monkeypatch.context() as patch:
        # before the last epoch is validated
        patch.setattr(loop, "validate", dying_in_call(loop.validate, settings.train.epochs))
        with pytest.raises(KeyboardInterrupt):
            go(study, settings, name)
    (run,) = (study.folder / "runs" / name).iterdir()
    return run_store.attempts_at(run)[-1]


def dying_in_call(function, number):
    """Make a function that is killed in its so-manieth call."""
    calls = iter(range(1, number))

    def call(*arguments, **named):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return function(*arguments, **named)

    return call


def torn(content):
    return content[:1000]


def with_a_bit_lost(content):
    """In the middle of the largest tensor: its number would change, and no more."""
    with zipfile.ZipFile(io.BytesIO(content)) as members:
        largest = max(members.infolist(), key=lambda member: member.file_size)
        begin = content.index(members.read(largest))
    middle = begin + largest.file_size // 2
    return content[:middle] + bytes([content[middle] ^ 8]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [torn, with_a_bit_lost])
def test_a_damaged_checkpoint_is_passed_over(study, capsys, monkeypatch, damage):
    settings = study.run(**HARD)
    unbroken = go(study, settings, "unbroken")
    attempt = stop_in_the_last_epoch(study, settings, "broken", monkeypatch)
    checkpoint = attempt / "checkpoint.pt"
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    go(study, settings, "broken")
    said = capsys.readouterr().err
    assert "checkpoint.pt: damaged" in said
    assert "going on after epoch 3" in said
    for name in PUBLISHED[:2]:
        assert (study.folder / "broken" / name).read_bytes() == (unbroken / name).read_bytes()


def test_killed_after_the_last_epoch(study, monkeypatch):
    unbroken = go(study, study.run(), "unbroken")

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_store, "finish", die)
        with pytest.raises(KeyboardInterrupt):
            go(study, study.run())
    output = go(study, study.run())
    for name in PUBLISHED[:2]:
        assert (output / name).read_bytes() == (unbroken / name).read_bytes()


def test_already_finished_is_published_without_torch(study):
    settings = study.run()
    assert command(study, settings, "out").wait() == 0
    output = study.folder / "out"
    first = {name: (output / name).read_bytes() for name in PUBLISHED}
    for name in PUBLISHED:
        (output / name).unlink()
    hidden = study.folder / "hidden"
    hidden.mkdir()
    again = command(study, settings, "out", **without(hidden, "torch", "monai", "torchio"))
    said = again.communicate()[1]
    assert again.returncode == 0, said
    assert "already finished" in said
    assert {name: (output / name).read_bytes() for name in PUBLISHED} == first


def test_an_own_network_needs_neither_monai_nor_torchio(study):
    hidden = without(study.folder, "monai", "torchio")
    process = command(study, study.run(epochs=1), "out", **hidden)
    said = process.communicate()[1]
    assert process.returncode == 0, said


def test_an_own_network_that_fails_is_the_user_s_to_mend(study):
    network = study.folder / "net.py"
    network.write_text(
        f"import importlib\nimportlib.import_module('absent')\n{network.read_text()}"
    )
    process = command(study, study.run(epochs=1), "out")
    said = process.communicate()[1]
    assert process.returncode == 2
    assert "net.py:Net can't be loaded: ModuleNotFoundError: No module named 'absent'" in said
    assert "Traceback" not in said


def test_what_makes_another_run(study):
    store = study.folder / "runs" / "out"
    go(study, study.run(epochs=1))
    go(study, study.run(epochs=1))
    assert len(list(store.iterdir())) == 1
    go(study, study.run(epochs=2))
    go(study, study.run(epochs=1), code="edited")
    study.change_table("age", {2: "55"})
    go(study, study.run(epochs=1))
    network = study.folder / "net.py"
    network.write_text(network.read_text() + "# edited\n")
    go(study, study.run(epochs=1))
    assert len(list(store.iterdir())) == 5


def test_a_diverging_loss_is_the_user_s_to_mend(study):
    settings = study.run(learning_rate=10, loss="mse", epochs=200, warmup=0)
    network = study.folder / "net.py"
    # without batch norm the weights run away
    network.write_text(
        network.read_text().replace("nn.BatchNorm3d(width), nn.ReLU()", "Cube()") + CUBE
    )
    with pytest.raises(
        UserError, match=r"the loss is \S+ in epoch \d+ .* lower train.learning_rate"
    ):
        go(study, settings)
    assert not (study.folder / "out").exists()


CUBE = """
class Cube(nn.Module):
    def forward(self, x):
        return x ** 9
"""


@pytest.mark.parametrize(
    ("train_settings", "message"),
    [
        ({"network": "net.py:Dense"}, "net.py:Dense gives an output of shape"),
        ({"network_arguments": {"widht": 3}}, r"train\.network_arguments: .* allowed: width"),
    ],
)
def test_settings_that_do_not_fit(study, train_settings, message):
    with pytest.raises(UserError, match=message):
        go(study, study.run(**train_settings))


@pytest.mark.parametrize(
    ("validation", "part", "settings"),
    [
        (False, "validation", {}),
        (False, "validation", {"keep": "last", "patience": 2}),
        (True, "training", {}),
    ],
)
def test_an_empty_part_is_named(study, validation, part, settings):
    splits = read_splits(study.splits)
    in_folds = [row if row.test else replace(row, validation=validation) for row in splits]
    write_splits(study.splits, in_folds)
    with pytest.raises(UserError, match=f"fold 0 has nobody with a age in its {part} part"):
        go(study, study.run(**settings))


def test_another_window_is_named(study):
    with pytest.raises(UserError, match="run the stage prepare again"):
        go(study, study.run().model_copy(update={"window": (16, 16, 16)}))


def test_deep_supervision_trains_every_head_and_predicts_at_full_resolution(study):
    arguments = {"channels": [4, 4, 4], "blocks": [1, 1, 1]}
    settings = {"network": "resenc_unet", "network_arguments": arguments, "epochs": 1}
    run = study.run("segmentation", **settings, deep_supervision=True)
    output = go(study, run)
    initial = initial_network(run, card_of(output).task, study.folder).state_dict()
    trained = load_file(output / "model.safetensors")
    heads = [name for name in trained if name.startswith("heads.")]
    assert len(heads) == 4  # a weight and a bias at each of two resolutions
    assert not any(torch.equal(trained[name], initial[name]) for name in heads)
    loaded = load_network(output, card_of(output), None, "cpu")
    assert loaded.network(torch.zeros(1, 1, 8, 8, 8)).shape == (1, 3, 8, 8, 8)


def test_class_weights(study):
    output = go(study, study.run("classification", class_weights=True, epochs=1))
    card = card_of(output)
    assert card.task.classes == ("F", "M")
    table = pd.read_csv(study.passed).merge(pd.read_csv(study.splits), on="subject")
    learnt = table[(table["test"] == 0) & (table["fold"] != 0) & (table["validation"] == 0)]["sex"]
    assert card.task.weights == tuple(len(learnt) / (2 * (learnt == sex).sum()) for sex in "FM")
    assert card_of(go(study, study.run("classification", epochs=1), "no")).task.weights == ()


@pytest.mark.parametrize("part", ["training", "validation"])
def test_a_scan_that_is_not_finite_is_named_and_not_the_learning_rate(study, part):
    learns = [row for row in read_splits(study.splits) if not row.test and row.fold != 0]
    subject = next(r.subject for r in learns if r.validation == (part == "validation"))
    for path in study.prepared.glob("shard-?.json"):
        volumes = np.load(volumes_of(path))
        for scan in ShardCard.read(path).scans:
            if scan.subject == subject:
                volumes[scan.index] = np.nan
        np.save(volumes_of(path), volumes)
        write_digests(path)
    with pytest.raises(UserError, match=f"prepared volume of subject {subject}, session 1 is not"):
        go(study, study.run(epochs=1))
