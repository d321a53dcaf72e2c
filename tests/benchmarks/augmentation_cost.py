"""Measure what augmentation costs a scan on the CPU, ours and TorchIO's side by side.

PYTHONPATH=workflow python tests/benchmarks/augmentation_cost.py

Blocks of ours and TorchIO's take turns in one process of one thread; each figure is the median over
blocks of CPU milliseconds a scan (user and system). The last column is the median of the blocks'
own ratios, and the first row, twice the same, says what such a ratio is worth.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchio
from scipy import ndimage

from headstart.common.strict_yaml import read_study
from headstart.training.augmentation.augmentation import Augmentation
from headstart.training.torchio_names import known_transforms

SHAPE = (96, 112, 96)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
BLOCK = 2  # scans
CONFIG = Path(__file__).resolve().parents[2] / "config"
ALL = [{"RandomFlip": {}}, {"RandomAffine": {}}, {"RandomBiasField": {}}, {"RandomNoise": {}}]
ALL += [{"RandomGamma": {}}]
Run = Callable[[int], object]


def pipelines() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each transform alone, then pipelines, with a name each."""
    for name in known_transforms():
        if name != "OneOf":
            sure = {"flip_probability": 1} if name == "RandomFlip" else {}
            yield name.removeprefix("Random"), [{name: sure}]
    yield "flip, affine, bias, noise, gamma", ALL
    elastic = {"RandomElasticDeformation": {}}
    yield "flip, affine, elastic, bias, noise, gamma", [*ALL[:2], elastic, *ALL[2:]]
    for path in sorted(CONFIG.glob("*.yaml")):
        for name, experiment in read_study(path).get("experiments", {}).items():
            asked = experiment.get("train", {}).get("augment")
            if asked:
                yield f"{path.stem}: {name}", asked


def ours(asked: list[dict[str, Any]], volume: torch.Tensor, mask: torch.Tensor) -> Run:
    """Make what augments a scan as a training does."""
    augmentation = Augmentation(asked)

    def run(seed: int) -> object:
        draw = augmentation.draw(seed, len(volume))
        return augmentation.apply(volume[None], mask[None], [draw], [AFFINE])

    return run


def theirs(asked: list[dict[str, Any]], volume: torch.Tensor, mask: torch.Tensor) -> Run:
    """Make what augments a scan in TorchIO."""
    transform = torchio.Compose(
        [getattr(torchio, name)(**given) for entry in asked for name, given in entry.items()]
    )

    def run(seed: int) -> object:
        torch.manual_seed(seed)
        return transform(
            torchio.Subject(
                volume=torchio.ScalarImage(tensor=volume, affine=AFFINE),
                mask=torchio.LabelMap(tensor=mask, affine=AFFINE),
            )
        )

    return run


def milliseconds(run: Run, block: int) -> float:
    """Return the CPU time of a scan, ms."""
    began = time.process_time()
    for seed in range(BLOCK):
        run(block * BLOCK + seed)
    return (time.process_time() - began) * 1000 / BLOCK


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=5)
    blocks = parser.parse_args().blocks
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(random.normal(size=SHAPE), 3)
    volume = torch.from_numpy((smooth / smooth.std()).astype(np.float32))[None]
    mask = torch.bucketize(volume, torch.tensor([0.0, 1.0])).to(torch.uint8)
    rows = [("the same twice (flip)", [{"RandomFlip": {"flip_probability": 1}}], ours)]
    rows += [(name, asked, theirs) for name, asked in pipelines()]
    print(f"{'CPU ms a scan of ' + 'x'.join(map(str, SHAPE)):44} ours TorchIO  ours/TorchIO")
    for name, asked, other in rows:
        pair = ours(asked, volume, mask), other(asked, volume, mask)
        for run in pair:
            run(0)
        taken = []
        for block in range(blocks):
            order = pair if block % 2 == 0 else pair[::-1]
            both = [milliseconds(run, block) for run in order]
            taken.append(both if block % 2 == 0 else both[::-1])
        one, two = (statistics.median(column) for column in zip(*taken, strict=True))
        ratio = statistics.median(a / b for a, b in taken)
        print(f"{name:44} {one:6.1f} {two:7.1f}  {ratio:.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
