"""How volumes were prepared and networks trained, and with which versions."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from headstart.common.text import counted
from headstart.common.text import percent
from headstart.common.text import setting_in_words
from headstart.common.text import value_in_words
from headstart.data.label_table import IMAGES
from headstart.data.label_table import MASK
from headstart.figures.style import metric_name
from headstart.study.config import Config
from headstart.study.methods.phrases import and_joined
from headstart.study.methods.phrases import scans_text
from headstart.study.methods.phrases import span
from headstart.study.methods.phrases import times
from headstart.study.methods.study_files import StudyFiles
from headstart.study.sweep import SEEDS
from headstart.tasks import TASKS
from headstart.tasks import task_with
from headstart.training.card import ModelCard
from headstart.training.config import Train
from headstart.training.length import epochs_asked
from headstart.training.registry import NETWORKS
from headstart.training.registry import OPTIMIZERS
from headstart.training.registry import SCHEDULES
from headstart.training.start import StartCard
from headstart.training.tiles import tile_of


def tell_preparation(card: ModelCard) -> str:
    """Tell what was done to each volume."""
    settings = card.prepare
    about = "the head's" if settings.brain == "none" else "the brain's"
    part = "head, the largest part above air," if settings.brain == "none" else "brain"
    cropped = (
        f"cropped to the {part} and 8 mm around it"
        if settings.window == "own"
        else f"cropped or padded about {about} centre to {times(settings.window)} voxels"
    )
    where = (
        "reoriented to the nearest right-anterior-superior axes and kept at their own voxels, "
        "uncropped"
        if settings.voxel_size == "own"
        else f"{_resampled(settings.space, times(settings.voxel_size))}, and {cropped}"
    )
    source = f" The template is {card.template}." if card.template else ""
    return f"{''.join(_steps(card))}Volumes were {where}. {_scaled(card)}{source}"


def _resampled(space: str, size: str) -> str:
    """Tell how voxels came to lie where they lie."""
    if space == "native":
        return (
            f"reoriented to the nearest right-anterior-superior axes, resampled to {size} mm by "
            "linear interpolation, whose kernel was widened where the new voxels are larger"
        )
    how = "an affine" if space == "affine" else "a rigid"
    return (
        f"registered to the MNI152 template (ICBM 2009a nonlinear symmetric) by {how} transform "
        "that maximises the squared local correlation of the brains, resampled once, to "
        f"{size} mm, by linear interpolation, after smoothing where the new voxels are larger"
    )


def _scaled(card: ModelCard) -> str:
    """Tell what was done to intensities."""
    return {
        "zscore": "Intensities were standardised to mean 0 and standard deviation 1 over "
        f"{_inside(card)}, both computed after clipping to the 0.5th and 99.5th percentiles.",
        "percentile": "Intensities were scaled linearly, the 1st percentile to 0 and the 99th to "
        f"1, of {_inside(card, 'the whole volume')}.",
        "none": "Intensities were kept as they are.",
    }[card.prepare.normalise]


HEAD = "the head (all above a tenth of the way from the 2nd to the 98th percentile)"


def _inside(card: ModelCard, otherwise: str = HEAD) -> str:
    """Name the part of a scan that its intensities are looked at in: the brain, or otherwise."""
    if card.prepare.brain != "none":
        return "the brain"
    where = {"all": "the brain mask", "some": f"the brain mask, or without one {otherwise}"}
    return where.get(card.brain_masks, otherwise)


def _steps(card: ModelCard) -> Iterator[str]:
    """Tell of the steps that came before, if any was asked for."""
    by = {"deepbet": "deepbet", "given": "the brain masks that came with the scans"}
    if card.prepare.brain != "none":
        yield (
            f"The brain was extracted by {by[card.prepare.brain]}, and voxels outside it were set "
            "to the level of air. "
        )
    for how in sorted(set(card.prepare.align.values())):
        names = [name for name, its in card.prepare.align.items() if its == how]
        what = f"{and_joined(names)} {'was' if len(names) == 1 else 'were'}"
        first = card.run.channels[0]
        yield (
            f"{what} aligned with {first} by the coordinates in the files' headers. "
            if how == "header"
            else f"{what} registered to {first} by a rigid transform that maximises their mutual "
            "information (Mattes et al. 2003). "
        )
    if card.prepare.bias != "none":
        yield f"The bias field was estimated by N4 within {_inside(card)} and divided out. "


def tell_masks(config: Config) -> str:
    """Tell what was done to masks; "" if there are none, or they were left as they are."""
    if not config.classes or config.prepare.voxel_size == "own":
        return ""
    return (
        "Masks were resampled so that each connected structure keeps its volume: it was given as "
        "many voxels as it is large, those of which it fills the most. Predicted masks were "
        "brought back to each scan's own voxels, where they and those of baselines were evaluated."
    )


def tell_common(cards: Sequence[ModelCard]) -> str:
    """Tell what all trainings have in common."""
    devices = sorted({card.device for card in cards})
    were = "was" if len(cards) == 1 else "were"
    return f"{counted(len(cards), 'network')} {were} trained on {and_joined(devices)}."


def _network(card: ModelCard) -> str:
    """Name the network, and what its weights were before the training."""
    train = card.run.train
    name, ours = train.network, NETWORKS.get(train.network)
    arguments = [f"{key} {value}" for key, value in train.network_arguments.items()]
    arguments += [f"{card.parameters:,} parameters"] * bool(card.parameters)
    of_file = f" (sha256 {card.network_digest[:16]}), whose own code sets the weights it starts"
    own = f"the network {name}{of_file} from"
    begins = _start(card.start) if card.start else ", from random weights" if ours else ""
    how = f" ({', '.join(arguments)})" if arguments else ""
    return (ours.words if ours else own) + how + begins


def _start(start: StartCard) -> str:
    """Tell what the weights were before the training, and whom they had seen."""
    digest = f"sha256 {start.weights_sha256[:16]}"
    whose = {
        "experiment": f"the experiment {start.name}'s network of the same fold and seed",
        "file": f"{start.name} ({digest})",
        "catalogue": f"{start.name} ({digest})",
    }[start.kind]
    parts = [f"{percent(start.share)} of its weights"]
    parts += [f"{counted(len(start.adapted), 'tensor')} adapted"] * bool(start.adapted)
    parts += [f"{counted(len(start.new), 'tensor')} random"] * bool(start.new)
    if start.frozen:
        parts.append(f"{and_joined(start.frozen)} unchanged in training")
    if start.kind == "experiment":
        seen = "which has seen no subject that is held out here"
    elif start.cohorts:
        seen = f"trained on {start.cohorts}; which subjects these are is not known here"
    elif start.known:
        seen = "which has seen no scan that is held out here"
    else:
        seen = "trained on unknown scans, so that it may have seen subjects that are held out here"
    return f", beginning from {whose} ({', '.join(parts)}), {seen}"


def tell_trainings(study: StudyFiles, cards: Mapping[str, Sequence[ModelCard]]) -> Iterator[str]:
    """Tell how the networks of each experiment were trained."""
    config = study.config
    for name, variants in config.sweeps.items():
        if left_out := _left_out(study, name, sum(len(cards[one]) for one in variants)):
            yield left_out
        else:
            first = f"{variants[0]}: {_training(cards[variants[0]])}"
            yield f"{name}: {_sweep(config, variants)} {first}"
    for name in filter(config.is_reported, config.experiments):
        yield _left_out(study, name, len(cards[name])) or f"{name}: {_training(cards[name])}"


def _left_out(study: StudyFiles, name: str, done: int) -> str:
    """Say why nothing is told of an experiment or a sweep; "" if it is complete."""
    if study.complete(name):
        return ""
    planned = len(study.config.runs(name))
    return f"{name}: left out, because {done} of {counted(planned, 'training')} finished."


def _sweep(config: Config, variants: Sequence[str]) -> str:
    """Tell what was compared, on whom, and what was chosen."""
    first = config.experiments[variants[0]]
    settings = and_joined(
        f"{setting_in_words(setting)} ({', '.join(map(value_in_words, values))})"
        for setting, values in first.sweep.items()
        if setting != SEEDS
    )
    seeds = f"seed{'s' * (len(first.seeds) > 1)} {and_joined(map(str, first.seeds))}"
    chosen = [f"{name} was chosen" for name in variants if config.is_evaluated(name)]
    return (
        f"{len(variants)} combinations of {settings}, each trained with {seeds}, were compared by "
        f"the {metric_name(first.kind.key_metric(), first.unit)} of the validation subjects; "
        f"{and_joined(chosen) if chosen else 'none is evaluated on held-out subjects'}. "
        "All other settings are those of the first."
    )


def _training(cards: Sequence[ModelCard]) -> str:
    card = cards[0]
    run, train = card.run, card.run.train
    of = f"of the {run.target}s" if run.target in IMAGES else f"of {run.target}"
    of += f" ({and_joined(run.classes)})" if run.target == MASK and run.classes else ""
    kept = (
        f"those of the epoch with the best validation {metric_name(card.chosen_by)} "
        f"(epoch {span([one.chosen_epoch for one in cards])})"
        if card.chosen_by
        else {"ema": "their moving average at the end"}.get(train.keep, "those of the last epoch")
    )
    sentences = [
        f"{run.task} {of} by {_network(card)}{_covariates(cards)}.",
        _seen(cards),
        card.task.target_words,
        f"The loss was {_loss(card)}.",
        _optimization(cards),
        _augmentation(train),
        _dropped(card),
        f"The weights kept are {kept}.",
        *_predicted(card),
    ]
    return " ".join(filter(None, sentences))


def _seen(cards: Sequence[ModelCard]) -> str:
    """Tell how many networks there are, and whom each of them saw."""
    folds = sorted({one.run.fold for one in cards})
    seeds = sorted({one.run.seed for one in cards})
    learnt = scans_text(span([one.counts.training.scans for one in cards]))
    validation = [one.counts.validation.scans for one in cards]
    missing = span([one.counts.without_target for one in cards])
    return (
        f"{counted(len(cards), 'network')} ({_numbered('fold', folds)} held out"
        f"{' in turn' * (len(folds) > 1)}, {_numbered('seed', seeds)}) "
        f"{'was' if len(cards) == 1 else 'were'} trained on {learnt}{' each' * (len(cards) > 1)}, "
        f"with {span(validation) if any(validation) else 'none'} for validation"
        + ("." if missing == "0" else f"; {scans_text(missing)} without a target were left out.")
    )


def _numbered(what: str, numbers: Sequence[int]) -> str:
    """Name folds or seeds: fold 0, seeds 0 and 1."""
    return f"{what}{'s' * (len(numbers) > 1)} {and_joined(map(str, numbers))}"


def _covariates(cards: Sequence[ModelCard]) -> str:
    """Tell what the network saw beside the scan; of numbers the mean is the first fold's."""
    card = cards[0]
    if not card.covariates.fitted:
        return ""
    told = and_joined(one.words for one in card.covariates.fitted)
    lost = span([one.counts.without_covariate for one in cards])
    return (
        f", with {told} as covariates, standardised by the training scans: a perceptron of them "
        "with one hidden layer adds to the network's output"
        + ("" if lost == "0" else f" ({scans_text(lost)} without one of them left out)")
    )


