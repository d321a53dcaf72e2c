"""What the user sees: a dry run's plan, a run's lines, and the last lines of a failure."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import shown
from study import CONFIG
from study import Checkout

from headstart.common.run_id import RunId

pytestmark = pytest.mark.slow

AGE = RunId("age", 0, 0)
TRAINED = f"tiny/{AGE.trained}/model.json"


def test_a_dry_run_of_a_new_study_is_a_plan(new_checkout: Checkout) -> None:
    code, lines = shown(new_checkout, "-n", *CONFIG)
    assert code == 0
    assert len(lines) <= 25
    assert lines[0] == "tiny: what would run"
    found = [(re.match(r"  (\S.*?) +\d+ ", line), line) for line in lines[2:]]
    rows = {match[1]: line for match, line in found if match}
    stages = ["label", "check", "split", "prepare", "near-duplicates", "train age", "train sex"]
    assert [*rows][:12] == [*stages, "predict", "evaluate", "plot", "report", "all"]
    assert re.search(r"prepare +\d+ .*41.5 kB +new", rows["prepare"])
    assert not new_checkout.study.exists()


def test_a_run_shows_stages_and_epochs(new_checkout: Checkout) -> None:
    code, lines = shown(new_checkout, "--cores", "1", TRAINED, *CONFIG)
    assert code == 0
    said = "\n".join(lines)
    assert re.search(r"label: 1 job in \d+ s: 12 scans; 0 entries rejected", said)
    assert re.search(r"check: 3 jobs in \d+ s: 12 scans passed; 0 rejected", said)
    epochs = [line.split("  ")[1] for line in lines if ": epoch " in line]
    assert epochs == [f"train age, fold 0, seed 0: epoch {n}/2" for n in (1, 2)]
    assert re.fullmatch(r"done in .*: `headstart status tiny`", lines[-1])
    assert len(lines) < 15
    # the report at the end is a Snakemake of its own
    log = "".join(path.read_text() for path in new_checkout.folder.glob(".snakemake/log/*.log"))
    assert "rule train:" in log
    assert "headstart train --settings" in log


def test_a_failure_ends_with_what_to_mend_and_type(checkout: Checkout) -> None:
    change = ("--config", "experiments={age: {train: {epochs: 9}}}")
    words = ("--cores", "1", *CONFIG, *change)
    code, lines = shown(checkout, *words, FAIL_AFTER_STEPS="2")
    assert code == 1
    assert any(": epoch 1/9" in line for line in lines)
    *_, what, log, again, command = lines
    assert what.startswith("headstart: train age, fold 0, seed 0: ")
    assert "the test asked for a failure" in what
    assert (checkout.folder / log.removeprefix("  its log: ")).is_file()
    assert "type the same command" in again
    assert command == f"  snakemake --cores 1 {' '.join(CONFIG)} --config '{change[1]}'"

    code, lines = shown(checkout, "-n", *CONFIG, *change)
    assert code == 0
    assert lines[-1].strip().startswith("The time is")
    (row,) = [line for line in lines if line.startswith("  train age")]
    assert "new" in row


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("--configfile", "config/no.yaml"), "config/no.yaml: is not there; there are: ", 2),
        (("--configfile", "config/twice.yaml"), "line 2: 'study' is there already, in line 1", 2),
        ((*CONFIG, "nothing"), "nothing: is not there; name your study's file; a target", 2),
        (("nothing", *CONFIG), "No rule to produce nothing", 1),
        ((*CONFIG, "--until", "train"), "--until ends a run at its first checkpoint", 2),
        ((*CONFIG, "-O=plot"), "-O ends a run at its first checkpoint", 2),
        ((*CONFIG, "--directory", "."), "results: FOLDER", 2),
    ],
)
def test_a_wrong_command_is_one_sentence(
    words: tuple[str, ...], said: str, code: int, finished_study: Path
) -> None:
    checkout = Checkout(finished_study)
    (finished_study / "config/twice.yaml").write_text("study: a\nstudy: b\n")
    ended, (line,) = shown(checkout, "-n", *words)
    assert ended == code
    assert line.startswith("headstart: ")
    assert said in line


def test_a_study_file_runs_nothing(finished_study: Path, tmp_path: Path) -> None:
    gift, ran = tmp_path / "gift.yaml", tmp_path / "ran"
    gift.write_text(f'__use_yte__: true\nstudy: ?__import__("os").system("touch {ran}")\n')
    code, (line,) = shown(Checkout(finished_study), "-n", "--configfile", str(gift))
    assert code == 2
    assert line.startswith(f"headstart: {gift}: has the key __use_yte__")
    assert not ran.exists()


def test_snakemakes_own_words_are_there_for_whoever_asks(finished_study: Path) -> None:
    checkout = Checkout(finished_study)
    code, lines = shown(checkout, "-n", "-p", "-F", "tiny/label/labels.csv", *CONFIG)
    assert code == 0
    assert "checkpoint label:" in lines
    assert any("headstart label --settings" in line for line in lines)
    assert shown(checkout, "--unlock", *CONFIG) == (0, ["Unlocked working directory."])
    assert "all" in shown(checkout, "--list-target-rules", *CONFIG)[1]


def test_nothing_to_do_is_said(finished_study: Path) -> None:
    said = "tiny: nothing to do, all is there: `headstart status tiny`"
    for words in (["-n"], ["--cores", "1"]):
        assert shown(Checkout(finished_study), *words, *CONFIG) == (0, [said])


def test_a_training_is_tried_on_the_screen_and_leaves_nothing(checkout: Checkout) -> None:
    def kept() -> dict[Path, bytes]:
        return {p: p.read_bytes() for p in checkout.study.rglob("*") if p.is_file()}

    before = kept()
    done = subprocess.run(
        [sys.executable, "-m", "headstart", "try", "tiny/age"],
        cwd=checkout.folder,
        env=checkout.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert f"tiny/{AGE.name}:" in done.stdout
    assert "\nepoch 2/2 " in done.stdout
    assert kept() == before
