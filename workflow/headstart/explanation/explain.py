"""Maps of where held-out answers come from, beside those of networks that have learnt nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import get_args

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from headstart.cohort.answer_file import AnswerFile
from headstart.cohort.local_copy import stage_in
from headstart.cohort.prepared import read_cohort
from headstart.common.keys import OfScan
from headstart.common.progress import progress
from headstart.common.records import write_rows
from headstart.common.text import times
from headstart.evaluation.predictions import check_complete
from headstart.evaluation.predictions import of_one_repeat
from headstart.evaluation.predictions import pool
from headstart.evaluation.predictions import read_run
from headstart.explanation.chosen import Chosen
from headstart.explanation.chosen import choose
from headstart.explanation.chosen import groups_of
from headstart.explanation.config import SAME
from headstart.explanation.config import STEPS
from headstart.explanation.config import Method
from headstart.explanation.explained import Explained
from headstart.explanation.grad_cam import grad_cam
from headstart.explanation.grad_cam import layer_of
from headstart.explanation.occlusion import occlusion
from headstart.explanation.occlusion_grid import lay_out
from headstart.explanation.results import CASES
from headstart.explanation.results import GROUPS
from headstart.explanation.results import ExplainedCase
from headstart.explanation.results import ExplainedGroup
from headstart.explanation.results import Map
from headstart.explanation.results import map_name
from headstart.explanation.results import mean_name
from headstart.explanation.results import write_map
from headstart.explanation.settings import ExplainSettings
from headstart.explanation.shuffle import shuffled
from headstart.explanation.shuffle import similarity
from headstart.imaging.geometry import head
from headstart.tasks import TASKS
from headstart.training.card import ModelCard
from headstart.training.data import seed_of
from headstart.training.inference import TrainedNetwork
from headstart.training.inference import load_network


def explain(
    *,
    settings: ExplainSettings,
    passed: Path,
    splits: Path,
    prepared: Path,
    predictions: Sequence[Path],
    weights: Sequence[Path],
    output: Path,
    networks: Path | None = None,
    device: str = "auto",
) -> None:
    """Explain answers for held-out scans, each by the networks that have not seen its subject.

    Args:
        settings: What is explained, and how.
        passed: `check/passed.csv`.
        splits: `split/splits.csv`.
        prepared: Folder of the prepared shards.
        predictions: `.../fold-F/seed-S/predictions.csv` of all folds and seeds.
        weights: `model.safetensors` of the same networks, in the same order; the model card lies
            beside each.
        output: Gets a folder of maps for each method, groups.csv, and cases.csv last.
        networks: Folder of the networks' own file; no other file's code is run.
        device: auto, cpu or cuda.

    Raises:
        UserError: If predictions are not those of these networks for this split, a shard is
            damaged, or a network has no features that Grad-CAM++ could look at.
    """
    cohort = read_cohort(
        passed, splits, stage_in(prepared, masks=False), settings.target, settings.covariates
    )
    task = TASKS[settings.task].from_cohort(cohort, tuple(settings.classes))
    runs = [read_run(*one) for one in zip(predictions, weights, strict=True)]
    for run in runs:
        check_complete(run, cohort, task, test=False)
    of_run = {run.path: file.parent for run, file in zip(runs, weights, strict=True)}
    scans = {(scan.subject, scan.session): scan for scan in cohort.scans if scan.target}
    runs, scans = of_one_repeat(runs, scans)
    pooled = pool(runs, "fold", scans, task)
    chosen = choose(task, scans, pooled, settings.explain.cases, settings.primary)
    maps = _Maps(output, settings, groups_of(task), cohort.prepare.usual_voxel_size)
    maps.clear()
    for fold in sorted({run.fold for run in runs}):
        models = [of_run[run.path] for run in runs if run.fold == fold]
        own = [one for one in chosen if one.scan.fold == fold]
        loaded = [load_network(m, ModelCard.read(m), networks, device) for m in models if own]
        for one in progress(own, total=len(own), label=f"scans of fold {fold} explained"):
            for method in settings.explain.methods:
                maps.add(method, one, loaded)
    write_rows(output / GROUPS, ExplainedGroup, maps.groups())
    write_rows(output / CASES, ExplainedCase, maps.cases())


@dataclass
class _Sum:
    """The maps of a class so far, added up."""

    total: Map
    count: int
    networks: int


class _Maps:
    """Makes maps and writes them, and keeps their sums.

    Args:
        folder: Where they go.
        settings: The stage's.
        groups: What has maps of its own.
        voxel_size: Edges of a voxel of the prepared grid, mm; a scan that was laid onto the
            template has others in its own space.
    """

    def __init__(
        self,
        folder: Path,
        settings: ExplainSettings,
        groups: Sequence[str],
        voxel_size: Sequence[float],
    ) -> None:
        self._folder, self._asked, self._groups = folder, settings.explain, groups
        self._voxel_size = voxel_size
        self._sums: dict[tuple[Method, str], _Sum] = {}
        self._rows: list[ExplainedCase] = []
        self._details: dict[Method, str] = {}

    def clear(self) -> None:
        """Remove the maps of before."""
        for method in get_args(Method):
            shutil.rmtree(self._folder / method, ignore_errors=True)

    def add(self, method: Method, one: Chosen, networks: Sequence[TrainedNetwork]) -> None:
        """Explain a scan's answer, which is the mean of some networks', and check one that is."""
        made = self._map(method, one, networks)
        alike: dict[str, float] = {}
        inside = head(np.asarray(one.scan.volume()[0], dtype=np.float32))
        for step, share in (STEPS if one.checked else {}).items():
            seed = seed_of("explain", one.scan.subject, one.scan.session)
            untaught = [
                replace(n, network=shuffled(n.network, share, seed + number))
                for number, n in enumerate(networks)
            ]
            other = self._map(method, one, untaught)
            alike[step] = similarity(made, other, inside)
            name = map_name(method, _key(one), step)
            write_map(self._folder / name, other, one.scan.affine)
        self._rows.append(self._row(method, one, made, inside, alike))
        self._sum(method, one, made, len(networks))

    def _map(self, method: Method, one: Chosen, networks: Sequence[TrainedNetwork]) -> Map:
        each = [self._by_method(method, Explained(n, one.scan, one.group)) for n in networks]
        return np.mean(each, axis=0, dtype=np.float32)

    def _by_method(self, method: Method, explained: Explained) -> Map:
        if method == "occlusion":
            patches = lay_out(explained.scan.shape, self._voxel_size, self._asked)
            self._tell(method, patches.words)
            return occlusion(explained, patches, explained.trained.card.run.train.batch_size)
        layer, shape = layer_of(explained)
        edges = np.multiply(self._voxel_size, explained.scan.shape) / shape
        self._tell(method, f"features of {times(shape)} voxels of {times(edges)} mm")
        return grad_cam(explained, layer)

    def _tell(self, method: Method, detail: str) -> None:
        """Say once how fine a method's maps are."""
        if method not in self._details:
            print(f"{method}: {detail}", file=sys.stderr, flush=True)
        self._details[method] = detail

    def _row(
        self,
        method: Method,
        one: Chosen,
        made: Map,
        inside: NDArray[np.bool_],
        alike: Mapping[str, float],
    ) -> ExplainedCase:
        key, scan = _key(one), one.scan
        peak = np.unravel_index(int(np.where(inside, np.abs(made), -1).argmax()), made.shape)
        x, y, z = nib.affines.apply_affine(scan.affine, peak)
        row = ExplainedCase(
            subject=scan.subject,
            session=scan.session,
            fold=int(scan.fold or 0),
            group=one.group,
            choice=one.choice,
            target=scan.target,
            answer=one.answer,
            method=method,
            map=map_name(method, key),
            own_grid=map_name(method, key, "own-grid"),
            peak=float(made[peak]),
            peak_x=float(x),
            peak_y=float(y),
            peak_z=float(z),
            last_layer=alike.get("last_layer"),
            upper_half=alike.get("upper_half"),
            all_layers=alike.get("all_layers"),
        )
        write_map(self._folder / row.map, made, scan.affine)
        own = AnswerFile(scan, self._folder, row.own_grid, {})
        own.write(own.to_own_grid(made))
        return row

    def _sum(self, method: Method, one: Chosen, made: Map, networks: int) -> None:
        empty = _Sum(np.zeros_like(made), 0, networks)
        so_far = self._sums.setdefault((method, one.group), empty)
        so_far.total += made
        so_far.count += 1

    def cases(self) -> list[ExplainedCase]:
        """The rows of all scans, by method and class."""
        order = {group: number for number, group in enumerate(self._groups)}
        return sorted(self._rows, key=lambda row: (row.method, order[row.group]))

    def groups(self) -> Iterator[ExplainedGroup]:
        """Write the mean map of each class, and yield its row."""
        for method in self._asked.methods:
            for group in self._groups:
                if (method, group) in self._sums:
                    yield self._group(method, group)

    def _group(self, method: Method, group: str) -> ExplainedGroup:
        summed = self._sums[method, group]
        name = mean_name(method, self._groups, group)
        mean = summed.total / np.float32(summed.count)
        affine = np.diag([*self._voxel_size, 1.0])
        affine[:3, 3] = np.multiply(self._voxel_size, np.array(mean.shape) - 1) / -2
        write_map(self._folder / name, mean, affine)
        rows = [row for row in self._rows if (row.method, row.group) == (method, group)]
        alike = [row.all_layers for row in rows if row.all_layers is not None]
        median = float(np.median(alike))
        return ExplainedGroup(
            *(method, group, summed.count, summed.networks, name),
            *(median, median < SAME, self._details[method]),
        )


def _key(one: Chosen) -> OfScan:
    return OfScan(one.scan.subject, one.scan.session)