def _of_a_step(train: Train) -> str:
    """Tell what a step learns from."""
    if train.patches is None:
        return counted(train.batch_size, "scan")
    return f"{train.batch_size} patch{'es' * (train.batch_size != 1)}"


def _predicted(card: ModelCard) -> Iterator[str]:
    """Tell what the network saw of a scan, and how it predicts, if not whole scans as they are."""
    train, predict = card.run.train, card.predict
    if (patches := train.patches) is not None:
        share = (
            f", {percent(patches.foreground)} of them centred on a voxel of a class drawn "
            "beforehand"
            if card.run.target == MASK
            else ""
        )
        ours = NETWORKS.get(train.network)
        tile = tile_of(patches.patches, local=bool(ours and ours.local))
        yield (
            f"Training was on patches of {times(patches.patches)} voxels, {patches.per_scan} per "
            f"scan and epoch{share}. Predictions were made in tiles of {times(tile)} voxels, of "
            "which the inner part alone was kept: margins are as wide as the network's field of "
            "view where that is at most a quarter of a tile; otherwise neighbouring tiles share "
            f"{percent(predict.overlap)} of their length."
        )
    if task_with(card.run.task, train.loss).needs_noise:
        yield (
            "The noise of each scan was estimated from its air."
            if predict.noise is None
            else f"The noise's standard deviation was taken to be {predict.noise:g}, as the study "
            "gives it."
        )
    if (neighbours := train.neighbours) is not None:
        ends = {
            "pad": "at the ends, missing ones were replaced by those as far on the other side",
            "truncate": "volumes without all of them were left out",
        }
        yield (
            f"Each volume was predicted from {neighbours.before} before and {neighbours.after} "
            f"after it, as the difference from their mean; {ends[predict.edges]}."
        )
    if predict.flips != "none":
        yield f"Predictions are means of the outputs for {predict.flips} mirror images."


