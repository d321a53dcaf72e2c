"""Scans from outside a finished study, answered for in shards."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter

import pytest
from commands import headstart
from study import Checkout
from study import write_scan
from trainings import process_of
from trainings import start
from trainings import wait_for

from headstart.common import files

pytestmark = pytest.mark.slow
ONE_SHARE = Counter(predict_shard=1, predict_new=1, new_scans=1)


def test_shares_are_resumed_and_an_added_scan_is_of_one(checkout: Checkout) -> None:
    for number in range(5):
        write_scan(checkout.folder / f"clinic/{number}.nii.gz", 900 + number)
    (checkout.folder / "clinic/torn.nii.gz").write_bytes(b"\x1f\x8bno scan")
    asked = {"clinic": {"scans": "clinic", "experiment": "age", "shards": 2}}
    checkout.configure(checkout.config() | {"new_scans": asked})
    done = checkout.study / "new-scans/clinic/answers-shards/0.csv"

    # killed in the middle: the other share is kept
    run = start(checkout, "new_scans", SECONDS_PER_STEP="0.5")
    wait_for(lambda: process_of("1/2"), "share 1 to begin", 120)
    for process in process_of("1/2"):
        os.kill(process, signal.SIGKILL)
    assert run.wait() == 1
    assert done.is_file()
    told = headstart(checkout, "status", "tiny")
    assert "new-scans/clinic 0 of 1" in told
    assert "  snakemake --cores 2 new_scans --configfile config/tiny.yaml" in told
    assert checkout.done("new_scans") == ONE_SHARE
    answers = checkout.study / "new-scans/clinic/answers.csv"
    assert len(files.read_csv(answers)) == 6

    shutil.copy(checkout.folder / "clinic/1.nii.gz", checkout.folder / "clinic/more.nii.gz")
    assert checkout.done("new_scans") == ONE_SHARE
    words = ("predict", "tiny/age", "--scans", str(checkout.folder / "clinic"))
    with pytest.raises(AssertionError, match="1 of 7 scans can't be used"):
        headstart(checkout, *words, "--output", "once.csv", "--networks", ".")
    assert "new-scans/clinic done        7 scans; 1 rejected" in headstart(
        checkout, "status", "tiny"
    )
    assert answers.read_bytes() == (checkout.folder / "once.csv").read_bytes()
    # nothing of the study is made again for them
    assert not checkout.planned("all", "new_scans")
