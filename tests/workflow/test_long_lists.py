"""What grows with the cohort goes by file: a command line holds 128 KiB."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
from study import Checkout

pytestmark = pytest.mark.slow

PASSED = "tiny/check/passed.csv"
LONGEST_WORD = 128 * 1024  # bytes, MAX_ARG_STRLEN of Linux


def test_two_thousand_exclusions(new_checkout: Checkout) -> None:
    config = new_checkout.config()
    why = "an expansive lesion near the midline, seen on the first reading"
    entries = [{"subject": "Sub_101", "reason": f"{why}, note {n}"} for n in range(2000)]
    assert len(json.dumps(entries)) > LONGEST_WORD
    config["check"] = {"exclude": entries}
    new_checkout.configure(config)
    new_checkout.done(PASSED)
    rejected = pd.read_csv(new_checkout.study / "check/rejected.csv")
    assert rejected[["subject", "reason"]].values.tolist() == [["Sub_101", "excluded"]]

    # what a dry run prints may be pasted
    run = new_checkout.snakemake("-n", "-p", "--forcerun", "check", PASSED)
    (command,) = set(re.findall(r"headstart check .*--checked.*", run.text))
    (new_checkout.study / "check/passed.csv").unlink()
    new_checkout.shell(command.strip())
    assert len(pd.read_csv(new_checkout.study / "check/passed.csv")) == 11


def test_as_many_shards_as_there_may_be(new_checkout: Checkout) -> None:
    config = new_checkout.config()
    config["prepare"]["shards"] = 4096
    new_checkout.configure(config)
    run = new_checkout.snakemake("-n", "-p", "tiny/prepare/masks.csv")
    assert run.code == 0, run.text
    commands = re.findall(r"headstart (?:check|gather) .*--(?:checked|cards) @(\S+)(.*)", run.text)
    assert len(commands) == 2
    for file, rest in commands:
        assert len(rest) < LONGEST_WORD / 100
        assert len((new_checkout.folder / "results" / file).read_text().splitlines()) == 4096
