from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch
from small_study import SmallStudy

from headstart.parts.errors import UserError
from headstart.parts.networks import choose_device
from headstart.parts.provenance import code_digest
from headstart.stages.train import learning_rate
from headstart.stages.train import train

HARD = {"epochs": 5, "batch_size": 3, "augment": [{"RandomNoise": {}}, {"RandomAffine": {}}]}
PUBLISHED = ("history.csv", "model.safetensors", "model.json")


@pytest.fixture
def study(tmp_path):
    return SmallStudy(tmp_path / "study")


def go(study, settings, name="out", code="code", **more):
    output = study.folder / name
    store = study.folder / "runs" / name
    train(
        settings=settings,
        code=code,
        **study.inputs,
        store=store,
        output=output,
        networks=study.folder,
        device="cpu",
        **more,
    )
    return output


def command(study, settings, name, **environment):
    words = ["--settings", json.dumps(settings), "--code", code_digest("train")]
    for key, value in study.inputs.items():
        words += [f"--{key}", value]
    words += ["--store", study.folder / "runs" / name, "--output", study.folder / name]
    words += ["--networks", study.folder, "--device", "cpu"]
    return subprocess.Popen(
        [sys.executable, "-m", "headstart", "train", *map(str, words)],
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def card_of(output):
    return json.loads((output / "model.json").read_text())


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
    output = go(study, study.settings(task, epochs=epochs, learning_rate=0.05))
    assert sorted(path.name for path in output.iterdir()) == sorted(PUBLISHED)
    history = pd.read_csv(output / "history.csv")
    start = ["epoch", "learning_rate", "train_loss", "inner_loss"]
    assert list(history) == [*start, *(f"inner_{name}" for name in columns), "chosen"]
    assert list(history["epoch"]) == list(range(1, epochs + 1))
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    key = history[f"inner_{columns[0]}"]
    best = key.idxmax() if task == "segmentation" else key.idxmin()
    assert list(history["epoch"][history["chosen"] == 1]) == [best + 1]
    card = card_of(output)
    assert card["chosen_epoch"] == best + 1
    assert card["counts"]["held_out"] == {"scans": 7, "subjects": 6}
    assert card["parent"] is None
    assert len(card["seconds_per_epoch"]) == epochs
    assert capsys.readouterr().err.count("epoch ") == epochs


def test_what_is_held_out_changes_nothing(study):
    """Neither the held-out fold nor the test subjects are looked at."""
    one = go(study, study.settings(), "one")
    study.change_table("age", {0: "999", 1: "999", 20: "999"})
    two = go(study, study.settings(), "two")
    for name in PUBLISHED[:2]:
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert card_of(one)["cohort_digest"] == card_of(two)["cohort_digest"]


def test_targets_are_standardised_with_training_subjects(study):
    card = card_of(go(study, study.settings(epochs=1)))
    table, splits = pd.read_csv(study.passed), pd.read_csv(study.splits)
    rows = table.merge(splits, on="subject")
    rows = rows[(rows["test"] == 0) & (rows["fold"] != 0) & (rows["inner"] == 0)]
    assert card["target_mean"] == pytest.approx(rows["age"].mean())
    assert card["target_deviation"] == pytest.approx(rows["age"].std(ddof=0))


def test_choose_last(study):
    output = go(study, study.settings(choose="last", epochs=4, learning_rate=1.0))
    assert card_of(output)["chosen_epoch"] == 4


def test_workers_change_no_bit(study):
    settings = study.settings(**HARD)
    none, two = go(study, settings, "none"), go(study, settings, "two", workers=2)
    for name in PUBLISHED[:2]:
        assert (none / name).read_bytes() == (two / name).read_bytes()


def test_seeds_differ(study):
    one = go(study, study.settings(), "one")
    two = go(study, study.settings() | {"seed": 1}, "two")
    assert (one / "model.safetensors").read_bytes() != (two / "model.safetensors").read_bytes()


def test_killed_and_rerun_has_the_bits_of_an_unbroken_run(study):
    settings = study.settings(**HARD)
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
    assert len(list(store.glob("*/attempt-2/checkpoint.pt"))) == 1
    for name in PUBLISHED[:2]:
        assert (study.folder / "broken" / name).read_bytes() == (unbroken / name).read_bytes()
    assert len(card_of(study.folder / "broken")["seconds_per_epoch"]) == HARD["epochs"]


def test_rounds_under_a_time_limit_have_the_bits_of_an_unbroken_run(study):
    settings = study.settings(**HARD)
    unbroken = go(study, settings, "unbroken")
    marker = study.folder / "out-of-time"
    codes = []
    for _ in range(HARD["epochs"]):
        marker.unlink(missing_ok=True)
        # a deadline that has passed leaves time for one epoch, never for a second one
        limit = {"HEADSTART_DEADLINE": "0", "HEADSTART_OUT_OF_TIME": str(marker)}
        round_ = command(study, settings, "broken", **limit)
        said = round_.communicate()[1]
        codes.append(round_.returncode)
        assert marker.exists() == (round_.returncode != 0)
        assert "Traceback" not in said
    assert codes == [os.EX_TEMPFAIL] * 4 + [0]
    for name in PUBLISHED[:2]:
        assert (study.folder / "broken" / name).read_bytes() == (unbroken / name).read_bytes()


def test_signal_before_the_end_stops_the_run_after_an_epoch(study):
    process = command(
        study,
        study.settings(**HARD),
        "told",
        SLOW="0.2",
        HEADSTART_OUT_OF_TIME=str(study.folder / "out-of-time"),
    )
    while not list((study.folder / "runs/told").glob("*/attempt-1/checkpoint.pt")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGUSR2)
    said = process.communicate()[1]
    assert process.returncode == os.EX_TEMPFAIL, said
    assert (study.folder / "out-of-time").exists()
    assert "headstart: out of time" in said


def test_a_gpu_job_never_trains_on_the_cpu_in_silence(monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    monkeypatch.setenv("HEADSTART_DEVICE", "cuda")
    with pytest.raises(UserError, match=r"a GPU is asked for, but torch .* sees none"):
        choose_device("auto")
    assert choose_device("cpu").type == "cpu"


def test_a_damaged_checkpoint_is_passed_over(study, capsys):
    settings = study.settings(**HARD)
    unbroken = go(study, settings, "unbroken")
    broken = go(study, settings, "broken")
    (run,) = (study.folder / "runs" / "broken").iterdir()
    (run / "finished").unlink()
    checkpoint = run / "attempt-1" / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    go(study, settings, "broken")
    said = capsys.readouterr().err
    assert "checkpoint.pt: damaged" in said
    assert "going on after epoch 4" in said
    for name in PUBLISHED[:2]:
        assert (broken / name).read_bytes() == (unbroken / name).read_bytes()


def test_killed_after_the_last_epoch(study):
    output = go(study, study.settings())
    (run,) = (study.folder / "runs" / "out").iterdir()
    first = {name: (output / name).read_bytes() for name in PUBLISHED[:2]}
    (run / "finished").unlink()
    go(study, study.settings())
    assert {name: (output / name).read_bytes() for name in first} == first


def test_already_finished_is_published_without_torch(study):
    settings = study.settings()
    assert command(study, settings, "out").wait() == 0
    output = study.folder / "out"
    first = {name: (output / name).read_bytes() for name in PUBLISHED}
    for name in PUBLISHED:
        (output / name).unlink()
    hidden = study.folder / "hidden"
    hidden.mkdir()
    for name in ("torch", "monai", "torchio"):
        (hidden / f"{name}.py").write_text("raise ImportError('not for this')")
    path = os.pathsep.join([str(hidden), os.environ.get("PYTHONPATH", "")])
    again = command(study, settings, "out", PYTHONPATH=path)
    said = again.communicate()[1]
    assert again.returncode == 0, said
    assert "already finished" in said
    assert {name: (output / name).read_bytes() for name in PUBLISHED} == first


def test_an_own_network_needs_neither_monai_nor_torchio(study):
    for name in ("monai", "torchio"):
        (study.folder / f"{name}.py").write_text("raise ImportError('not for this')")
    path = os.pathsep.join([str(study.folder), os.environ.get("PYTHONPATH", "")])
    process = command(study, study.settings(epochs=1), "out", PYTHONPATH=path)
    said = process.communicate()[1]
    assert process.returncode == 0, said


def test_what_makes_another_run(study):
    store = study.folder / "runs" / "out"
    go(study, study.settings(epochs=1))
    go(study, study.settings(epochs=1))
    assert len(list(store.iterdir())) == 1
    go(study, study.settings(epochs=2))
    go(study, study.settings(epochs=1), code="edited")
    study.change_table("age", {2: "55"})
    go(study, study.settings(epochs=1))
    network = study.folder / "net.py"
    network.write_text(network.read_text() + "# edited\n")
    go(study, study.settings(epochs=1))
    assert len(list(store.iterdir())) == 5


def test_a_diverging_loss_is_the_user_s_to_mend(study):
    settings = study.settings(learning_rate=10, loss="mse", epochs=200, warmup=0)
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
        ({"class_weights": True}, "only for classification"),
    ],
)
def test_settings_that_do_not_fit(study, train_settings, message):
    with pytest.raises(UserError, match=message):
        go(study, study.settings(**train_settings))


@pytest.mark.parametrize(("inner", "part"), [("0", "inner"), ("1", "training")])
def test_an_empty_part_is_named(study, inner, part):
    splits = pd.read_csv(study.splits, dtype=str, keep_default_na=False)
    splits["inner"] = inner
    splits.to_csv(study.splits, index=False)
    with pytest.raises(UserError, match=f"fold 0 has nobody with a age in its {part} part"):
        go(study, study.settings())


def test_another_window_is_named(study):
    with pytest.raises(UserError, match="run the stage prepare again"):
        go(study, study.settings() | {"window": [16, 16, 16]})


def test_class_weights(study):
    output = go(study, study.settings("classification", class_weights=True, epochs=1))
    assert card_of(output)["classes"] == ["F", "M"]


def test_learning_rate_rises_and_falls():
    rates = [learning_rate(step, 100, 0.1, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[9] == rates[10] == pytest.approx(0.1)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-4
    assert learning_rate(0, 10, 0.1, 0) == 0.1


def test_the_caller_s_threads(study):
    go(study, study.settings(epochs=1, threads=2))
    assert torch.get_num_threads() == 2
