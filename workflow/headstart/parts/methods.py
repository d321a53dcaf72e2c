"""The methods of a study in words, told from the files that it left and from nothing else."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from headstart.parts import files
from headstart.parts.config import LOSSES
from headstart.parts.config import Config
from headstart.parts.config import Split
from headstart.parts.errors import UserError
from headstart.parts.figures import metric_name
from headstart.parts.figures import number_with_interval
from headstart.parts.intervals import RESAMPLES
from headstart.parts.metrics import METRICS
from headstart.parts.settings import Settings
from headstart.parts.sources import read_catalogue

# What each word of a card rests on.
REFERENCES = {
    "snakemake": "Mölder et al. 2021, Snakemake, https://doi.org/10.12688/f1000research.29032.2",
    "torch": "Paszke et al. 2019, PyTorch, https://doi.org/10.48550/arXiv.1912.01703",
    "monai": "Cardoso et al. 2022, MONAI, https://doi.org/10.48550/arXiv.2211.02701",
    "torchio": "Pérez-García et al. 2021, TorchIO, https://doi.org/10.1016/j.cmpb.2021.106236",
    "adamw": "Loshchilov and Hutter 2019, AdamW, https://doi.org/10.48550/arXiv.1711.05101",
    "cosine": "Loshchilov and Hutter 2017, SGDR, https://doi.org/10.48550/arXiv.1608.03983",
    "split": "Sechidis et al. 2011, stratification, https://doi.org/10.1007/978-3-642-23808-6_10",
    "bootstrap": "Field and Welsh 2007, cluster bootstrap, "
    "https://doi.org/10.1111/j.1467-9868.2007.00593.x",
    "head": "Smith 2002, BET, https://doi.org/10.1002/hbm.10062",
    "sfcn": "Peng et al. 2021, SFCN, https://doi.org/10.1016/j.media.2020.101871",
    "densenet121": "Huang et al. 2017, DenseNet, https://doi.org/10.1109/CVPR.2017.243",
    "resnet18": "He et al. 2016, ResNet, https://doi.org/10.1109/CVPR.2016.90",
    "unet": "Kerfoot et al. 2019, residual U-Net, https://doi.org/10.1007/978-3-030-12029-0_40",
    "segresnet": "Myronenko 2019, SegResNet, https://doi.org/10.1007/978-3-030-11726-9_28",
    "dynunet": "Isensee et al. 2021, nnU-Net, https://doi.org/10.1038/s41592-020-01008-z",
    "demo": "Fonov et al. 2011, ICBM 152, https://doi.org/10.1016/j.neuroimage.2010.07.033",
}
NETWORKS = {
    "sfcn": "the SFCN",
    "densenet121": "MONAI's DenseNet-121",
    "resnet18": "MONAI's ResNet-18",
    "unet": "MONAI's residual U-Net",
    "segresnet": "MONAI's SegResNet",
    "dynunet": "MONAI's DynUNet",
}
BASELINES = {
    "mean": "mean of the training subjects",
    "majority": "commonest class",
    "site-mean": "site only",
    "site": "site only",
    "head-size": "head size only",
    "background": "background everywhere",
    "mean-mask": "mean training mask",
}


@dataclass(frozen=True)
class Tables:
    """A study's files.

    Attributes:
        folder: `results/STUDY`.
        config: The settings of its last run.
        synthetic: Whether scans are made up.
    """

    folder: Path
    config: Config
    synthetic: bool

    def table(self, name: str) -> pd.DataFrame:
        """Read one of the study's tables.

        Raises:
            UserError: If it is not there yet.
        """
        return files.read_csv(self._path(name))

    def audit(self) -> dict[str, Any]:
        """Read the leak audit.

        Raises:
            UserError: If it is not there yet.
        """
        return json.loads(self._path("split/audit.json").read_text(encoding="utf-8"))

    def _path(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise UserError(f"{path}: is not there yet; the methods are told once the study ran")
        return path

    def cards(self, experiment: str) -> list[dict[str, Any]]:
        """Cards of an experiment's finished trainings."""
        paths = [path for path in self._cards(experiment) if path.is_file()]
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths]

    def complete(self, experiment: str) -> bool:
        """Whether all trainings of an experiment are finished."""
        return all(path.is_file() for path in self._cards(experiment))

    def _cards(self, experiment: str) -> list[Path]:
        folder = self.folder / "train" / experiment / "main"
        return [
            folder / f"fold-{fold}" / f"seed-{seed}" / "model.json"
            for fold in self.config.folds(experiment)
            for seed in self.config.experiments[experiment].seeds
        ]


