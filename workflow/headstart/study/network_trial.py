"""Every network and loss of a study, built without weights before anything runs.

A network that does not take its arguments, or gives the wrong shape, would else fail after the
queue. torch takes seconds to import, so this is done in a process of its own, on torch's meta
device, which computes shapes and holds no numbers; what went well is remembered by its content.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.schema import canonical_json
from headstart.common.walk import is_file
from headstart.study.config import Config
from headstart.study.provenance import PACKAGE
from headstart.study.provenance import closure_digest
from headstart.training import own_network
from headstart.training.trial import StartTrial
from headstart.training.trial import Trial

BUILDER = "headstart.training.network_build"  # the module that builds them
LIBRARIES = ("torch", "monai", "torchio")
SECONDS = 600


def check_networks(config: Config, project: Path, names: Iterable[str] | None = None) -> None:
    """Build experiments' networks and augmentations, or know that they were built before.

    Args:
        config: The study.
        project: Folder in which a network file of the user's own is looked up.
        names: The experiments; the default is all.

    Raises:
        UserError: If a network can't be built with its arguments, or gives another shape than the
            task needs, a loss of the user's own does not take what the network gives, or TorchIO
            does not take an augmentation's values; names the experiment.
    """
    trials = {name: _trial(config, name, project) for name in names or config.experiments}
    new = {name: trial for name, trial in trials.items() if not is_file(_mark(trial))}
    if not new:
        return
    mistakes = _in_own_process(new, project, project / config.results)
    for name, trial in new.items():
        if name not in mistakes:
            _remember(_mark(trial))
    if mistakes:
        raise UserError("\n".join(f"experiments.{name}.{said}" for name, said in mistakes.items()))


def _trial(config: Config, name: str, project: Path) -> Trial:
    experiment, train = config.experiments[name], config.experiments[name].train
    return Trial(
        network=train.network,
        arguments=train.network_arguments,
        deep_supervision=train.deep_supervision,
        network_digest=own_network.digest(train.network, project),
        loss=train.loss,
        loss_digest=own_network.digest(train.loss or "", project, own_network.LOSS),
        augment=train.augment,
        task=experiment.task,
        classes=tuple(config.classes),
        channels=train.inputs(config.channels, config.optional),
        flags=len(config.optional),
        window=train.seen(config.prepare.window),
        start=_start(config, name, project),
    )


def _start(config: Config, name: str, project: Path) -> StartTrial | None:
    start, parent = config.experiments[name].train.start, config.parent(name)
    if start is None:
        return None
    if parent is not None:
        return StartTrial(start=start, parent=_trial(config, parent, project))
    if start.is_file:
        path = (project / start.origin).absolute()
        return StartTrial(start=start, file=str(path), sha256=files.sha256(path))
    return StartTrial(start=start)


def _mark(trial: Trial) -> Path:
    """Return the empty file that stands for a trial that went well."""
    code = closure_digest(BUILDER, PACKAGE)
    known = [trial.model_dump(mode="json"), code, [version(name) for name in LIBRARIES]]
    digest = hashlib.sha256(canonical_json(known).encode()).hexdigest()[:32]
    home = os.path.expanduser("~")  # noqa: PTH111 Path's raises where nobody knows the home
    cache = Path(os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache")
    return cache / "headstart" / "networks" / digest


def _remember(mark: Path) -> None:
    # where nothing can be remembered, it is tried again the next time
    with contextlib.suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def _in_own_process(trials: Mapping[str, Trial], project: Path, results: Path) -> dict[str, str]:
    """Try networks where a job would be: it has copies of their files, and finds no others."""
    with tempfile.TemporaryDirectory(prefix="headstart-networks-") as scratch:
        networks = Path(scratch, "networks")
        for trial in trials.values():
            own_network.copy(trial.network, project, networks)
            if trial.start and trial.start.parent:
                own_network.copy(trial.start.parent.network, project, networks)
            own_network.copy(trial.loss or "", project, networks)
        answer = Path(scratch, "mistakes.json")
        told = {name: trial.model_dump(mode="json") for name, trial in trials.items()}
        try:
            done = subprocess.run(  # noqa: S603 our own module
                [
                    sys.executable,
                    "-P",  # nor does a job import from the folder that it runs in
                    "-m",
                    BUILDER,
                    networks,
                    answer,
                ],
                # a network may read its weights from the results root
                cwd=results if results.is_dir() else scratch,
                input=json.dumps(told),
                env=os.environ | {"PYTHONPATH": str(PACKAGE.parent), "CUDA_VISIBLE_DEVICES": ""},
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            return dict.fromkeys(trials, f"train.network: building took over {SECONDS} s")
        if answer.is_file():
            return json.loads(answer.read_text(encoding="utf-8"))
    last = (done.stderr.strip() or f"it ended with {done.returncode}").splitlines()[-1]
    raise UserError(f"train.network: the networks could not be tried: {last}")
