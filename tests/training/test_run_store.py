from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cards import make_card
from cards import make_identity
from cards import make_run

from headstart.common import files
from headstart.common import processes
from headstart.common.errors import UserError
from headstart.training import run_store
from headstart.training.card import ModelCard
from headstart.training.config import Predict
from headstart.training.history import Epoch
from headstart.training.history import History
from headstart.training.settings import NOTHING_SAID
from headstart.training.settings import Publication


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(run_store, "BEAT", 0.02)
    monkeypatch.setattr(run_store, "FRESH", 1.0)
    monkeypatch.setattr(run_store, "POLL", 0.02)
    return tmp_path / "store" / "0123456789abcdef"


def write_model(attempt, chosen):
    weights = attempt / "model.safetensors"
    weights.write_text(f"of {attempt.name}")
    history, kept = files.sha256(attempt / "history.csv"), files.sha256(weights)
    card = make_card(make_run(), chosen_epoch=chosen, history_sha256=history, weights_sha256=kept)
    card.write(attempt)


def finish(attempt, chosen=2):
    epochs = (Epoch(1, 0.01, 0.5), Epoch(2, 0.01, 0.1))
    History("mae", epochs, chosen).write(attempt / "history.csv")
    write_model(attempt, chosen)
    run_store.finish(attempt)


def test_the_key_follows_everything_that_counts():
    base = make_identity(make_run())
    counts = ("cohort_digest", "code", "network_digest", "loss_digest")
    changes = [{"run": make_run(seed=1)}, *({name: "other"} for name in counts)]
    keys = {base.model_copy(update=change).key for change in changes}
    assert len(keys | {base.key}) == 6
    assert base.model_copy(update={"splits_digest": "other"}).key == base.key
    assert all(len(key) == 16 for key in keys)


def test_attempts_never_share_a_folder(folder):
    with run_store.new_attempt(folder) as first:
        pass
    with run_store.new_attempt(folder) as second:
        pass
    assert (first.name, second.name) == ("attempt-1", "attempt-2")


def test_a_finished_run_needs_no_attempt(folder):
    with run_store.new_attempt(folder) as attempt:
        finish(attempt)
    assert (folder / "finished").readlink().name == "attempt-1"
    with run_store.new_attempt(folder) as second:
        assert second is None
    assert sorted(path.name for path in folder.iterdir()) == ["attempt-1", "finished"]


def test_a_second_attempt_waits_for_a_living_one(folder, capsys):
    seen = []

    def second():
        with run_store.new_attempt(folder) as attempt:
            seen.append(attempt)

    with run_store.new_attempt(folder) as first:
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
    with run_store.new_attempt(folder) as attempt:
        assert attempt.name == "attempt-2"
    assert 0.9 < time.monotonic() - began < 3


def test_a_dead_process_of_this_machine_is_not_waited_for(folder, monkeypatch):
    monkeypatch.setattr(run_store, "FRESH", 60.0)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead = folder / "attempt-1"
    dead.mkdir(parents=True)
    (dead / "heartbeat").write_text(f"{processes.process_identity(process.pid)}\n")
    with run_store.new_attempt(folder) as attempt:
        assert attempt.name == "attempt-2"


def test_a_number_that_another_process_has_by_now_is_not_waited_for(folder, monkeypatch):
    monkeypatch.setattr(run_store, "FRESH", 60.0)
    dead = folder / "attempt-1"
    dead.mkdir(parents=True)
    *words, _ = processes.process_identity(os.getpid()).split()
    (dead / "heartbeat").write_text(f"{' '.join(words)} 1\n")
    with run_store.new_attempt(folder) as attempt:
        assert attempt.name == "attempt-2"


@pytest.mark.parametrize("other", ["another container", "another host"])
def test_where_numbers_mean_other_processes_the_heartbeat_tells(folder, other):
    """Two containers of one host name: a process's number says nothing in the other one."""
    attempt = folder / "attempt-1"
    attempt.mkdir(parents=True)
    host = socket.gethostname() if other == "another container" else "elsewhere"
    (attempt / "heartbeat").write_text(f"{host} {os.getpid()} 00000000 1\n")
    assert run_store.is_alive(attempt, time.time())
    assert not run_store.is_alive(attempt, time.time() + run_store.FRESH + 1)


def test_a_process_that_slept_is_alive(folder):
    """A laptop was closed, or the process stopped: its heart will beat again."""
    with run_store.new_attempt(folder) as attempt:
        now = time.time()
        os.utime(attempt / "heartbeat", (now - 3600, now - 3600))
        assert run_store.is_alive(attempt, now)
    assert not run_store.is_alive(attempt, now)


def test_a_heartbeat_of_the_future_is_not_believed_for_ever(folder):
    attempt = folder / "attempt-1"
    attempt.mkdir(parents=True)
    (attempt / "heartbeat").write_text("elsewhere 4242 00000000 1\n")
    now = time.time()
    os.utime(attempt / "heartbeat", (now + 86400, now + 86400))
    assert not run_store.is_alive(attempt, now)


