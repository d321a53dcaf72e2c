"""What an experiment asks of the study's other sections, before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.data.label_table import IMAGES
from headstart.data.label_table import MASK
from headstart.study.start_checks import check_start
from headstart.training.config import PREDICT
from headstart.training.config import USUAL_DROPOUT
from headstart.training.config import Patches
from headstart.training.mirrors import check_masks_follow
from headstart.training.mirrors import check_mirrors
from headstart.training.mirrors import check_swap
from headstart.training.mirrors import flipped_axes
from headstart.training.mirrors import mirrored_axes
from headstart.training.registry import NETWORKS

if TYPE_CHECKING:
    from headstart.data.config import Label
    from headstart.study.config import Config
    from headstart.study.experiment import Experiment
    from headstart.training.config import Train


def check_experiment(name: str, config: Config) -> None:
    """Check what is known of an experiment before anything runs.

    Args:
        name: The experiment.
        config: The study that it belongs to, whose sections are checked each by itself.

    Raises:
        ValueError: If they do not go together. The message begins with the key.
    """
    experiment, where = config.experiments[name], f"experiments.{name}"
    _check_folds(where, experiment, config)
    _check_masks(where, experiment, config)
    _check_space(where, experiment, config)
    _check_series(where, experiment, config)
    _check_lengths(where, experiment.train, config)
    _check_saved(where, experiment.train)
    _check_dropout(where, experiment.train, config)
    if experiment.train.patches is None and experiment.predict.overlap != PREDICT.overlap:
        raise ValueError(
            f"{where}.predict.overlap: a network that learnt from whole scans predicts them whole, "
            "without tiles that could overlap; remove it, or set train.sampling to patches"
        )
    if experiment.predict.memory and experiment.train.patches is None:
        raise ValueError(
            f"{where}.predict.memory: a network that learnt from whole scans predicts them whole; "
            "remove it, or set train.sampling to patches"
        )
    try:
        flipped_axes(experiment.predict.flips, experiment.train.augment, experiment.train.swap)
    except ValueError as error:
        raise ValueError(f"{where}.predict.flips: {error}") from None
    # an own split may say by itself who is for validation
    if config.split.validation == 0 and not config.split.file:
        _check_without_validation(where, experiment)
    try:
        classes = [name for name in _classes(experiment, config) if name]
        experiment.kind.check_classes(experiment.target, classes)
    except ValueError as error:
        raise ValueError(f"{where}.target: {error}") from None
    _check_augmentation(where, experiment, config)
    folds = {one: config.folds(one) for one in config.experiments}
    check_start(name, config.experiments, folds, [source.source for source in config.data])


def _check_saved(where: str, train: Train) -> None:
    """Check that some epoch's weights are kept, where it is known how many there are."""
    if train.save_every and train.epochs and train.save_every > train.epochs:
        raise ValueError(
            f"{where}.train.save_every: no epoch is kept, as there are {train.epochs}; write a "
            "smaller number, or remove it"
        )


def _check_dropout(where: str, train: Train, config: Config) -> None:
    """Check that there are channels that a network may learn to do without."""
    if train.modality_dropout != USUAL_DROPOUT and not config.optional:
        raise ValueError(
            f"{where}.train.modality_dropout: no channel is optional; write `optional: true` at "
            "one that scans may lack, or remove this"
        )


def _check_folds(where: str, experiment: Experiment, config: Config) -> None:
    made, repeats = config.split.all_folds, config.split.repeats
    by = "split.folds" + " x split.repeats" * (repeats > 1)
    if experiment.folds != "all" and max(experiment.folds, default=0) >= made:
        raise ValueError(
            f"{where}.folds: {list(experiment.folds)} has a fold that {by} = {made} does not "
            f"make; allowed: 0 to {made - 1}"
        )


def _check_masks(where: str, experiment: Experiment, config: Config) -> None:
    if experiment.target == MASK and not config.classes:
        raise ValueError(
            f"{where}: {experiment.task} needs the key `classes`, e.g. {{1: hippocampus}}"
        )
    if experiment.instances == "ids" and "any" not in config.classes.values():
        raise ValueError(
            f"{where}.instances: `ids` are of objects of one class, which any value above 0 "
            f"belongs to; write e.g. classes: {{{next(iter(config.classes))}: any}}"
        )
    if experiment.target == MASK and any(source.mask is None for source in config.data):
        raise ValueError(
            f"{where}: {experiment.task} needs the key `mask` in every source of `data`"
        )
    patches, usual = experiment.train.patches, Patches.model_fields["foreground"].default
    if patches is not None and experiment.target != MASK and patches.foreground != usual:
        raise ValueError(
            f"{where}.train.sampling.foreground: a {experiment.task} has no classes that patches "
            "could be centred on; remove it"
        )


