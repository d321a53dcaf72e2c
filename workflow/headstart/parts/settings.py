"""A study's settings as the workflow uses them: in slices, with code digests, from a snapshot.

The main process resolves the config once and writes a snapshot when a run starts; the jobs read
only the snapshot. So an edit while jobs are queued changes nothing that they compute.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import shutil
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from headstart.parts import files
from headstart.parts import provenance
from headstart.parts.config import FETCH_KEYS
from headstart.parts.config import Config
from headstart.parts.config import Source
from headstart.parts.config import canonical_json
from headstart.parts.config import read_config
from headstart.parts.errors import UserError
from headstart.parts.runs import own_network_file
from headstart.parts.sources import Request
from headstart.parts.sources import absolute
from headstart.parts.targets import check_target
from headstart.parts.templates import Template

SNAPSHOT = "HEADSTART_SETTINGS"
STAGES = ("label", "check", "split", "prepare", "train", "predict", "evaluate", "plot")
# Rules beside the one that has the stage's name.
SECOND_RULES = {"check-scans": "check", "lookalikes": "prepare", "audit": "split"}
# What else a stage's result rests on. prepare rests on single scans only, never on labels or
# splits: a corrected age rebuilds no volume.
ANCESTORS = {
    "label": (),
    "check-scans": (),
    "check": ("label", "check-scans"),
    "split": ("label", "check-scans", "check"),
    "prepare": ("check-scans",),
    "lookalikes": ("check-scans", "prepare"),
    # nothing rests on the audit: it changes nothing of what passes it
    "audit": ("label", "check-scans", "check", "split", "prepare", "lookalikes"),
    # the figures of the scans, which no split changes
    "scans": ("label", "check-scans", "check", "prepare", "lookalikes"),
    "train": ("label", "check-scans", "check", "split", "prepare"),
    "predict": ("label", "check-scans", "check", "split", "prepare", "train"),
    "evaluate": ("label", "check-scans", "check", "split", "prepare", "train", "predict"),
    "plot": ("label", "check-scans", "check", "split", "prepare", "train", "predict", "evaluate"),
}


@dataclass(frozen=True)
class Settings:
    """The resolved settings of one run.

    Attributes:
        config: The complete, checked config.
        project: Folder of the checkout; relative roots in the config start here.
        codes: Digest of each stage's code.
        listing: Digest of the names and sizes of the user's scans, and of the tables' bytes.
        package: Digest of the package's files, the name of the copy that jobs run from.
        networks: Digest of each file with a network of the user's own, by `train.network`.
        split_file: Digest of the user's own split; "" if there is none.
    """

    config: Config
    project: Path
    codes: Mapping[str, str]
    listing: str
    package: str
    networks: Mapping[str, str]
    split_file: str = ""

    @classmethod
    def resolve(cls, raw: Mapping[str, Any], project: Path) -> Settings:
        """Check a raw config and take the digests of code and scans.

        Args:
            raw: The config as nested dicts and lists.
            project: Folder of the checkout.

        Raises:
            UserError: If the config is wrong, asks for a label that labels.csv does not have, or
                names a file of a network or a split that is not there.
        """
        config = read_config(raw)
        codes = {stage: provenance.code_digest(stage) for stage in STAGES}
        listing = _listing(config, project / config.root)
        networks = {
            network: files.sha256(file)
            for network in {experiment.train.network for experiment in config.experiments.values()}
            if (file := own_network_file(network, project)) is not None
        }
        package = provenance.package_digest()
        split_file = _split_file(config, project / config.root)
        settings = cls(config, project, codes, listing, package, networks, split_file)
        settings.check_targets()
        return settings

    @classmethod
    def read(cls, snapshot: Path) -> Settings:
        """Read a snapshot that `write` made."""
        values = json.loads(snapshot.read_text(encoding="utf-8"))
        return cls(
            Config.model_validate(values["config"]),
            Path(values["project"]),
            values["codes"],
            values["listing"],
            values["package"],
            values["networks"],
            values["split_file"],
        )

    def write(self) -> None:
        """Write the snapshot, the resolved config, and the code that jobs run from."""
        provenance.copy_package(self.code_copy)
        for network in self.networks:
            file = network.rpartition(":")[0]
            with files.temporary(self.networks_copy / file) as draft:
                shutil.copyfile(self.project / file, draft)
        files.write_json(self.resolved, self.config.model_dump(mode="json"))
        if not self.snapshot.exists():
            files.write_text(self.snapshot, self._text)

    @cached_property
    def _text(self) -> str:
        values = {
            "config": self.config.model_dump(mode="json"),
            "project": str(self.project),
            "codes": dict(self.codes),
            "listing": self.listing,
            "package": self.package,
            "networks": dict(self.networks),
            "split_file": self.split_file,
        }
        return canonical_json(values)

    @property
    def results(self) -> Path:
        """Results root, absolute."""
        return (self.project / self.config.results).resolve()

    @property
    def data(self) -> Path:
        """Data root, absolute."""
        return (self.project / self.config.root).resolve()

    @property
    def resolved(self) -> Path:
        """The study's complete config, with all defaults, as of its last run."""
        return self.results / self.config.study / "config.json"

    @property
    def story(self) -> Path:
        """The methods and results in words, which the report opens with."""
        return self.results / self.config.study / "methods.rst"

    @property
    def report(self) -> Path:
        """The study's report."""
        return self.results / self.config.study / "report.html"

    @cached_property
    def snapshot(self) -> Path:
        """The snapshot's file, named by its content."""
        digest = hashlib.sha256(self._text.encode()).hexdigest()[:16]
        return self.results / ".settings" / f"{digest}.json"

    @property
    def code_copy(self) -> Path:
        """Folder that holds the copy of the package; PYTHONPATH of the jobs."""
        return self.results / ".settings" / f"code-{self.package}"

    @property
    def networks_copy(self) -> Path:
        """Folder with copies of the files that hold the user's own networks."""
        digest = hashlib.sha256(canonical_json(dict(self.networks)).encode()).hexdigest()[:16]
        return self.results / ".settings" / f"networks-{digest}"

    @property
    def collections(self) -> dict[str, Request]:
        """The sources that are fetched, by name."""
        return {s.source: s.request for s in self.config.data if s.request is not None}

    def markers(self, source: str) -> list[str]:
        """Files that are there once a source that is fetched is complete."""
        folder, request = self.data / source, self.collections[source]
        return [str(folder / marker) for marker in request.markers()]

    @property
    def fetched(self) -> list[str]:
        """Files that are there once the sources that a rule makes are complete."""
        sources = [source.source for source in self.config.data]
        demo = [str(self.data / "demo" / "cohort.json")] if "demo" in sources else []
        return demo + [marker for name in self.collections for marker in self.markers(name)]

    @property
    def credits(self) -> list[str]:
        """The table with the licences of what is fetched, and the sentences to cite."""
        return [f"{self.config.study}/fetch/credits.csv"] if self.collections else []

    def collection(self, source: str) -> str:
        """Digest what a source that is fetched is, and whether its terms are accepted."""
        return self.collections[source].digest()

    @property
    def unaccepted(self) -> str:
        """A word about the sources whose terms are not accepted yet; "" if there are none."""
        refusals = (request.refusal() for request in self.collections.values())
        return "\n".join(refusal for refusal in refusals if refusal)

    @cached_property
    def synthetic(self) -> bool:
        """Whether scans are made up: the demo's, or in a folder that `headstart demo` made."""
        folders = [self.data / source.folder for source in self.config.data]
        cards = [up / "cohort.json" for folder in folders for up in (folder, folder.parent)]
        return "demo" in {source.source for source in self.config.data} or any(
            card.is_file() and "SYNTHETIC" in card.read_text(encoding="utf-8") for card in cards
        )

    @property
    def shards(self) -> range:
        """Numbers of the shards."""
        return range(self.config.prepare.shards)

    @property
    def experiments(self) -> tuple[str, ...]:
        """Names of the experiments."""
        return tuple(self.config.experiments)

    @property
    def figure_folders(self) -> tuple[str, ...]:
        """Folders of figures: the cohort's, and one per experiment."""
        return ("cohort", *self.experiments)

    def figures(self, folder: str) -> tuple[str, ...]:
        """Names of the figures in one of the `figure_folders`."""
        if folder == "cohort":
            return ("flow", "balance", "contact-sheet", "distributions")
        augment = self.config.experiments[folder].train.augment
        return ("curves", "evaluation", *(["augmentation"] if augment else []))

    def code(self, stage: str) -> str:
        """Digest of a stage's code."""
        return self.codes[SECOND_RULES.get(stage, stage)]

    def slice(self, stage: str, **choice: Any) -> str:
        """Return the part of the settings that a stage's result depends on, as canonical JSON.

        Args:
            stage: A stage, or `check-scans` for the part of check that reads the scans,
                `lookalikes` for the part of prepare that compares them, or `audit` for the part of
                split that looks for leaks.
            **choice: What picks the part: `shard`, or `experiment` with `fold` and `seed`.
        """
        method = getattr(self, f"_{stage.replace('-', '_')}_slice")
        return canonical_json(method(**choice))

    def upstream(self, stage: str, experiment: str | None = None, **run: int) -> str:
        """Digest the slices and the code of everything that a stage's result rests on.

        Every rule carries this among its params: after a failed job, Snakemake would otherwise
        keep results of old settings and find nothing to be done.

        Args:
            stage: A stage.
            experiment: The experiment, for a stage from predict on.
            **run: `fold` and `seed`, for a result that rests on one run only.
        """
        runs = [] if experiment is None else self._runs(experiment)
        if run:
            runs = [{"experiment": experiment, **run}]
        choices = {"train": runs, "predict": runs, "evaluate": [{"experiment": experiment}]}
        below: list[Any] = [
            [name, self.code(name), [self.slice(name, **one) for one in choices.get(name, [{}])]]
            for name in ANCESTORS[stage]
        ]
        if experiment is not None:
            network = self.config.experiments[experiment].train.network
            below.append(["network", self.networks.get(network), []])
        return hashlib.sha256(canonical_json(below).encode()).hexdigest()[:16]

    @property
    def targets(self) -> str:
        """What the experiments are to predict, as canonical JSON; label checks it first."""
        return canonical_json([self._question(name) for name in self.experiments])

    def check_targets(self) -> None:
        """Check the experiments' targets against the label table of the last run, if there is one.

        A label that the config promises may not be in that table yet: the stage label checks it.

        Raises:
            UserError: If a target can't be learnt.
        """
        table = self.results / self.config.study / "label" / "labels.csv"
        if not table.exists():
            return
        labels = files.read_csv(table)
        promised = {label for source in self.config.data for label in source.labels}
        promised |= _fields(self.config.data)
        for name, experiment in self.config.experiments.items():
            if experiment.target in labels.columns or experiment.target not in promised:
                check_target(labels, self._question(name))

    def _runs(self, experiment: str) -> list[dict[str, Any]]:
        return [
            {"experiment": experiment, "fold": fold, "seed": seed}
            for fold in self.config.folds(experiment)
            for seed in self.config.experiments[experiment].seeds
        ]

    def _fetch_slice(self, source: str | None = None) -> dict[str, Any]:
        """Return what is to be fetched; paths to look in start in the project's folder."""
        requests = [self.collections[source]] if source else self.collections.values()
        sources = [request.model_dump(mode="json") for request in requests]
        for values in sources:
            values["mirrors"] = [absolute(mirror, self.project) for mirror in values["mirrors"]]
            values["url"] = values["url"] and absolute(values["url"], self.project)
        return {"sources": sources}

    def _label_slice(self) -> dict[str, Any]:
        own = set(FETCH_KEYS)
        sources = [source.model_dump(mode="json", exclude=own) for source in self.config.data]
        return {"data": sources, "shards": self.config.prepare.shards}

    def _check_scans_slice(self) -> dict[str, Any]:
        masks = any(source.mask for source in self.config.data)
        return {"channels": self.config.channels, "masks": masks, "classes": self._classes}

    def _check_slice(self) -> dict[str, Any]:
        return self.config.check.model_dump(mode="json")

    def _split_slice(self) -> dict[str, Any]:
        chosen = self.config.split.model_dump(mode="json", exclude={"same", "unrelated"})
        together = [kin.subjects for kin in self.config.split.same]
        return {"split": chosen, "together": together, "file": self.split_file}

    def _audit_slice(self) -> dict[str, Any]:
        return self.config.split.model_dump(mode="json", include={"group", "same", "unrelated"})

    def _prepare_slice(self, shard: int | None = None) -> dict[str, Any]:
        accept = [
            {"subject": entry.subject, "session": entry.session, "code": entry.code}
            for entry in self.config.check.accept
            if shard is None
            or entry.subject is None
            or shard == shard_of(entry.subject, self.config.prepare.shards)
        ]
        return {
            "prepare": self.config.prepare.model_dump(mode="json", exclude={"shards", "lookalike"}),
            "channels": self.config.channels,
            "classes": self._classes,
            "accept": accept,
        }

    def _lookalikes_slice(self) -> dict[str, Any]:
        return {"lookalike": self.config.prepare.lookalike}

    def _train_slice(self, experiment: str, fold: int, seed: int) -> dict[str, Any]:
        train = self.config.experiments[experiment].train.model_dump(mode="json")
        window = self.config.prepare.window
        return self._question(experiment) | {
            "train": train,
            "channels": self.config.channels,
            "window": window,
            "fold": fold,
            "seed": seed,
        }

    def _predict_slice(self, experiment: str, fold: int, seed: int) -> dict[str, Any]:
        return self._question(experiment) | {
            "channels": self.config.channels,
            "test": experiment in self.config.final,
            "fold": fold,
            "seed": seed,
        }

    def _evaluate_slice(self, experiment: str) -> dict[str, Any]:
        return self._question(experiment) | {
            "test": experiment in self.config.final,
            "folds": self.config.folds(experiment),
            "seeds": self.config.experiments[experiment].seeds,
        }

    def _plot_slice(self, experiment: str | None = None) -> dict[str, Any]:
        common = {"study": self.config.study, "synthetic": self.synthetic}
        if experiment is None:
            return common
        chosen = self.config.experiments[experiment]
        augment = chosen.train.model_dump(mode="json")["augment"]
        return common | self._question(experiment) | {"unit": chosen.unit, "augment": augment}

    def _question(self, experiment: str) -> dict[str, Any]:
        chosen = self.config.experiments[experiment]
        return {
            "experiment": experiment,
            "task": chosen.task,
            "target": chosen.target,
            "classes": self._classes,
        }

    @property
    def _classes(self) -> dict[str, str]:
        return {str(value): name for value, name in self.config.classes.items()}