def _loss(card: ModelCard) -> str:
    """Tell what was made small."""
    train = card.run.train
    task = TASKS[card.run.task]
    loss = train.loss or task.default_loss()
    weighed = (
        ", classes weighted by their inverse frequency, which the predicted probabilities are "
        "corrected for"
        if train.class_weights
        else ""
    )
    deep = ", also at lower resolutions (deep supervision)" if train.deep_supervision else ""
    smoothed = f", labels smoothed by {train.label_smoothing:g}" if train.label_smoothing else ""
    own = f"sha256 {card.loss_digest[:16]}" if card.loss_digest else ""
    words = own or task.losses[loss].words
    about = f" ({words})" if words else ""
    name = loss if own else loss.replace("_", " ")
    return f"{name}{about}{weighed}{smoothed}{deep}"


def _epochs(cards: Sequence[ModelCard]) -> str:
    """Tell how many epochs there were, and what ended them."""
    train, done = cards[0].run.train, [len(card.spent) for card in cards]
    asked = [epochs_asked(card.run.train, card.counts.training.scans) for card in cards]
    said = f"{span(done)} epoch{'s' * (max(done) != 1)}"
    steps = "" if train.iterations is None else counted(train.iterations, "step")
    if done == asked:
        return f"{steps} ({said})" if steps else said
    ends = [f"patience of {train.patience} epochs"] if train.patience else []
    ends += [f"budget of {train.budget}"] if train.budget else []
    return f"{said} of at most {steps or train.epochs} ({' and '.join(ends)})"


