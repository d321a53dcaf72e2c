"""Whom to cite: software, methods, networks and data."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from headstart.data.collections import read_catalogue
from headstart.data.label_table import MASK
from headstart.evaluation.baseline_rows import ROWS
from headstart.evaluation.intervals import METHODS
from headstart.study.methods.comparisons import compared
from headstart.study.methods.explanation import explained
from headstart.study.methods.results import interval_methods
from headstart.study.methods.results import outcomes
from headstart.study.methods.study_files import StudyFiles
from headstart.tasks import TASKS
from headstart.tasks import task_with
from headstart.tasks.base import Loss
from headstart.training.card import ModelCard
from headstart.training.registry import NETWORKS
from headstart.training.registry import OPTIMIZERS
from headstart.training.registry import SCHEDULES
from headstart.training.registry import Network
from headstart.training.registry import Part
from headstart.training.settings import Run

# What each word of a card rests on.
REFERENCES = {
    "snakemake": "Mölder et al. 2021, Snakemake, https://doi.org/10.12688/f1000research.29032.2",
    "torch": "Paszke et al. 2019, PyTorch, https://doi.org/10.48550/arXiv.1912.01703",
    "monai": "Cardoso et al. 2022, MONAI, https://doi.org/10.48550/arXiv.2211.02701",
    "torchio": "Pérez-García et al. 2021, TorchIO, https://doi.org/10.1016/j.cmpb.2021.106236",
    "air": "Gudbjartsson and Patz 1995, noise of magnitude images, "
    "https://doi.org/10.1002/mrm.1910340618",
    "patches": "Isensee et al. 2021, patches with a share of foreground, "
    "https://doi.org/10.1038/s41592-020-01008-z",
    "split": "Sechidis et al. 2011, stratification, https://doi.org/10.1007/978-3-642-23808-6_10",
    "folds": "Nadeau and Bengio 2003, variance over folds, https://doi.org/10.1023/A:1024068626366",
    "p value": "Altman and Bland 2011, p value of an interval, https://doi.org/10.1136/bmj.d2304",
    "seeds": "Tukey 1949, comparing individual means, https://doi.org/10.2307/3001913",
    "holm": "Holm 1979, multiple tests, Scand. J. Stat. 6:65-70",
    "threshold": "Youden 1950, index for rating diagnostic tests, Cancer 3:32-35",
    "spread": "de Lange et al. 2022, metrics and the range of the target, "
    "https://doi.org/10.1002/hbm.25837",
    "gap": "de Lange and Cole 2020, age bias of the gap, "
    "https://doi.org/10.1016/j.nicl.2020.102229",
    "lesion_f1": "Maier-Hein et al. 2024, Metrics reloaded, "
    "https://doi.org/10.1038/s41592-023-02151-z",
    "pq": "Kirillov et al. 2019, panoptic quality, https://doi.org/10.1109/CVPR.2019.00963",
    "sure": "Stein 1981, unbiased risk estimate, https://doi.org/10.1214/aos/1176345632; by "
    "a random probe: Ramani et al. 2008, https://doi.org/10.1109/TIP.2008.2001404",
    "head": "Smith 2002, BET, https://doi.org/10.1002/hbm.10062",
    "mattes": "Mattes et al. 2003, mutual information, https://doi.org/10.1109/TMI.2003.809072",
    "n4": "Tustison et al. 2010, N4ITK, https://doi.org/10.1109/TMI.2010.2046908",
    "deepbet": "Fisch et al. 2024, deepbet, https://doi.org/10.1016/j.compbiomed.2024.108845",
    "fit": "Avants et al. 2008, local correlation, https://doi.org/10.1016/j.media.2007.06.004",
    "deep": "Lee et al. 2015, deep supervision, https://proceedings.mlr.press/v38/lee15a.html",
    "dropout": "Neverova et al. 2016, ModDrop, https://doi.org/10.1109/TPAMI.2015.2461544",
    "occlusion": "Zeiler and Fergus 2014, occlusion, https://doi.org/10.1007/978-3-319-10590-1_53",
    "grad-cam++": "Chattopadhay et al. 2018, Grad-CAM++, https://doi.org/10.1109/WACV.2018.00097",
    "shuffled": "Adebayo et al. 2018, sanity checks for maps, "
    "https://doi.org/10.48550/arXiv.1810.03292",
    "demo": "Fonov et al. 2011, ICBM 152, https://doi.org/10.1016/j.neuroimage.2010.07.033",
}


def citations(study: StudyFiles, cards: Sequence[ModelCard]) -> Iterator[str]:
    """Yield what a paper should cite."""
    catalogue = read_catalogue()
    if study.synthetic:
        yield REFERENCES["demo"]
    for source in study.config.data:
        if source.source in catalogue:
            yield f"{source.source}: {catalogue[source.source].cite}"
        elif not study.synthetic:
            yield f"{source.source}: [your data: put their paper, or whom to thank, here]"
    used = ["snakemake"]
    split = study.config.split
    used += ["split"] * bool(not split.file and not split.stable and split.stratify)
    found = list(outcomes(study)) if cards else []
    used += ["folds"] * any(one.protocol == "cross-validation" for one in found)
    used += ["threshold"] * any("threshold" in one.defined for one in found)
    used += ["spread"] * any("mae" in one.defined and "r2" in one.defined for one in found)
    used += ["gap"] * any("corrected_gap" in one.defined for one in found)
    cited = ("lesion_f1", "pq", "sure")
    used += [name for name in cited if any(name in one.defined for one in found)]
    zscore = any(card.prepare.normalise == "zscore" for card in cards)
    steps = [card.prepare for card in cards]
    n4 = any(one.bias == "n4" for one in steps)
    used += ["n4"] * n4
    used += ["mattes"] * any("rigid" in one.align.values() for one in steps)
    used += ["deepbet"] * any(one.brain == "deepbet" for one in steps)
    placed = any(one.space != "native" for one in steps)
    used += ["demo"] * (placed and not study.synthetic) + ["fit"] * placed
    of_head = cards and cards[0].brain_masks != "all" and cards[0].prepare.brain == "none"
    used += ["head"] * bool((zscore or n4) and of_head)
    maps = [one.method for groups in explained(study).values() for one in groups]
    used += [*sorted(set(maps)), *["shuffled"] * bool(maps)]
    used += ["air"] * any(
        task_with(card.run.task, card.run.train.loss).needs_noise and card.predict.noise is None
        for card in cards
    )
    yield from (REFERENCES[name] for name in used)
    models = {row.model for one in outcomes(study) for row in one.models}
    yield from dict.fromkeys(row.cite for name, row in ROWS.items() if name in models and row.cite)
    methods = interval_methods(found)
    yield from dict.fromkeys(m.cite for m in METHODS.values() if m.words in methods)
    if families := compared(study):
        yield from (REFERENCES["p value"], REFERENCES["holm"])
        if any(row.seed_margin is not None for family in families for row in family):
            yield REFERENCES["seeds"]
    yield from of_training([card.run for card in cards])
    begun = sorted({card.start.cite for card in cards if card.start and card.start.cite})
    yield from (f"{cite}, weights that a training began from" for cite in begun)


def of_training(runs: Sequence[Run]) -> Iterator[str]:
    """Yield what a paper should cite for how networks were trained."""
    if not runs:
        return
    yield REFERENCES["torch"]
    trains = [run.train for run in runs]
    losses = dict(filter(None, map(_loss, runs)))
    networks = {name: NETWORKS[name] for name in {train.network for train in trains} & {*NETWORKS}}
    if any(train.augment for train in trains):
        yield REFERENCES["torchio"]
    libraries = [one.library for one in losses.values()]
    libraries += [one.library for one in networks.values()]
    if "monai" in libraries:
        yield REFERENCES["monai"]
    if any(train.deep_supervision for train in trains):
        yield REFERENCES["deep"]
    if any(run.optional and run.train.modality_dropout for run in runs):
        yield REFERENCES["dropout"]
    if any(run.train.patches and run.target == MASK for run in runs):
        yield REFERENCES["patches"]
    optimizers: Mapping[str, Part] = {t.optimizer: OPTIMIZERS[t.optimizer] for t in trains}
    schedules = {train.schedule: SCHEDULES[train.schedule] for train in trains}
    used: list[Mapping[str, Part | Loss | Network]] = [optimizers, schedules, losses, networks]
    for rows in used:
        yield from (rows[name].cite for name in sorted(rows) if rows[name].cite)


def _loss(run: Run) -> tuple[str, Loss] | None:
    """Return a run's loss and its name; None if it is the user's own."""
    task = TASKS[run.task]
    name = run.train.loss or task.default_loss()
    return (name, task.losses[name]) if name in task.losses else None
