"""A task, a network, a figure and a stage more: what each takes, and one run with all of them."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from fresh import PROJECT
from fresh import copy_project
from study import Checkout
from study import write_study

from headstart.common import files
from headstart.common.integrity import read_sealed
from headstart.common.run_id import RunId

# one group: what they share is run once, not once per process
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("toys")]

PACKAGE = "workflow/headstart"
TASK = '''
"""The logarithm of a number of each scan."""

from dataclasses import dataclass
from dataclasses import replace

import numpy as np

from headstart.tasks.base import Loss
from headstart.tasks.regression import Regression


@dataclass(frozen=True)
class LogRegression(Regression):
    """Targets whose logarithms are standardised: errors count by their ratio to the truth."""

    name = "log-regression"
    losses = {"mse": Loss()}

    def fit(self, training, *, class_weights):
        logs = np.log(self.truth(training))
        return replace(self, mean=float(logs.mean()), standard_deviation=float(logs.std()))

    def target(self, scan):
        log = np.log(float(scan.target))
        return np.array((log - self.mean) / self.standard_deviation, np.float32)

    def predict(self, output):
        return np.exp(super().predict(output))

    def for_metrics(self, targets, output):
        logs = targets.astype(float) * self.standard_deviation + self.mean
        return np.exp(logs), self.predict(output)
'''
NETWORK = '''
"""The mean of eight blocks, and a linear layer."""

from torch import nn


class Blocks(nn.Sequential):
    def __init__(self, in_channels, out_channels, width=2):
        head = nn.Linear(width**3 * in_channels, out_channels)
        super().__init__(nn.AdaptiveAvgPool3d(width), nn.Flatten(), head)
'''
FIGURE = '''
"""How many scans each site has."""

from collections import Counter

from headstart.common import files
from headstart.figures.style import document


def plot(*, settings, stamp, output, passed):
    counts = Counter(files.read_csv(passed)["site"])
    with document(output, "sites", stamp) as pages:
        with pages.page("Scans of each site", height=60, note="One bar each.") as figure:
            figure.subplots().bar(list(counts), list(counts.values()))
'''
COMMAND = '''
"""Count the scans of each site."""

import json
from collections import Counter
from pathlib import Path

from headstart.common import files


def add_arguments(parser):
    parser.add_argument("--settings", required=True)
    parser.add_argument("--passed", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)


def run(arguments):
    assert json.loads(arguments.settings) == {}  # it has none of its own
    files.write_json(arguments.output, Counter(files.read_csv(arguments.passed)["site"]))
'''
RULE = """
rule count_sites:
    input:
        passed="<study>/check/passed.csv",
        cohort=COHORT,
    output:
        counts="<study>/count-sites/sites.json",
    log:
        "<study>/logs/count-sites.log",
    params:
        settings=slice_of("count-sites"),
        code=settings.code("count-sites"),
        upstream=settings.upstream("count-sites"),
    shell:
        "headstart count-sites --settings {params.settings:q} --passed {input.passed:q}"
        " --output {output.counts:q} 2> {log:q}"
"""
# What is written anew, and the one row that each is known by: file, before, after.
NEW = {
    f"{PACKAGE}/tasks/log_regression.py": TASK,
    f"{PACKAGE}/tasks/repetition.py": (PROJECT / "tests/toy_repetition.py").read_text(),
    f"{PACKAGE}/training/blocks.py": NETWORK,
    f"{PACKAGE}/figures/sites.py": FIGURE,
    "workflow/report/sites.rst": "How many scans each site has.\n",
    f"{PACKAGE}/commands/count_sites.py": COMMAND,
    "workflow/rules/count_sites.smk": RULE,
}
ROWS = [
    (
        f"{PACKAGE}/tasks/__init__.py",
        "from headstart.tasks.regression",
        "from headstart.tasks.repetition import Repetition\n"
        "from headstart.tasks.log_regression import LogRegression\n"
        "from headstart.tasks.regression",
    ),
    (
        f"{PACKAGE}/tasks/__init__.py",
        "kind for kind in (",
        "kind for kind in (Repetition, LogRegression, ",
    ),
    (
        f"{PACKAGE}/training/registry.py",
        "NETWORKS = {\n",
        'NETWORKS = {\n    "blocks": Network("headstart.training.blocks:Blocks", "eight blocks", '
        '"a paper", Cost((1,), 9, 1, 9), library="torch", shortest=12, fixed={}),\n',
    ),
    (
        f"{PACKAGE}/figures/registry.py",
        "FIGURES = {\n",
        'FIGURES = {\n    "sites": Figure("headstart.figures.sites:plot", ("passed",), DATA, '
        '{"": "sites"}),\n',
    ),
    (
        f"{PACKAGE}/study/stages.py",
        "STAGES = {\n",
        'STAGES = {\n    "count-sites": Stage(\n        "count the scans of each site", '
        '"count-sites/sites.json", CHECKED\n    ),\n',
    ),
    (
        "Snakefile",
        'include: "workflow/rules/plot.smk"\n',
        'include: "workflow/rules/plot.smk"\ninclude: "workflow/rules/count_sites.smk"\n',
    ),
]
# A network of the user's own that answers for every voxel.
SMOOTH = """
from torch import nn


