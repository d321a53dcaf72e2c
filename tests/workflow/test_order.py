"""Channels out of alphabetical order keep their places from the config to the prediction."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from study import Checkout
from study import write_scan

from headstart.cohort.shards import ShardCard
from headstart.common.records import read_rows
from headstart.common.run_id import RunId
from headstart.data.label_table import LabelRow
from headstart.training.card import ModelCard

pytestmark = pytest.mark.slow

METRICS = "tiny/evaluate/age/metrics.csv"


def test_t1_before_flair(new_checkout: Checkout) -> None:
    for number in range(101, 113):
        write_scan(new_checkout.folder / f"scans/Sub_{number}/FLAIR.nii.gz", 1000 + number)
    config = new_checkout.config()
    templates = {"T1": "{subject}/T1.nii.gz", "FLAIR": "{subject}/FLAIR.nii.gz"}
    config["data"][0]["channels"] = templates
    config["prepare"]["normalise"] = "none"
    del config["experiments"]["sex"]
    new_checkout.configure(config)
    new_checkout.done(METRICS)

    labels = read_rows(new_checkout.study / "label/labels.csv", LabelRow)
    assert list(labels[0].channels) == ["T1", "FLAIR"]
    card = ModelCard.read(new_checkout.study / RunId("age", 0, 0).trained)
    assert card.run.channels == ("T1", "FLAIR")
    shard = ShardCard.read(new_checkout.study / "prepare/shard-0.json")
    volumes = np.load(new_checkout.study / "prepare/shard-0.npy")
    for scan in shard.scans:
        noise = np.random.default_rng(int(scan.subject.removeprefix("Sub_")))
        first = noise.normal(100, 20, (12, 12, 12)).astype(np.int16)
        assert volumes[scan.index, 0].mean() == pytest.approx(first.mean(), abs=0.1)

    # the file that `status` says to go on with is the study itself
    assert new_checkout.planned(METRICS) == Counter()
    resolved = new_checkout.study / "config.json"
    assert new_checkout.planned(METRICS, "--configfile", str(resolved)) == Counter()

    config["data"][0]["channels"] = dict(reversed(templates.items()))
    new_checkout.configure(config)
    assert set(new_checkout.planned(METRICS)) > {"label", "check_scans", "prepare", "train"}
