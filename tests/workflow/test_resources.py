"""What the jobs of train and predict ask for, as Snakemake takes it from the rules."""

from __future__ import annotations

import pytest
import yaml
from study import Checkout

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("rule", ["train", "predict"])
def test_a_second_gpu_is_refused(new_checkout: Checkout, rule: str) -> None:
    run = new_checkout.snakemake("-n", "--set-resources", f"{rule}:gpu=2")
    assert run.code == 2
    (said,) = (line for line in run.text.splitlines() if line.startswith("headstart: "))
    assert f"{rule}:gpu=2" in said
    assert "one GPU" in said


def test_a_profile_that_asks_for_two_gpus_is_refused(new_checkout: Checkout) -> None:
    profile = new_checkout.folder / "two" / "config.yaml"
    profile.parent.mkdir()
    profile.write_text(yaml.safe_dump({"set-resources": {"train": {"gpu": 2}}}))
    run = new_checkout.snakemake("-n", "--profile", "two")
    assert run.code == 2
    assert "train:gpu=2" in run.text


def with_sfcn(checkout: Checkout, **train: int) -> Checkout:
    config = checkout.config()
    config["prepare"]["window"] = [32, 32, 32]
    config["experiments"]["age"]["train"] |= {"network": "sfcn", **train}
    checkout.configure(config)
    return checkout


def test_a_training_asks_for_what_its_network_takes(new_checkout: Checkout) -> None:
    run = with_sfcn(new_checkout).snakemake("-n", "--set-resources", "predict:mem_mb=1234")
    assert run.code == 0, run.text
    # libraries, weights and 480 bytes for each of 4 * 32^3 voxels, a third more, and 2 GB
    assert asked(run.text, "train", "age")["mem_mb"] == "3000"
    # nobody has counted the scans yet
    assert asked(run.text, "train", "age")["runtime"] == "1440"
    assert asked(run.text, "train", "sex")["mem_mb"] == "8000"  # the user's own network
    assert asked(run.text, "predict", "age")["mem_mb"] == "1234"


@pytest.mark.parametrize(("gpus", "memory"), [((), "7000"), (("train:gpu=0",), "44000")])
def test_on_a_cluster_the_gpu_holds_the_training_if_there_is_one(
    new_checkout: Checkout, gpus: tuple[str, ...], memory: str
) -> None:
    words = ("--set-resources", *gpus) if gpus else ()
    large = with_sfcn(new_checkout, batch_size=2000)
    run = large.snakemake("-n", "--default-resources", "gpu=0", *words)
    assert run.code == 0, run.text
    assert asked(run.text, "train", "age")["mem_mb"] == memory
    told = "age: 2000 scans at once fill about 33 GB, and the smallest GPU of site ucl-cs, 11 GB"
    assert (told in run.text) == (not gpus)


def asked(text: str, rule: str, experiment: str) -> dict[str, str]:
    """Return the resources of a job that a dry run shows."""
    (job,) = (
        block
        for block in text.split("\n\n")
        if f"rule {rule}:" in block and f"experiment={experiment}," in block
    )
    (line,) = (line for line in job.splitlines() if line.startswith("    resources: "))
    pairs = line.removeprefix("    resources: ").split(", ")
    return dict(pair.split("=", 1) for pair in pairs)