class Net(nn.Conv3d):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels, 3, padding=1)
"""
TRAIN = {"network": "blocks", "epochs": 2, "threads": 1, "batch_size": 4}
CLEAN = TRAIN | {"network": "smooth.py:Net"}
RUN, CLEAN_RUN = RunId("logs", 0, 0), RunId("clean", 0, 0)


@pytest.fixture(scope="module")
def toys(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The tiny study, its experiment's task and network, a figure and a stage added, and run."""
    checkout = Checkout(copy_project(tmp_path_factory.mktemp("toys") / "project"))
    write_study(checkout.folder)
    for name, text in NEW.items():
        (checkout.folder / name).write_text(text.lstrip())
    for row in ROWS:
        checkout.edit(*row)
    config = checkout.config()
    logs = {"task": "log-regression", "target": "age", "unit": "years", "train": TRAIN}
    clean = {"task": "repetition", "target": "image", "train": CLEAN}
    (checkout.folder / "smooth.py").write_text(SMOOTH)
    checkout.configure(config | {"experiments": {"logs": logs, "clean": clean}, "final": "logs"})
    checkout.done("all", "tiny/count-sites/sites.json")
    return checkout


def test_a_task_more_goes_from_the_config_to_its_metrics(toys: Checkout) -> None:
    card = read_sealed(toys.study / RUN.trained / "model.json", "")
    assert card["run"]["task"] == "log-regression"
    assert card["state"]["mean"] < 5  # a logarithm
    metrics = pd.read_csv(toys.study / "evaluate/logs/metrics.csv")
    assert {"network", "mean", "head-size", "voxels"} == set(metrics["model"])
    errors, lines = {"mae", "rmse", "r", "r2", "bias"}, {"slope", "gap_r"}
    assert errors | lines | {"corrected_gap", "corrected_gap_r"} == set(metrics["metric"])
    said = files.read_csv(toys.study / RUN.predicted / "predictions.csv")["prediction"].astype(
        float
    )
    assert (said > 0).all()
    assert "log-regression of age by eight blocks" in (toys.study / "methods.rst").read_text()


def test_a_task_more_may_learn_from_the_scan_itself_and_answer_with_an_image(
    toys: Checkout,
) -> None:
    folder = toys.study / CLEAN_RUN.predicted
    row = files.read_csv(folder / "predictions.csv").iloc[0]
    image, raw = nib.load(folder / row["image"]), nib.load(toys.folder / "scans" / row["target"])
    assert row["image_sha256"] == files.sha256(folder / row["image"])
    assert image.get_data_dtype() == np.float32
    assert image.shape == raw.shape
    np.testing.assert_array_equal(image.affine, raw.affine)
    assert np.ptp(image.get_fdata()) > 0
    metrics = pd.read_csv(toys.study / "evaluate/clean/metrics.csv")
    network = metrics[(metrics["model"] == "network") & (metrics["group"] == "all")]
    assert list(network["metric"]) == ["mae"]
    assert set(metrics["model"]) == {"network"}  # it names no baseline
    assert "repetition of the images by the network" in (toys.study / "methods.rst").read_text()
    evaluation = toys.study / "figures/clean/evaluation.pdf"
    assert evaluation.read_bytes().startswith(b"%PDF")


def test_a_task_more_answers_for_new_scans(toys: Checkout) -> None:
    toys.shell(
        f"PYTHONPATH=../workflow headstart predict --run tiny/{CLEAN_RUN.trained} --networks .."
        " --device cpu --scans ../scans/Sub_101/T1.nii.gz --output new.csv"
    )
    row = files.read_csv(toys.folder / "results/new.csv").iloc[0]
    assert nib.load(toys.folder / "results" / row["image"]).shape == (12, 12, 12)
    assert (row["rejected"], row["target"], row["networks"]) == ("", "image", "1")


def test_what_a_task_and_a_network_do_not_take_is_said_before_anything_runs(toys: Checkout) -> None:
    config = toys.config()
    wrong = {
        "experiments": {"logs": config["experiments"]["logs"] | {"train": TRAIN | {"loss": "l1"}}}
    }
    small = {"prepare": config["prepare"] | {"window": [8, 8, 8]}}
    clean = config["experiments"]["clean"]
    labelled = {"experiments": {"clean": clean | {"target": "age"}}, "final": "clean"}
    scanwise = {"experiments": {"clean": clean | {"train": TRAIN}}, "final": "clean"}
    for change, said in (
        (labelled, "repetition has the target `image`"),
        (scanwise, "train.network 'blocks' is not for repetition; allowed: "),
        (wrong, "train.loss 'l1' is not for log-regression; allowed: mse"),
        (small, "blocks in experiments.logs needs at least 12 voxels each way"),
    ):
        toys.configure(config | change)
        run = toys.snakemake("-n")
        toys.configure(config)
        assert run.code == 2
        assert said in run.text


def test_a_network_more_is_built_by_its_name(toys: Checkout) -> None:
    card = read_sealed(toys.study / RUN.trained / "model.json", "")
    assert card["run"]["train"]["network"] == "blocks"
    assert card["network_digest"] == ""  # ours, and no file of the user's


def test_a_figure_more_is_drawn_and_listed(toys: Checkout) -> None:
    folder = toys.study / "figures/cohort"
    assert (folder / "sites.pdf").read_bytes().startswith(b"%PDF")
    assert '"sites.pdf"' in (folder / "manifest.json").read_text()
    assert (toys.study / "report.html").is_file()


def test_a_stage_more_runs_once_and_again_when_its_code_changes(toys: Checkout) -> None:
    result = "tiny/count-sites/sites.json"
    assert (toys.folder / "results" / result).read_text() == '{\n  "": 12\n}\n'
    assert not toys.planned(result)
    toys.edit(f"{PACKAGE}/commands/count_sites.py", "import json\n", "import json\n\nNEW = 1\n")
    assert dict(toys.planned(result)) == {"count_sites": 1}