def start(config: Mapping[str, Any], project: Path, *, main: bool) -> Settings:
    """Resolve the settings in the main process, or read the snapshot in a job.

    Args:
        config: The raw config; not looked at in a job.
        project: Folder of the checkout.
        main: Whether this is the main process.

    Returns:
        The settings. In the main process the environment then names the snapshot and puts the
        copy of the package first on PYTHONPATH, for the jobs to come.
    """
    # `headstart` is found also where the environment was not activated
    _prepend("PATH", Path(sys.executable).parent)
    if not main:
        return Settings.read(Path(os.environ[SNAPSHOT]))
    # where --profile sge finds its commands
    _prepend("PATH", project / "profiles" / "sge" / "bin")
    settings = Settings.resolve(config, project)
    os.environ[SNAPSHOT] = str(settings.snapshot)
    _prepend("PYTHONPATH", settings.code_copy)
    return settings


def _prepend(variable: str, folder: Path) -> None:
    inherited = os.environ.get(variable)
    os.environ[variable] = os.pathsep.join(filter(None, (str(folder), inherited)))


def shard_of(subject: str, shards: int) -> int:
    """Return the shard of a subject: a stable hash, so that a new subject touches one shard."""
    return int(hashlib.sha256(subject.encode()).hexdigest()[:8], 16) % shards


def _fields(sources: tuple[Source, ...]) -> set[str]:
    """Return the fields of file name templates: each may become a label."""
    templates = [t for s in sources if s.layout == "files" for t in s.channels.values()]
    return {name for text in templates for name in Template(text).fields}


def _listing(config: Config, root: Path) -> str:
    """Digest names and sizes of the sources' files, and the bytes of their tables."""
    digest = hashlib.sha256()
    for source in config.data:
        folder = root / source.folder
        if source.source == "demo" or source.request is not None:
            continue  # made by a rule, whose output files label waits for
        table = source.label_table
        tables = ["dataset.json", *([posixpath.normpath(table.path)] if table else [])]
        for name, size in sorted(_walk(folder, "")):
            digest.update(f"{name}\0{size}\n".encode())
            if name in tables or (source.layout == "bids" and name.endswith("_sessions.tsv")):
                digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]


def _split_file(config: Config, root: Path) -> str:
    if config.split.file is None:
        return ""
    path = root / config.split.file
    if not path.is_file():
        raise UserError(f"split.file: {path} is not there; its path starts at the data root")
    return files.sha256(path)


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, int]]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return  # the label stage says so, with the mend
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(folder / entry.name, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry.stat().st_size
