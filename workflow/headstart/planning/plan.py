"""Choose how to train, by what the scans are like and where the training will run.

As nnU-Net plans segmentation from a data set's fingerprint and the memory of the GPU (Isensee et
al. 2021, doi:10.1038/s41592-020-01008-z), but with one window around the whole head wherever it
fits, and for classification and regression too. Each choice comes with its reason in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from headstart.cluster.machine import Place
from headstart.common.schema import Window
from headstart.common.text import counted
from headstart.planning.fingerprint import Fingerprint
from headstart.planning.fingerprint import Triple
from headstart.planning.patch_plan import FOREGROUND
from headstart.planning.patch_plan import MOST_HALVINGS
from headstart.planning.patch_plan import halvings_of
from headstart.planning.patch_plan import patch_sizes
from headstart.planning.patch_plan import patches_per_scan
from headstart.training.costs import TILES
from headstart.training.costs import learning_seconds
from headstart.training.costs import looking_seconds
from headstart.training.costs import training_memory
from headstart.training.registry import NETWORKS

FINEST = 2.0  # mm, where the answer is about the whole head
LADDER = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)  # mm
STEP = 16  # a whole head's window has multiples: the network halves it four or five times
SMALLEST_BATCH = 2  # batch norm needs two
STEPS = 4000  # of the optimizer
EPOCHS = (20, 150)
WHOLE = 110.0  # mm: the least edge of a box about a grown brain
NIGHT = 12.0  # hours that a training on a CPU may take
MANY = 1000  # subjects: from here on the paper's own, wider SFCN, which takes four times as long
TINY = 50  # subjects: below, none are held out for a final test
HELD_OUT = 2  # subjects of a fold, where there are few
MOST_FOLDS = 10
WATCHED = 20  # subjects: below, none are set aside to watch the training by


@dataclass(frozen=True)
class Plan:
    """The choices, and the reason of each by its key.

    Attributes:
        whole_head: Whether what is to be seen of a scan may be a whole head, or its brain.
    """

    split: dict[str, Any]
    folds: list[int] | str
    prepare: dict[str, Any]
    train: dict[str, Any]
    memory: float
    hours: float | None
    reasons: dict[str, str]
    whole_head: bool = False


@dataclass(frozen=True)
class _Candidate:
    """A way to train, and what it costs.

    Attributes:
        size: Edges of a voxel, mm.
        window: Voxels of a whole scan.
        patch: Voxels of a patch; None where whole scans are learnt from.
        per_scan: Patches of each scan in an epoch.
        network: Name of the network.
        arguments: Its arguments.
        batch: Scans or patches of a step.
        epochs: Passes over the scans.
        memory: Bytes that it fills.
        hours: How long it takes on a CPU; None on a GPU.
    """

    size: Triple
    window: Window
    patch: Window | None
    per_scan: int
    network: str
    arguments: dict[str, list[int]]
    batch: int
    epochs: int
    memory: float
    hours: float | None

    @property
    def in_time(self) -> bool:
        """Whether it takes no longer than a night."""
        return self.hours is None or self.hours <= NIGHT

    @property
    def seen(self) -> Window:
        """Voxels that the network sees at once."""
        return self.patch or self.window


def plan(fingerprint: Fingerprint, place: Place) -> Plan:
    """Choose split, voxel size, window, network, batch and schedule.

    Args:
        fingerprint: The cohort; with classes, a segmentation is planned.
        place: Where the trainings are to run.

    Returns:
        The finest plan that fits the memory, and on a CPU takes no longer than a night. A
        segmentation keeps the scans' voxel size, and learns from patches where whole scans don't
        fit: coarser voxels would lose what is small.
    """
    split, learning, validating = split_of(fingerprint.subjects, fingerprint.scans)
    threads = 2 if place.gpu else min(4, place.cores)
    candidates = _candidates(fingerprint, place, learning, validating, threads)
    first = best = next(candidates)
    for best in chain([first], candidates):
        if best.memory <= place.memory and best.in_time:
            break
    epochs, hours = best.epochs, best.hours
    if hours is not None and hours > NIGHT:
        epochs = max(2, int(best.epochs * NIGHT / hours))
        hours *= epochs / best.epochs
    train: dict[str, Any] = {"network": best.network, "network_arguments": best.arguments}
    if best.patch is not None:
        train["sampling"] = {
            "patches": list(best.patch),
            "per_scan": best.per_scan,
            "foreground": FOREGROUND,
        }
    train |= {
        "epochs": epochs,
        "batch_size": best.batch,
        "learning_rate": NETWORKS[best.network].learning_rate,
        "class_weights": fingerprint.imbalance > 1.5,
        "keep": "ema",
        "threads": threads,
    }
    folds = _folds(split, hours)
    prepare = {
        "voxel_size": list(best.size),
        "window": list(best.window) if best.patch is None else "own",
        "shards": min(256, max(2, math.ceil(fingerprint.scans / 64))),
    }
    reasons = split_reasons(split, fingerprint) | _prepare_reasons(best, fingerprint)
    reasons |= _train_reasons(train, fingerprint, learning)
    if best.patch is not None:
        reasons["sampling"] = _patches_reason(best, first, place)
    reasons["memory"] = (
        f"one training fills about {best.memory / 1e9:.1f} GB of the {place.memory / 1e9:.0f} GB "
        f"that it may have ({place.name})"
    )
    if hours is not None:
        reasons["time"] = f"one training takes about {duration(hours)} on {threads} free CPU cores"
    reasons["folds"] = _folds_reason(folds, split, hours)
    whole = min(fingerprint.needed) >= WHOLE
    return Plan(split, folds, prepare, train, best.memory, hours, reasons, whole)


def duration(hours: float) -> str:
    """Write a duration in the unit that suits it."""
    if hours < 1:
        minutes = math.ceil(hours * 60)
        return f"{minutes} minutes" if minutes > 1 else "a minute"
    return f"{hours:.0f} hours" if hours >= 1.5 else "an hour"


def split_of(subjects: int, scans: int) -> tuple[dict[str, Any], int, int]:
    """Return the split, how many scans one fold learns from, and how many it is validated on.

    The fewer there are, the more folds: each training then learns from nearly all of them. A fold
    holds two subjects at least, as held-out ones are compared with each other. Where validation
    would rest on too few to say anything, all are learnt from.
    """
    if subjects >= TINY:
        test, folds, validation = 0.2, 5, 0.15
    else:
        test, folds = 0.0, min(MOST_FOLDS, max(2, subjects // HELD_OUT))
        validation = 0.0 if subjects < WATCHED else 0.2 if subjects < TINY / 2 else 0.15
    validating = max(2, round(validation * subjects)) / subjects if validation else 0.0
    rest = scans * (1 - test) * (1 - 1 / folds)
    made = {"test": test, "folds": folds, "validation": validation}
    return made, max(1, int(rest * (1 - validating))), math.ceil(rest * validating)


def _folds(split: Mapping[str, Any], hours: float | None) -> list[int] | str:
    """Return which folds are trained: all where nobody is held out, and time allows."""
    cheap = hours is None or hours * split["folds"] <= NIGHT
    return "all" if not split["test"] and cheap else [0]


def _candidates(
    fingerprint: Fingerprint, place: Place, learning: int, validating: int, threads: int
) -> Iterator[_Candidate]:
    """Yield the ways to train, the finest first: whole scans, and of a segmentation patches.

    Args:
        fingerprint: The cohort.
        place: Where the training is to run.
        learning: Scans that it learns from.
        validating: Scans that it is validated on.
        threads: CPU cores that it has.
    """

    def candidate(
        size: Triple, window: Window, patch: Window | None = None, batch: int = SMALLEST_BATCH
    ) -> _Candidate:
        seen = patch or window
        network, arguments = _network(fingerprint, seen, place)
        per_scan, seconds = 1, 0.0
        if patch is not None:
            per_scan = patches_per_scan(STEPS * batch, learning)
            seconds = TILES * looking_seconds(network, arguments, window, validating)
        seconds += learning_seconds(network, arguments, seen, learning * per_scan)
        epochs, classes = _epochs(learning * per_scan, batch), fingerprint.classes
        memory = training_memory(network, arguments, seen, batch, classes, gpu=place.gpu)
        hours = None if place.gpu else epochs * seconds / threads / 3600
        return _Candidate(
            size, window, patch, per_scan, network, arguments, batch, epochs, memory, hours
        )

    for size in _voxel_sizes(fingerprint):
        window = _window(fingerprint, size)
        network, arguments = _network(fingerprint, window, place)
        batch = _batch(network, arguments, window, fingerprint, place, learning)
        yield candidate(size, window, batch=batch)
    if fingerprint.classes:
        yield candidate(size, window)  # with the smallest batch, as many steps see fewer scans
        for patch in patch_sizes(window, size):
            yield candidate(size, window, patch)


def _voxel_sizes(fingerprint: Fingerprint) -> list[Triple]:
    """Return the voxel sizes to try, finest first; an axis is never finer than it was scanned."""
    native = fingerprint.voxel_size
    if fingerprint.classes:
        return [native]
    floor = _coarser(native, FINEST)
    sizes = [floor, *(_coarser(native, step) for step in LADDER)]
    fitting = [size for size in sizes if math.prod(size) >= math.prod(floor)]
    return sorted(set(fitting), key=math.prod)


def _coarser(native: Triple, size: float) -> Triple:
    x, y, z = (max(size, edge) for edge in native)
    return x, y, z


def _window(fingerprint: Fingerprint, size: Triple) -> Window:
    """Return the smallest window about what is to be seen whose sides the network can halve."""
    if not fingerprint.classes:
        return _multiples(fingerprint, size, STEP, least=NETWORKS["sfcn"].shortest)
    for halvings in range(MOST_HALVINGS, 1, -1):
        window = _multiples(fingerprint, size, 2**halvings, least=2**halvings)
        if halvings_of(window) >= halvings:
            return window
    return _multiples(fingerprint, size, 2, least=4)


def _multiples(fingerprint: Fingerprint, size: Triple, step: int, least: int) -> Window:
    # a twentieth of a voxel too much is no reason for a step more
    x, y, z = (
        max(least, step * math.ceil((length / edge - 0.05) / step))
        for length, edge in zip(fingerprint.needed, size, strict=True)
    )
    return x, y, z


def _network(
    fingerprint: Fingerprint, window: Window, place: Place
) -> tuple[str, dict[str, list[int]]]:
    if not fingerprint.classes:
        return "sfcn", {} if fingerprint.subjects >= MANY else {
            "channels": [16, 32, 64, 128, 128, 64]
        }
    halvings = halvings_of(window)
    first = 32 if place.gpu else 16
    channels = [min(320, first * 2**level) for level in range(halvings + 1)]
    return "unet", {"channels": channels, "strides": [2] * halvings}


def _batch(
    network: str,
    arguments: Mapping[str, Any],
    window: Window,
    fingerprint: Fingerprint,
    place: Place,
    learning: int,
) -> int:
    def memory(batch: int) -> float:
        classes = fingerprint.classes
        return training_memory(network, arguments, window, batch, classes, gpu=place.gpu)

    batch = NETWORKS[network].batch_size
    while batch > SMALLEST_BATCH and (batch > learning / 4 or memory(batch) > place.memory):
        batch //= 2
    return batch


def _epochs(learning: int, batch: int) -> int:
    fewest, most = EPOCHS
    return min(most, max(fewest, round(STEPS / math.ceil(learning / batch) / 10) * 10))


def split_reasons(split: Mapping[str, Any], fingerprint: Fingerprint) -> dict[str, str]:
    """Say why the subjects are split so."""
    subjects = fingerprint.subjects
    if split["test"]:
        test = f"a fifth of the {subjects} subjects is kept for the final test"
    else:
        test = f"{subjects} subjects are too few to hold some out: cross-validation evaluates"
    return {"split": f"{test}; {split['folds']} folds, whole subjects, the same shares of labels"}


def _folds_reason(folds: list[int] | str, split: Mapping[str, Any], hours: float | None) -> str:
    if folds == "all":
        return "each fold is trained: every subject is held out once"
    if hours is None:
        return "the first of the folds; `all` for cross-validation"
    if split["test"]:
        every = duration(hours * split["folds"])
        return f"the first of the folds; `all` for cross-validation, in about {every}"
    return (
        f"the first of the folds, which holds out few; `all` takes "
        f"{duration(hours * split['folds'])}, and is what results rest on"
    )


def _prepare_reasons(best: _Candidate, fingerprint: Fingerprint) -> dict[str, str]:
    native = fingerprint.voxel_size
    scanned = f"the scans have {millimetres(native)}"
    if best.patch is not None:
        voxel = f"as {scanned} (median): coarser ones would lose what is small"
    elif math.prod(best.size) < 1.02 * math.prod(native):
        voxel = f"as {scanned} (median)"
    elif best.size == _coarser(native, FINEST):
        voxel = (
            f"{scanned}; an answer about the whole head is asked of {FINEST:g} mm, as each halving "
            "takes 8 times the memory and the time"
        )
    else:
        voxel = f"{scanned}; finer ones would take more memory or time than there is"
    needed = f"there is something to see in {millimetres(fingerprint.needed)} of the scans"
    if best.patch is None:
        multiple = 2 ** halvings_of(best.window) if fingerprint.classes else STEP
        window = (
            f"{millimetres(_lengths(best.window, best.size))}; {needed}; multiples of {multiple}, "
            "as the network halves it"
        )
    else:
        window = f"each scan at its own size, of which patches are taken; {needed}"
    return {
        "voxel_size": voxel,
        "window": window,
        "shards": "parts that run side by side, about 64 scans each",
    }


def _patches_reason(best: _Candidate, whole: _Candidate, place: Place) -> str:
    """Say why the network learns from patches, and from which."""
    lacking = "memory" if whole.memory > place.memory else "time"
    allowed = "that memory holds" if place.gpu else "that memory holds and a night has time for"
    fits = best.memory <= place.memory and best.in_time
    return (
        f"whole scans would take more {lacking} than there is; patches of "
        f"{millimetres(_lengths(best.seen, best.size))} are the "
        f"{f'largest {allowed}' if fits else 'smallest that see enough'}; per_scan: with fewer, "
        "validation would take much of the time; foreground: nnU-Net's share of patches about a "
        "voxel of a class, more of it for small lesions"
    )


def _lengths(voxels: Window, size: Triple) -> list[float]:
    return [length * edge for length, edge in zip(voxels, size, strict=True)]


def _train_reasons(
    train: Mapping[str, Any], fingerprint: Fingerprint, learning: int
) -> dict[str, str]:
    sampling = train.get("sampling")
    if fingerprint.classes:
        halvings = len(train["network_arguments"]["strides"])
        network = (
            f"{halvings} halvings bring the {'patch' if sampling else 'window'}'s shortest side to "
            "4 voxels or a little more; "
            "segresnet and dynunet take about 2 and 10 times as long a step"
        )
    elif fingerprint.subjects >= MANY:
        network = "light for a network of whole heads, doi:10.1016/j.media.2020.101871"
    else:
        network = (
            f"light, doi:10.1016/j.media.2020.101871, and at half its width: {fingerprint.subjects}"
            " subjects are few"
        )
    per_scan = sampling["per_scan"] if sampling else 1
    steps, batch = math.ceil(learning * per_scan / train["batch_size"]), train["batch_size"]
    seen = f"{batch} patches" if sampling else counted(batch, "scan")
    reasons = {
        "network": network,
        "epochs": f"{counted(steps, 'step')} of {seen} an epoch, "
        f"about {steps * train['epochs']} in all",
        "batch_size": f"{learning} scans to learn from; "
        + ("the fewest, for patches as large as can be" if sampling else "fits the memory"),
        "keep": "an average of the last epochs' weights, which no scans need to choose",
        "learning_rate": "a good start for this network; try a third and three times of it",
        "threads": "CPU threads; 1 and 2 give other bits, so it is a setting",
    }
    if train["class_weights"]:
        reasons["class_weights"] = (
            f"the largest class has {fingerprint.imbalance:.1f} times the smallest's"
        )
    return reasons


def millimetres(lengths: Sequence[float]) -> str:
    """Write three lengths: 2 x 2 x 2 mm."""
    return " x ".join(f"{length:.3g}" for length in lengths) + " mm"
