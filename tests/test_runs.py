from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time

import pandas as pd
import pytest

from headstart.parts import files
from headstart.parts import runs
from headstart.parts.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "BEAT", 0.02)
    monkeypatch.setattr(runs, "FRESH", 1.0)
    monkeypatch.setattr(runs, "POLL", 0.02)
    return tmp_path / "store" / "0123456789abcdef"


def finish(attempt, chosen=2):
    history = pd.DataFrame({"epoch": [1, 2], "train_loss": [0.5, 0.1]})
    files.write_csv(attempt / "history.csv", history)
    (attempt / "model.safetensors").write_bytes(b"weights")
    files.write_json(attempt / "model.json", {"chosen_epoch": chosen})
    runs.finish(attempt)


def test_the_key_follows_everything_that_counts():
    base = ({"seed": 0}, "cohort", "code", "network")
    changes = [{"seed": 1}, "other", "other", "other"]
    keys = {runs.run_key(*base[:i], changes[i], *base[i + 1 :]) for i in range(4)}
    assert len(keys | {runs.run_key(*base)}) == 5
    assert all(len(key) == 16 for key in keys)


def test_attempts_never_share_a_folder(folder):
    with runs.new_attempt(folder) as first:
        pass
    with runs.new_attempt(folder) as second:
        pass
    assert (first.name, second.name) == ("attempt-1", "attempt-2")


def test_a_finished_run_needs_no_attempt(folder):
    with runs.new_attempt(folder) as attempt:
        finish(attempt)
    assert (folder / "finished").readlink().name == "attempt-1"
    with runs.new_attempt(folder) as second:
        assert second is None
    assert sorted(path.name for path in folder.iterdir()) == ["attempt-1", "finished"]


def test_a_second_attempt_waits_for_a_living_one(folder, capsys):
    seen = []

    def second():
        with runs.new_attempt(folder) as attempt:
            seen.append(attempt)

    with runs.new_attempt(folder) as first:
        other = threading.Thread(target=second)
        other.start()
        # longer than a heartbeat stays fresh: it is the beating that counts
        time.sleep(1.5)
        assert seen == []
        finish(first)
    other.join(timeout=5)
    assert seen == [None]
    assert "waiting" in capsys.readouterr().err


def test_a_silent_attempt_on_another_machine_is_given_up(folder):
    dead = folder / "attempt-1"
    dead.mkdir(parents=True)
    (dead / "heartbeat").write_text("elsewhere 1\n")
    began = time.monotonic()
    with runs.new_attempt(folder) as attempt:
        assert attempt.name == "attempt-2"
    assert 0.9 < time.monotonic() - began < 3


def test_a_dead_process_of_this_machine_is_not_waited_for(folder, monkeypatch):
    monkeypatch.setattr(runs, "FRESH", 60.0)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead = folder / "attempt-1"
    dead.mkdir(parents=True)
    (dead / "heartbeat").write_text(f"{socket.gethostname()} {process.pid}\n")
    with runs.new_attempt(folder) as attempt:
        assert attempt.name == "attempt-2"


def test_a_failed_attempt_is_not_waited_for(folder, monkeypatch):
    monkeypatch.setattr(runs, "FRESH", 60.0)
    with pytest.raises(RuntimeError), runs.new_attempt(folder):
        raise RuntimeError
    with runs.new_attempt(folder) as attempt:
        assert attempt.name == "attempt-2"


def test_checkpoints_newest_first(folder):
    for number, names in ((2, ["checkpoint.pt"]), (10, ["checkpoint.pt", "previous.pt"])):
        (folder / f"attempt-{number}").mkdir(parents=True)
        for name in names:
            (folder / f"attempt-{number}" / name).touch()
    found = [f"{path.parent.name}/{path.name}" for path in runs.checkpoints(folder)]
    assert found == [
        "attempt-10/checkpoint.pt",
        "attempt-10/previous.pt",
        "attempt-2/checkpoint.pt",
    ]


def test_publish_marks_the_chosen_epoch(folder, tmp_path):
    with runs.new_attempt(folder) as attempt:
        finish(attempt)
    output = tmp_path / "train"
    runs.publish(folder / "finished", output)
    text = (output / "history.csv").read_text()
    assert text == "epoch,train_loss,chosen\n1,0.5,0\n2,0.1,1\n"
    assert sorted(path.name for path in output.iterdir()) == [
        "history.csv",
        "model.json",
        "model.safetensors",
    ]


def test_own_network_file(tmp_path):
    (tmp_path / "my_net.py").touch()
    assert runs.own_network_file("unet", tmp_path) is None
    assert runs.own_network_file("my_net.py:Net", tmp_path) == tmp_path / "my_net.py"
    with pytest.raises(UserError, match="is not there"):
        runs.own_network_file("other.py:Net", tmp_path)