def test_a_file_system_that_fails_for_a_moment_does_not_stop_the_heart(folder, monkeypatch):
    touch, failed = Path.touch, threading.Event()

    def fail_once(path, *args, **options):
        if path.name == "heartbeat" and not failed.is_set():
            failed.set()
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        touch(path, *args, **options)

    monkeypatch.setattr(Path, "touch", fail_once)
    with run_store.new_attempt(folder) as attempt:
        heartbeat = attempt / "heartbeat"
        assert failed.wait(5)
        os.utime(heartbeat, (1, 1))
        until = time.monotonic() + 5
        while heartbeat.stat().st_mtime == 1 and time.monotonic() < until:
            time.sleep(0.01)
        assert heartbeat.stat().st_mtime > 1


def test_a_failed_attempt_is_not_waited_for(folder, monkeypatch):
    monkeypatch.setattr(run_store, "FRESH", 60.0)
    with pytest.raises(RuntimeError), run_store.new_attempt(folder):
        raise RuntimeError
    with run_store.new_attempt(folder) as attempt:
        assert attempt.name == "attempt-2"


def test_of_many_that_start_at_once_one_works(folder):
    worked = []

    def one():
        with run_store.new_attempt(folder) as attempt:
            if attempt is not None:
                worked.append(attempt.name)
                time.sleep(0.2)
                finish(attempt)

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert worked == ["attempt-1"]


def meanwhile(monkeypatch, happens):
    """Let something happen while the next attempt looks at those that are there."""
    clock = run_store._clock

    def later(folder):
        monkeypatch.setattr(run_store, "_clock", clock)
        happens()
        return clock(folder)

    monkeypatch.setattr(run_store, "_clock", later)


def test_one_that_finishes_while_it_is_looked_at_is_not_done_again(folder, monkeypatch):
    def another():
        with run_store.new_attempt(folder) as attempt:
            finish(attempt)

    meanwhile(monkeypatch, another)
    with run_store.new_attempt(folder) as attempt:
        assert attempt is None


def test_one_that_begins_while_it_is_looked_at_is_waited_for(folder, monkeypatch):
    begun = []

    def another():
        begun.append(run_store.new_attempt(folder))
        begun[0].__enter__()

    def end(_):
        if not run_store.finished_attempt(folder):
            finish(folder / "attempt-1")
            begun[0].__exit__(None, None, None)

    meanwhile(monkeypatch, another)
    monkeypatch.setattr(run_store.time, "sleep", end)
    with run_store.new_attempt(folder) as attempt:
        assert attempt is None


def make_attempts(folder, *numbers):
    for number in numbers:
        attempt = folder / f"attempt-{number}"
        attempt.mkdir(parents=True)
        for name in ("checkpoint.pt", "previous.pt"):
            (attempt / name).touch()
        History("mae", (Epoch(number, 0.01, 0.5),), number).write(attempt / "history.csv")
        write_model(attempt, number)


def test_who_finishes_second_changes_nothing(folder):
    make_attempts(folder, 1, 2)
    run_store.finish(folder / "attempt-2")
    run_store.finish(folder / "attempt-1")
    assert run_store.finished_attempt(folder).name == "attempt-2"


def test_a_finished_attempt_that_was_removed_is_made_again(folder):
    make_attempts(folder, 1, 2)
    run_store.finish(folder / "attempt-1")
    shutil.rmtree(folder / "attempt-1")
    assert run_store.finished_attempt(folder) is None
    make_attempts(folder, 3)
    run_store.finish(folder / "attempt-3")
    assert run_store.finished_attempt(folder).name == "attempt-3"


def test_what_is_published_is_of_one_attempt(folder, tmp_path, monkeypatch):
    make_attempts(folder, 1, 2)
    (folder / "finished").symlink_to("attempt-1")
    copyfile = shutil.copyfile

    def another_comes_between(source, draft):
        copyfile(source, draft)
        (folder / "finished").unlink()
        (folder / "finished").symlink_to("attempt-2")

    monkeypatch.setattr(run_store.shutil, "copyfile", another_comes_between)
    run_store.publish(folder / "finished", tmp_path / "out", NOTHING_SAID)
    assert ModelCard.read(tmp_path / "out").chosen_epoch == 1
    assert (tmp_path / "out/model.safetensors").read_text() == "of attempt-1"


def test_what_is_checked_is_of_one_attempt(folder, monkeypatch):
    make_attempts(folder, 1, 2)
    (folder / "finished").symlink_to("attempt-1")
    read = ModelCard.read

    def another_comes_between(model, remedy):
        card = read(model, remedy)
        (folder / "finished").unlink()
        (folder / "finished").symlink_to("attempt-2")
        return card

    monkeypatch.setattr(run_store.ModelCard, "read", another_comes_between)
    run_store.check_whole(folder)