def tell(folder: Path, settings: Settings) -> str:
    """Tell how a study was done, and what came out.

    Args:
        folder: `results/STUDY`.
        settings: Those of its last run.

    Returns:
        Text with a heading for each part, also readable as reStructuredText.

    Raises:
        UserError: If the study has not come to its split yet.
    """
    config = settings.config
    tables = Tables(folder, config, settings.synthetic)
    cards = {name: tables.cards(name) for name in config.experiments}
    every = [card for several in cards.values() for card in several]
    parts: list[tuple[str, list[str]]] = [
        ("Data", [" ".join(_data(tables))]),
        ("Split", [" ".join(_split(tables))]),
    ]
    if every:
        parts.append(("Preparation", [_preparation(every[0])]))
        parts.append(("Training", [_common(every), *_trainings(tables, cards)]))
        parts.append(("Results", list(_results(tables))))
        parts.append(("Versions", [_versions(every)]))
    parts.append(("To cite", [_list(_citations(tables, every))]))
    return "\n".join(
        f"{title}\n{'-' * len(title)}\n\n" + "\n\n".join(paragraphs) + "\n"
        for title, paragraphs in parts
    )


def as_markup(text: str) -> str:
    """Return the text with every character that reStructuredText would take for markup escaped."""
    return re.sub(r"([\\*`|]|_(?=\W|$))", r"\\\1", text)


def _data(tables: Tables) -> Iterator[str]:
    config = tables.config
    labels, passed = tables.table("label/labels.csv"), tables.table("check/passed.csv")
    if tables.synthetic:
        yield (
            "SYNTHETIC: the scans were made by the demo from one template of the average "
            "brain; nothing here is a finding about people."
        )
    counts = Counter(labels["source"])
    sources = ", ".join(f"{name} ({_n(n, 'scan')})" for name, n in counts.items())
    sites = labels.loc[labels["site"] != "", "site"].nunique()
    yield (
        f"{_n(len(labels), 'scan')} of {_n(labels['subject'].nunique(), 'subject')} came from "
        f"{sources}" + (f", {sites} sites." if sites > 1 else ".")
    )
    for stage, did in (
        ("label", "Collecting them turned away"),
        ("check", "Every file was read to its last byte; rejected were"),
    ):
        reasons = Counter(tables.table(f"{stage}/rejected.csv")["reason"])
        if reasons or stage == "check":
            yield f"{did} {_counted(reasons) or 'none'}."
    if config.check.accept:
        yield f"{_n(len(config.check.accept), 'decision')} by hand kept scans despite a check."
    people = passed.drop_duplicates("subject")
    yield (
        f"{_n(len(passed), 'scan')} of {_n(len(people), 'subject')} "
        f"{'was' if len(passed) == 1 else 'were'} used."
    )
    units = {e.target: e.unit for e in config.experiments.values() if e.target != "mask"}
    numeric = {e.target for e in config.experiments.values() if e.task == "regression"}
    for label in sorted({*units, *config.split.stratify} & set(people.columns)):
        known = people.loc[people[label] != "", label]
        told = _numbers(known, units[label]) if label in numeric else _counted(Counter(known))
        missing = len(people) - len(known)
        yield f"{label}: {told}{f'; unknown for {missing}' if missing else ''}."


def _numbers(values: pd.Series, unit: str) -> str:
    numbers = values.astype(float)
    return (
        f"mean {numbers.mean():.1f}, standard deviation {numbers.std():.1f}, "
        f"{numbers.min():g} to {numbers.max():g}{f' {unit}' if unit else ''}"
    )