def _check_space(where: str, experiment: Experiment, config: Config) -> None:
    """Check that scans are in their own space for what is of it, and that nothing else asks so."""
    own = experiment.kind.own_space
    if own and config.prepare.voxel_size != "own":
        raise ValueError(
            f"{where}: {experiment.task} is of scans in their own space, which resampling would "
            "smooth; write prepare: {voxel_size: own, window: own}"
        )
    moved = [name for one in experiment.train.augment for name in one if name != "RandomFlip"]
    if own and moved:
        raise ValueError(
            f"{where}.train.augment: {moved[0]} changes the noise that {experiment.task} is to "
            "tell from the scan; RandomFlip alone leaves it"
        )
    series, noise = experiment.train.neighbours is not None, experiment.kind.needs_noise
    fitting = {"noise": noise, "dtype": own, "edges": series, "memory": not series}
    for key, fits in fitting.items():
        if not fits and getattr(experiment.predict, key) != getattr(PREDICT, key):
            of = "a series" if series else experiment.task
            raise ValueError(f"{where}.predict.{key}: not for {of}; remove it")


def _check_series(where: str, experiment: Experiment, config: Config) -> None:
    """Check that scans are series for what is of series, and for nothing else."""
    series = experiment.train.neighbours is not None
    if series and not config.prepare.series:
        raise ValueError(
            f"{where}.train.neighbours: is for 4-D series; write prepare.series: true, if all "
            "scans of the study are such"
        )
    if config.prepare.series and not series:
        raise ValueError(
            f"{where}: is of 3-D scans, but prepare.series says that all scans of the study are "
            "4-D series; write e.g. train.neighbours: {before: 3, after: 3} for denoising, or ask "
            "for it in a study of its own"
        )


def _check_lengths(where: str, train: Train, config: Config) -> None:
    """Check that the network takes what it is to see: patches, or the window."""
    window = config.prepare.window
    try:
        seen = train.seen(window)
    except ValueError as error:
        raise ValueError(f"{where}.train.sampling: {error}") from None
    key = "prepare.window" if train.patches is None else f"{where}.train.sampling.patches"
    if window != "own" and any(n > most for n, most in zip(seen, window, strict=True)):
        raise ValueError(
            f"{key}: {list(seen)} is longer than prepare.window, {list(window)}; write a "
            "smaller patch, or `whole`"
        )
    ours = NETWORKS.get(train.network)
    if ours is None:
        return
    try:
        multiples = ours.multiples(train.network_arguments)
    except ValueError as error:
        raise ValueError(f"{where}.train.network_arguments: {error}") from None
    least = ours.least(train.network_arguments)
    divided = [-(-n // m) * m for n, m in zip(seen, multiples, strict=True)]
    if divided != list(seen):
        alike = len(set(multiples)) == 1
        asked = f"{multiples[0]} divides" if alike else f"{list(multiples)} divide"
        raise ValueError(
            f"{key}: {train.network} in {where} needs lengths that {asked}, "
            f"but it is {list(seen)}; e.g. {divided}"
        )
    if any(length < fewest for length, fewest in zip(seen, least, strict=True)):
        alike = len(set(least)) == 1
        asked = f"{least[0]} voxels each way" if alike else f"{list(least)} voxels"
        raise ValueError(
            f"{key}: {train.network} in {where} needs at least {asked}, but it is {list(seen)}"
        )


def _check_without_validation(where: str, experiment: Experiment) -> None:
    train = experiment.train
    if experiment.variant_of:
        raise ValueError(
            f"{where}.sweep: is compared on the validation set, but split.validation is 0; set it, "
            "e.g. to 0.15"
        )
    if train.keep == "best":
        raise ValueError(
            f"{where}.train.keep: best needs a validation set that chooses the epoch, but "
            "split.validation is 0; write `keep: last`, or set split.validation, e.g. to 0.15"
        )
    if train.patience is not None:
        raise ValueError(
            f"{where}.train.patience: needs a validation set that says when nothing gets better, "
            "but split.validation is 0; take it out, or set split.validation, e.g. to 0.15"
        )


def _check_augmentation(where: str, experiment: Experiment, config: Config) -> None:
    """Check what is known of the names; label looks at the target's values."""
    train, names = experiment.train, _classes(experiment, config)
    if train.swap and not config.task_of(experiment).classes:
        raise ValueError(f"{where}.train.swap: a {experiment.task} has no classes; remove it")
    try:
        if experiment.target == MASK:
            check_swap(train.swap, names)
    except ValueError as error:
        raise ValueError(f"{where}.train.swap: {error}") from None
    try:
        mirrored_axes(train.augment)  # whose axes there must be
        if experiment.target in IMAGES:
            check_masks_follow(train.augment)
        if not train.flip_reason:
            asked = _asked(experiment, config)
            check_mirrors(train.augment, names, asked=asked, swap=train.swap)
    except ValueError as error:
        raise ValueError(f"{where}.train.augment: {error}") from None


def _classes(experiment: Experiment, config: Config) -> tuple[str, ...]:
    """Names of the classes, as far as the config has them."""
    if experiment.target == MASK:
        return tuple(config.classes)
    labels = _labels(experiment, config)
    return tuple(dict.fromkeys(value for label in labels for value in label.map.values()))


def _asked(experiment: Experiment, config: Config) -> tuple[str, ...]:
    """Names of the target: its own, and its columns' in the tables."""
    columns = (label.column for label in _labels(experiment, config))
    return tuple(dict.fromkeys((experiment.target, *columns)))


def _labels(experiment: Experiment, config: Config) -> list[Label]:
    """Where each source has the target."""
    labels = (source.labels.get(experiment.target) for source in config.data)
    return [label for label in labels if label is not None]