def _precision(cards: Sequence[ModelCard]) -> str:
    """Tell what was multiplied in where it was not float32 throughout, and what was not kept."""
    low = sorted({card.precision for card in cards} - {"fp32"})
    said = f", in mixed precision ({and_joined(low)})" if low else ""
    again = cards[0].run.train.checkpoint_activations
    return said + (", activations computed again for the gradients" if again else "")


def _augmentation(train: Train) -> str:
    """Tell what changed the training scans."""
    said = "; ".join(
        f"{kind} ({value_in_words(arguments)})" if arguments else kind
        for transform in train.augment
        for kind, arguments in transform.items()
    )
    if not said:
        return "No augmentation was used."
    kinds = {kind for transform in train.augment for kind in transform}
    shared = ". Neighbouring spatial transforms shared one interpolation" * (len(kinds) > 1)
    signal = (
        ". Bias fields and gammas acted on the signal above the scan's minimum, which was then "
        "normalised again" * bool(kinds & {"RandomBiasField", "RandomGamma"})
    )
    return f"Training scans were augmented by TorchIO's transforms: {said}{shared}{signal}."


def _dropped(card: ModelCard) -> str:
    """Tell what the network saw of channels that a scan lacks, and which were taken away."""
    if not card.run.optional:
        return ""
    return (
        f"{and_joined(card.run.optional)}, where a scan lacks it, was seen as 0, with a flag that "
        f"says so beside the channels; {percent(card.run.train.modality_dropout)} of the training "
        "scans that have it, drawn for each epoch, were shown without (modality dropout)."
    )


def _optimization(cards: Sequence[ModelCard]) -> str:
    """Tell what the weights were changed by, and for how long."""
    train = cards[0].run.train
    clipped = f", gradients scaled down to a norm of at most {train.clip:g}" if train.clip else ""
    return (
        f"Weights were optimised by {OPTIMIZERS[train.optimizer].words} (weight decay "
        f"{train.weight_decay:g}{clipped}), {_of_a_step(train)} a step, for {_epochs(cards)}"
        f"{_precision(cards)}; the learning rate rose linearly to {train.learning_rate:g} over the "
        f"first {percent(train.warmup)} of the steps and {SCHEDULES[train.schedule].words}."
    )


def tell_versions(cards: Sequence[ModelCard]) -> str:
    """Tell which versions of packages, code and split the trainings rest on."""
    seen: dict[str, set[str]] = {}
    for card in cards:
        for name, version in card.versions.items():
            seen.setdefault(name, set()).add(version)
    codes = sorted({card.code for card in cards})
    cohorts = sorted({card.splits_digest[:8] for card in cards})
    return (
        ", ".join(f"{name} {' and '.join(sorted(v))}" for name, v in seen.items())
        + f"; training code {and_joined(codes)}; splits.csv sha256 {and_joined(cohorts)}."
    )