def _split(tables: Tables) -> Iterator[str]:
    splits = tables.table("split/splits.csv")
    audit = tables.audit()
    test = int((splits["test"] == "1").sum())
    held = f"{test} were held out for the test, the other " if test else ""
    folds = splits.loc[splits["fold"] != "", "fold"].nunique()
    settings = tables.config.split
    into = f"{folds} folds" + (f", one per site ({_and(settings.sites)})" if settings.sites else "")
    yield (
        f"Subjects, with all their sessions, were divided ({_how(settings)}): "
        f"{held}{len(splits) - test} were dealt into {into}."
    )
    if settings.group:
        yield f"Subjects of one {settings.group} stayed together."
    yield (
        f"{int((splits['inner'] == '1').sum())} of these choose the epoch wherever their fold is "
        "trained on, and no network learns from them."
    )
    leaks = len(audit["leaks"])
    yield (
        "The audit for subjects, families, identical voxels and lookalikes in two parts found "
        f"{leaks or 'none'}."
    )
    if audit["unrelated"]:
        yield f"{_n(len(audit['unrelated']), 'decision')} by hand found lookalikes to be unrelated."


def _how(settings: Split) -> str:
    if settings.file:
        return f"as the file {settings.file} says"
    if settings.stable:
        return f"seed {settings.seed}, by a hash of each name, so that new ones move nobody"
    stratify = f", in equal shares of {_and(settings.stratify)}" if settings.stratify else ""
    return f"seed {settings.seed}{stratify}"


def _preparation(card: Mapping[str, Any]) -> str:
    settings = card["prepare"]
    where = {"all": "the brain mask", "some": "the brain mask, or without one the head"}
    scale = {
        "zscore": "to mean 0 and standard deviation 1 over "
        + where.get(card["brain_masks"], "the head (all above Smith's threshold)"),
        "percentile": "from the 1st and 99th percentile to 0 and 1",
        "none": "not at all",
    }[settings["normalise"]]
    return (
        "Volumes were turned to the nearest of right-anterior-superior, resampled to "
        f"{_times(settings['voxel_size'])} mm by a linear kernel, cropped or padded about their "
        f"centre to {_times(settings['window'])} voxels, and their intensities scaled {scale}."
    )


def _common(cards: Sequence[Mapping[str, Any]]) -> str:
    devices = sorted({card["device"] for card in cards})
    minutes = sum(sum(card["seconds_per_epoch"]) for card in cards) / 60
    time = f"{minutes:.0f} min" if minutes >= 1 else "less than a minute"
    return (
        "All weights were trained from random ones by AdamW; the learning rate rose linearly and "
        "then fell to 0 as half a cosine. "
        f"{_n(len(cards), 'training')} took {time} on {_and(devices)}."
    )


