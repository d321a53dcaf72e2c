"""A study's settings as the workflow uses them: in slices, with code digests, from a snapshot.

The main process resolves the config once and writes a snapshot when a run starts; the jobs read
only the snapshot. So an edit while jobs are queued changes nothing that they compute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic import ValidationError

from headstart.common import files
from headstart.common import study_paths
from headstart.common.errors import UserError
from headstart.common.run_id import WEIGHTS
from headstart.common.schema import canonical_json
from headstart.common.schema import settings_text
from headstart.data import inventory
from headstart.data.collections import Request
from headstart.data.demo_card import synthetic
from headstart.figures.registry import figures_of
from headstart.imaging.deepbet_weights import deepbet_weights
from headstart.study import provenance
from headstart.study.config import Config
from headstart.study.config import read_config
from headstart.study.named import called
from headstart.study.parts import parts
from headstart.study.planned_scans import PlannedScans
from headstart.study.slices import Slices
from headstart.study.stages import OF_SCANS
from headstart.study.stages import STAGES
from headstart.study.starts import Starts
from headstart.study.starts import digests
from headstart.study.targets import check_targets
from headstart.training import own_network
from headstart.training.config import PREDICT
from headstart.training.settings import Publication
from headstart.training.target import Targets

SNAPSHOTS = ".settings"  # folder of the results: what their runs were set to, and their code


@dataclass(frozen=True)
class Settings:
    """The resolved settings of one run.

    Attributes:
        config: The complete, checked config.
        project: Folder of the checkout; relative roots in the config start here.
        codes: Identity of each stage's code: its version, or a digest where it was edited.
        listing: Digest of names, sizes and times of the sources' files, tables among them.
        package: Digest of the package's files, the name of the copy that jobs run from.
        networks: Digest of the files of each network and loss of the user's own, by its name in
            the config.
        split_file: Digest of the user's own split; "" if there is none.
        weights: Digest of each file of weights that an experiment starts from, by its name in the
            config.
        new_scans: Scans from outside the study, and the networks that answer for them.
    """

    config: Config
    project: Path
    codes: Mapping[str, str]
    listing: str
    package: str
    networks: Mapping[str, str]
    split_file: str = ""
    weights: Mapping[str, str] = field(default_factory=dict)
    new_scans: Mapping[str, PlannedScans] = field(default_factory=dict)

    @classmethod
    def resolve(cls, raw: Mapping[str, Any], project: Path) -> Settings:
        """Check a raw config and take the digests of code and scans.

        Args:
            raw: The config as nested dicts and lists.
            project: Folder of the checkout.

        Raises:
            UserError: If the config is wrong, asks for a label that labels.csv does not have or
                for brains whose weights are not installed, or names a file of a network, of
                weights or a split that is not there.
        """
        config = read_config(raw)
        if config.prepare.brain == "deepbet":
            deepbet_weights()
        known = project / config.results / SNAPSHOTS
        codes = {stage: provenance.identity(stage, known=known) for stage in STAGES}
        listing = inventory.digest_sources(
            config.data, project / config.root, project / config.results
        )
        trains = [experiment.train for experiment in config.experiments.values()]
        named = {(train.network, own_network.NETWORK) for train in trains}
        named |= {(train.loss or "", own_network.LOSS) for train in trains}
        networks = {
            name: digest
            for name, key in sorted(named)
            if (digest := own_network.digest(name, project, key))
        }
        package = provenance.package_digest()
        split_file = _split_file(config, project / config.root)
        weights = digests(config, project)
        settings = cls(config, project, codes, listing, package, networks, split_file, weights)
        if settings.fetched and set("{}") & set(str(settings.data)):
            raise UserError(
                f"root: {settings.data} has braces in its name, which Snakemake takes for a "
                "wildcard where it is to make files; choose another folder to fetch to"
            )
        check_targets(config, project)
        return settings

    @classmethod
    def read(cls, snapshot: Path) -> Settings:
        """Read a snapshot that `write` made.

        Raises:
            UserError: If it is not what its name says, or of another version of headstart.
        """
        text = snapshot.read_text(encoding="utf-8")
        if _digest(text) != snapshot.stem:
            raise UserError(
                f"{snapshot}: was damaged or edited since the run began; start the run again, "
                "which writes it again"
            )
        try:
            return TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            raise UserError(
                f"{snapshot}: another version of headstart wrote it; start the run again"
            ) from error

    def write(self) -> None:
        """Write the snapshot, the resolved config, and the code that jobs run from."""
        provenance.copy_package(self.code_copy)
        files.write_json(self.code_copy.with_suffix(".json"), dict(self.codes))
        for network in self.networks:
            own_network.copy(network, self.project, self.networks_copy)
        files.write_json(self.resolved, self.config.model_dump(mode="json"))
        if not (self.snapshot.exists() and files.sha256(self.snapshot)[:16] == self.snapshot.stem):
            files.write_text(self.snapshot, self._text)

    @cached_property
    def _text(self) -> str:
        return canonical_json(TypeAdapter(Settings).dump_python(self, mode="json"))

    @property
    def results(self) -> Path:
        """Results root, absolute."""
        return (self.project / self.config.results).resolve()

    @property
    def called(self) -> str:
        """What the study is called on a command line that is typed in the project's folder."""
        return called(self.config.study, self.results, self.project)

    @property
    def data(self) -> Path:
        """Data root, absolute."""
        return (self.project / self.config.root).resolve()

    @property
    def resolved(self) -> Path:
        """The study's complete config, with all defaults, as of its last run."""
        return self.results / self.config.study / study_paths.CONFIG

    @property
    def story(self) -> Path:
        """The methods and results in words, which Snakemake's own report opens with."""
        return self.results / self.config.study / study_paths.STORY

    @property
    def snakemake_report(self) -> Path:
        """Snakemake's own report."""
        return self.results / self.config.study / study_paths.SNAKEMAKE_REPORT

    @cached_property
    def snapshot(self) -> Path:
        """The snapshot's file, named by its content."""
        return self.results / SNAPSHOTS / f"{_digest(self._text)}.json"

    @property
    def code_copy(self) -> Path:
        """Folder that holds the copy of the package; PYTHONPATH of the jobs."""
        return self.results / SNAPSHOTS / f"code-{self.package}"

    @property
    def networks_copy(self) -> Path:
        """Folder with copies of the files that hold the user's own networks and losses."""
        digest = hashlib.sha256(canonical_json(dict(self.networks)).encode()).hexdigest()[:16]
        return self.results / SNAPSHOTS / f"networks-{digest}"

    @property
    def collections(self) -> dict[str, Request]:
        """The sources that are fetched, by name."""
        return {request.source: request for request in self.config.requests}

    def markers(self, source: str) -> list[str]:
        """Files that are there once a source that is fetched is complete."""
        (one,) = (one for one in self.config.data if one.source == source)
        return [str(self.data / marker) for marker in inventory.markers_of(one)]

    @property
    def demo(self) -> bool:
        """Whether the study uses the demo's scans, which a rule makes."""
        return any(source.source == "demo" for source in self.config.data)

    @property
    def fetched(self) -> list[str]:
        """Files that are there once the sources that a rule makes are complete."""
        return [marker for source in self.config.data for marker in self.markers(source.source)]

    @property
    def kept(self) -> list[str]:
        """All that a finished study holds; Snakemake makes again what it is asked for alone."""
        runs = [run for name in self.experiments for run in self.config.runs(name)]
        weights = [f"{self.config.study}/{run.trained}/{WEIGHTS}" for run in runs]
        return [*self.told, *weights, f"{self.config.study}/{study_paths.REPORT}"]

    @property
    def told(self) -> list[str]:
        """All that the report is told from."""
        stages = [stage for stage in STAGES if stage != "report"]
        made = [file for stage in stages for job in parts(stage, self.config) for file in job]
        drawn = [
            study_paths.FIGURE.format(folder=folder, figure=figure.screen(name))
            for folder in self.config.figure_folders
            for name, figure in figures_of(self.config, folder).items()
        ]
        return [f"{self.config.study}/{file}" for file in dict.fromkeys((*made, *drawn))]

    @property
    def credits(self) -> list[str]:
        """The table with the licences of what is fetched, and the sentences to cite."""
        return [f"{self.config.study}/fetch/credits.csv"] if self.collections else []

    @property
    def steps(self) -> list[str]:
        """The table of what the steps of preparation found, where any is asked for."""
        return [f"{self.config.study}/{study_paths.STEPS}"] if self.config.preparation.steps else []

    @property
    def planes(self) -> list[str]:
        """What the brains of a shard are judged by, where any are asked for."""
        name = f"{self.config.study}/prepare/shard-{{shard}}-planes.npy"
        return [name] if self.config.prepare.planes else []

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
        """Whether scans are made up."""
        return synthetic(self.config.data, self.data)

    @cached_property
    def replaced_file(self) -> str:
        """A file in the data folder that changed since label looked; "" if there is none."""
        table = self.results / self.config.study / study_paths.RAW_FILES
        return inventory.first_replaced(table, self.data)

    @cached_property
    def changed_file(self) -> str:
        """A scan, a table or another file of the data that changed since label ran; "" if none."""
        labels = self.results / self.config.study / study_paths.LABELS
        return self.replaced_file or inventory.last_changed(
            self.config.data, self.data, self.results, labels
        )

    @property
    def shards(self) -> range:
        """Numbers of the shards."""
        return range(self.config.prepare.shards)

    @property
    def new_answers(self) -> list[str]:
        """The answers for scans from outside the study."""
        answers = f"{self.config.study}/{study_paths.ANSWERS}"
        return [answers.format(name=name) for name in self.new_scans]

    @property
    def experiments(self) -> tuple[str, ...]:
        """Names of the experiments."""
        return tuple(self.config.experiments)

    def figures(self, folder: str) -> tuple[str, ...]:
        """Files of the figures in one of the folders that the config has figures for."""
        figures = figures_of(self.config, folder).items()
        return tuple(file for name, figure in figures for file in figure.files(name))

    def code(self, stage: str) -> str:
        """Identity of a stage's code."""
        return self.codes[stage]

    @cached_property
    def slices(self) -> Slices:
        """What each stage depends on."""
        return Slices(self.config, self.project, self.split_file, self.synthetic)

    @property
    def starts(self) -> Starts:
        """What trainings start from."""
        return Starts(self.config, self.project, self.weights)

    def slice(self, stage: str, **choice: Any) -> str:
        """Return the part of the settings that a stage's result depends on, as canonical JSON.

        Args:
            stage: A stage.
            **choice: As for `Slices.of`.
        """
        return settings_text(self.slices.of(stage, **choice))

    def publication(self, experiment: str) -> str:
        """What the study says of an experiment's networks beside what was trained, as JSON."""
        asked = self.config.experiments[experiment]
        return settings_text(
            Publication(
                snapshot=self.snapshot.name, unit=asked.unit, predict=asked.predict.in_one_job
            )
        )

    def by_file(self, *words: str) -> str:
        """Put words of a command into a file, for a command line can't grow with the cohort.

        Linux takes 128 KiB for one word, and for all that Snakemake hands to bash.

        Args:
            *words: The words, without line ends.

        Returns:
            `@FILE`, which stands for them; FILE is named by its content and starts at the results
            root, where the commands run.
        """
        text = "".join(f"{word}\n" for word in words)
        path = Path(SNAPSHOTS, f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.words")
        file = self.results / path
        if not (file.is_file() and file.read_bytes() == text.encode()):
            files.write_text(file, text)
        return f"@{path}"

    def upstream(self, stage: str, experiment: str | None = None, **run: int) -> str:
        """Digest the slices and the code of everything that a stage's result rests on.

        Every rule carries this among its params: after a failed job, Snakemake would otherwise
        keep results of old settings and find nothing to be done.

        Args:
            stage: A stage, `scans`, or `controls`: what an experiment's figures rest on, with what
                those of its controls would.
            experiment: The experiment, or sweep, for a stage from predict on; None for what rests
                on all that are compared.
            **run: `fold` and `seed`, for a result that rests on one run only.
        """
        if stage == "controls" and experiment is not None:
            both = [experiment, *self.config.controls(experiment)]
            rests_on = [self.upstream("plot", name) for name in both]
            if STAGES["inject"].wanted(self.config.experiments[experiment]):
                rests_on += [self.upstream("inject", experiment), self.code("inject")]
            return _digest(canonical_json(rests_on))
        stages = OF_SCANS if stage == "scans" else STAGES[stage].rests_on
        trained = self.config.compared if experiment is None else self.config.of_name(experiment)
        names = trained if experiment or "train" in stages else []
        runs = [one._asdict() for name in names for one in self.config.runs(name)]
        runs = [{"experiment": experiment, **run}] if run else runs
        each = [{"experiment": experiment}] if experiment else [{"experiment": n} for n in names]
        choices = {
            "train": runs,
            "predict": runs,
            "evaluate": each,
            "explain": each,
            "inject": each,
        }
        asked = self.config.experiments.get(experiment or "")  # None: of all, or a sweep
        below: list[Any] = [
            [name, self.code(name), [self.slice(name, **one) for one in choices.get(name, [{}])]]
            for name in stages
            if asked is None or STAGES[name].wanted(asked)
        ]
        for name in names:
            train = self.config.experiments[name].train
            below.append(["network", self.networks.get(train.network), []])
            if loss := self.networks.get(train.loss or ""):
                below.append(["loss", loss, []])
            if (predict := self.config.experiments[name].predict.in_one_job) != PREDICT:
                below.append(["predict", settings_text(predict), []])
            if train.start is not None:
                below.append(["start", self._origin(name), []])
        return hashlib.sha256(canonical_json(below).encode()).hexdigest()[:16]

    def _origin(self, experiment: str) -> str:
        """Digest what an experiment starts from: a file, or an experiment with all below it."""
        parent = self.config.parent(experiment)
        if parent is None:
            start = self.config.experiments[experiment].train.start
            return self.weights[start.origin] if start else ""
        trained = [self.slice("train", **run._asdict()) for run in self.config.runs(parent)]
        return _digest(canonical_json([self.upstream("train", parent), trained]))

    @property
    def targets(self) -> str:
        """What the experiments are to predict, as canonical JSON; label checks it first."""
        return settings_text(Targets(targets=tuple(map(self.slices.target, self.experiments))))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _split_file(config: Config, root: Path) -> str:
    if config.split.file is None:
        return ""
    path = root / config.split.file
    if not path.is_file():
        raise UserError(f"split.file: {path} is not there; its path starts at the data root")
    return files.sha256(path)