def test_what_the_study_says_by_now_is_published_with_it(folder, tmp_path):
    make_attempts(folder, 1)
    attempt, output = folder / "attempt-1", tmp_path / "out"
    predict = Predict(flips=4)
    said = Publication(snapshot="0123.json", unit="years", predict=predict)
    run_store.publish(attempt, output, said)
    card, written = ModelCard.read(output), ModelCard.read(attempt)
    assert (card.snapshot, card.unit, card.predict) == ("0123.json", "years", predict)
    assert (written.snapshot, written.unit, written.predict) == (None, "", Predict())
    run_store.publish(attempt, output, NOTHING_SAID)
    assert ModelCard.read(output) == written


def test_a_finished_run_keeps_no_checkpoint_and_no_dead_attempt(folder):
    make_attempts(folder, 1, 2, 3)
    for number in (1, 2, 3):
        os.utime(folder / f"attempt-{number}", (1, 1))
    with run_store.new_attempt(folder) as attempt:
        finish(attempt)
        assert sorted(path.name for path in folder.iterdir()) == ["attempt-4", "finished"]
    assert run_store.checkpoints(folder) == []


def test_an_attempt_that_is_alive_is_left_alone(folder):
    make_attempts(folder, 1, 2)
    (folder / "attempt-1/heartbeat").write_text("elsewhere 4242 00000000 1\n")
    run_store.finish(folder / "attempt-2")
    assert (folder / "attempt-1/checkpoint.pt").exists()


def test_no_more_checkpoints_are_kept_than_one_attempt_needs(folder):
    for number in range(1, 6):
        with run_store.new_attempt(folder) as attempt:
            # the one to go on from is there until there is a newer one
            assert len(run_store.checkpoints(folder)) == (2 if number > 1 else 0)
            make_attempts(folder / "new", 1)
            for path in (folder / "new/attempt-1").glob("*.pt"):
                path.rename(attempt / path.name)
            shutil.rmtree(folder / "new")
    assert [path.name for path in run_store.attempts_at(folder)] == ["attempt-4", "attempt-5"]


def test_an_attempt_that_left_no_checkpoint_does_not_cost_those_before(folder):
    """It died before it had one; what it went on from is all that there is."""
    make_attempts(folder, 1, 2)
    (folder / "attempt-3").mkdir()
    for number in (1, 2, 3):
        os.utime(folder / f"attempt-{number}", (1, 1))
    with run_store.new_attempt(folder) as attempt:
        assert attempt.name == "attempt-4"
        places = [path.parent.name for path in run_store.checkpoints(folder)]
    assert places == ["attempt-2", "attempt-2"]


def test_checkpoints_newest_first(folder):
    for number, names in ((2, ["checkpoint.pt"]), (10, ["checkpoint.pt", "previous.pt"])):
        (folder / f"attempt-{number}").mkdir(parents=True)
        for name in names:
            (folder / f"attempt-{number}" / name).touch()
    found = [f"{path.parent.name}/{path.name}" for path in run_store.checkpoints(folder)]
    assert found == [
        "attempt-10/checkpoint.pt",
        "attempt-10/previous.pt",
        "attempt-2/checkpoint.pt",
    ]


def test_what_is_published_is_what_the_attempt_wrote(folder, tmp_path):
    with run_store.new_attempt(folder) as attempt:
        finish(attempt)
    output = tmp_path / "train"
    run_store.publish(folder / "finished", output, NOTHING_SAID)
    names = ["history.csv", "model.json", "model.safetensors"]
    assert sorted(path.name for path in output.iterdir()) == names
    for name in ("history.csv", "model.safetensors"):
        assert (output / name).read_bytes() == (attempt / name).read_bytes()


@pytest.mark.parametrize("name", ["model.json", "model.safetensors", "history.csv"])
def test_a_finished_run_that_was_damaged_is_not_published(folder, name):
    with run_store.new_attempt(folder) as attempt:
        finish(attempt)
    run_store.check_whole(folder)
    with (attempt / name).open("ab") as file:
        file.write(b"0")
    with pytest.raises(UserError, match=f"{name}: was damaged.*trained again"):
        run_store.check_whole(folder)


@pytest.mark.parametrize(
    "name",
    ["attempt-1 (copy)", "attempt-1.bak", "attempt-x", "attempt-", "attempt-٣", "attempt-9x"],
)
def test_a_copy_under_another_name_is_no_attempt(folder, name):
    with run_store.new_attempt(folder) as first:
        pass
    (folder / name).mkdir()
    (folder / name / "heartbeat").write_bytes(b"\xff\xfe")
    assert run_store.attempts_at(folder) == [first]
    with run_store.new_attempt(folder) as second:
        finish(second)
    assert second.name == "attempt-2"
    assert (folder / name).is_dir()


def test_a_file_in_the_way_of_an_attempt_is_passed_by(folder):
    folder.mkdir(parents=True)
    (folder / "attempt-1").touch()
    with run_store.new_attempt(folder) as attempt:
        assert attempt.name == "attempt-2"


def test_a_heartbeat_that_is_no_text_is_dead(folder):
    dead = folder / "attempt-1"
    dead.mkdir(parents=True)
    (dead / "heartbeat").write_bytes(b"\xff\xfe\n")
    os.utime(dead / "heartbeat", (1, 1))
    assert not run_store.is_alive(dead, time.time())