def _trainings(tables: Tables, cards: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    for name, experiment in tables.config.experiments.items():
        if not tables.complete(name):
            planned = len(tables.config.folds(name)) * len(experiment.seeds)
            done = f"{len(cards[name])} of its {planned} trainings are finished"
            yield f"{name}: left out, because {done}."
        else:
            yield f"{name}: {_training(cards[name])}"


def _training(cards: Sequence[Mapping[str, Any]]) -> str:
    card = cards[0]
    settings, train = card["settings"], card["settings"]["train"]
    of = "of the masks" if settings["task"] == "segmentation" else f"of {settings['target']}"
    arguments = ", ".join(f"{key} {value}" for key, value in train["network_arguments"].items())
    network = NETWORKS.get(train["network"], f"the network {train['network']}")
    folds = sorted({one["settings"]["fold"] for one in cards})
    seeds = sorted({one["settings"]["seed"] for one in cards})
    learnt = _range([one["counts"]["training"]["scans"] for one in cards])
    chose = _range([one["counts"]["inner"]["scans"] for one in cards])
    loss = train["loss"] or LOSSES[settings["task"]][0]
    weighed = ", classes weighed by their inverse frequency" if train["class_weights"] else ""
    augment = "; ".join(
        f"{kind} ({', '.join(f'{key} {value}' for key, value in arguments.items())})"
        if arguments
        else kind
        for transform in train["augment"]
        for kind, arguments in transform.items()
    )
    key = metric_name(METRICS[settings["task"]][0].name)
    epochs = _range([one["chosen_epoch"] for one in cards])
    kept = (
        f"kept was the epoch that was best on the inner part by {key} (epoch {epochs})"
        if train["choose"] == "best"
        else "kept was the last epoch"
    )
    return (
        f"{settings['task']} {of} by {network}{f' ({arguments})' if arguments else ''}; "
        f"fold{'s' * (len(folds) > 1)} {_and(map(str, folds))} held out, "
        f"seed{'s' * (len(seeds) > 1)} {_and(map(str, seeds))}; {learnt} scans to learn from, "
        f"{chose} to choose the epoch; loss {loss}{weighed}; peak learning rate "
        f"{train['learning_rate']:g} after {train['warmup']:.0%} of the steps, weight decay "
        f"{train['weight_decay']:g}, {train['batch_size']} scans a step, {train['epochs']} epochs; "
        f"augmentation by TorchIO: {augment or 'none'}; {kept}."
    )


def _results(tables: Tables) -> Iterator[str]:
    yield (
        "Brackets hold 95 % percentile intervals over "
        f"{RESAMPLES} resamples of subjects; differences are paired, network minus baseline."
    )
    for name, experiment in tables.config.experiments.items():
        folder = tables.folder / "evaluate" / name
        if not tables.complete(name) or not (folder / "metrics.csv").is_file():
            continue
        metrics = pd.read_csv(folder / "metrics.csv")
        comparison = pd.read_csv(folder / "comparison.csv")
        key = METRICS[experiment.task][0].name
        judged = metrics[(metrics["group"] == "all") & (metrics["metric"] == key)]
        folds = _and(map(str, tables.config.folds(name)))
        parts = {"test": "the test subjects", "cross-validation": f"the subjects of fold {folds}"}
        for protocol in [part for part in parts if (judged["protocol"] == part).any()]:
            rows = judged[judged["protocol"] == protocol]
            against = comparison[
                (comparison["protocol"] == protocol) & (comparison["metric"] == key)
            ].set_index("baseline")
            yield f"{name}, on {parts[protocol]}, held out (n = {rows['n'].iloc[0]} subjects):"
            yield _grid(
                ["model", metric_name(key, experiment.unit), "network minus baseline"],
                [
                    [
                        BASELINES.get(row["model"], row["model"]),
                        number_with_interval(row["value"], row["ci_low"], row["ci_high"]),
                        _difference(against, row["model"]),
                    ]
                    for row in rows.to_dict("records")
                ],
            )


def _difference(against: pd.DataFrame, model: str) -> str:
    if model not in against.index:
        return "\u2014"
    row = against.loc[model, ["difference", "ci_low", "ci_high"]].astype(float)
    return number_with_interval(*row)


def _versions(cards: Sequence[Mapping[str, Any]]) -> str:
    seen: dict[str, set[str]] = {}
    for card in cards:
        for name, version in card["versions"].items():
            seen.setdefault(name, set()).add(version)
    codes = sorted({card["code_digest"] for card in cards})
    cohorts = sorted({card["splits_digest"][:8] for card in cards})
    return (
        ", ".join(f"{name} {' and '.join(sorted(v))}" for name, v in seen.items())
        + f"; code of the training {_and(codes)}; splits.csv sha256 {_and(cohorts)}."
    )


def _citations(tables: Tables, cards: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    catalogue = read_catalogue()
    if tables.synthetic:
        yield REFERENCES["demo"]
    for source in tables.config.data:
        if source.source in catalogue:
            yield f"{source.source}: {catalogue[source.source].cite}"
        elif not tables.synthetic:
            yield f"{source.source}: as its owners ask."
    used = ["snakemake"]
    used += ["split"] * (not tables.config.split.file and not tables.config.split.stable)
    if cards:
        trains = [card["settings"]["train"] for card in cards]
        used += ["bootstrap", "torch", "adamw", "cosine"]
        used += ["torchio"] * any(train["augment"] for train in trains)
        used += ["monai"] * any(train["network"] in NETWORKS for train in trains)
        zscore = any(card["prepare"]["normalise"] == "zscore" for card in cards)
        used += ["head"] * (zscore and cards[0]["brain_masks"] != "all")
        used += sorted({train["network"] for train in trains} & set(REFERENCES))
    yield from (REFERENCES[name] for name in used)


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table in columns, as reStructuredText reads it."""
    widths = np.array([[len(cell) for cell in row] for row in (head, *rows)]).max(axis=0)
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def _list(points: Iterable[str]) -> str:
    return "\n".join(f"- {point}" for point in dict.fromkeys(points))


def _n(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))


def _and(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def _times(lengths: Iterable[float]) -> str:
    return " x ".join(f"{length:g}" for length in lengths)
