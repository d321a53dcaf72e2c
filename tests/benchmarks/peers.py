"""Measure an epoch against its network alone, for headstart's loader and for those of others.

PYTHONPATH=workflow:tests python tests/benchmarks/peers.py [--blocks 4] [--scans 8]

The same scans, network, batch and transforms for all, in one process of one thread and without
worker processes. Each loader's epoch and the same number of steps on batches that lie in memory
take turns; the ratio is the median of the blocks' own, and the null pair is two of the second kind.
CPU seconds, so that others on the machine change little.

Not like for like: headstart reads its prepared float16, TorchIO and MONAI the same volumes as
.nii.gz, fastMONAI too, and nnU-Net its compressed blocks; MONAI's CacheDataset reads them once,
before the clock starts, and keeps them in memory as float32. TorchIO and fastMONAI draw what
headstart does; MONAI's transforms have their own distributions, with the same ranges; nnU-Net has
its own augmentation, which also blurs, lowers the resolution and changes gamma, and a mask beside
each scan. All of them can hide some of it in worker processes, where a job has cores to spare.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import sys
import tempfile
from collections.abc import Callable
from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import torch
import torchio
from cards import make_run
from epoch_time import seconds
from monai import transforms as monai_transforms
from monai.data import CacheDataset
from monai.data import DataLoader
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.label_handling.label_handling import LabelManager
from shipped import made_scans
from shipped import made_task

from headstart.cohort.prepared import Scan
from headstart.tasks.base import Task
from headstart.training.config import Train
from headstart.training.data import Batch
from headstart.training.data import EpochLoader
from headstart.training.networks import initial_network
from headstart.training.step import Stepper

try:
    import fastMONAI.vision_all as fastmonai
except (ImportError, RuntimeError) as error:  # its torchvision may be of another build than torch
    fastmonai, lacking = None, str(error)

AUGMENT = (
    {"RandomFlip": {"axes": ["LR"]}},
    {"RandomAffine": {"scales": 0.1, "degrees": 10}},
    {"RandomBiasField": {"coefficients": 0.3, "p": 0.5}},
    {"RandomNoise": {"std": 0.05, "p": 0.5}},
)
TRAIN = Train(
    network="sfcn",
    network_arguments={"channels": [16, 32, 64, 128, 128, 64]},
    augment=AUGMENT,
    threads=1,
)
RUN = make_run(window=(96, 96, 96), train=TRAIN)
Epoch = Callable[[], Iterable[torch.Tensor]]


def written(scans: list[Scan], folder: Path) -> list[str]:
    """Write scans as .nii.gz."""
    paths = [folder / f"{scan.subject}.nii.gz" for scan in scans]
    for scan, path in zip(scans, paths, strict=True):
        nib.save(nib.Nifti1Image(np.float32(scan.volume()[0]), scan.affine), path)
    return [str(path) for path in paths]


def headstart_loader(scans: list[Scan], task: Task) -> Epoch:
    """Ours."""
    loader = EpochLoader(scans, task, TRAIN, RUN.seed, torch.device("cpu"))
    epochs = itertools.count(1)
    return lambda: (batch.volumes for batch in loader.epoch(next(epochs), 0))


def torchio_loader(paths: list[str]) -> Epoch:
    """TorchIO's, as its documentation has it."""
    transform = torchio.Compose(
        [getattr(torchio, name)(**given) for entry in AUGMENT for name, given in entry.items()]
    )
    subjects = [torchio.Subject(volume=torchio.ScalarImage(path)) for path in paths]
    dataset = torchio.SubjectsDataset(subjects, transform=transform)
    loader = torchio.SubjectsLoader(dataset, batch_size=TRAIN.batch_size, shuffle=True)
    return lambda: (batch["volume"]["data"] for batch in loader)


def monai_loader(paths: list[str]) -> Epoch:
    """MONAI's CacheDataset, filled before anybody looks at the clock."""
    steps = [
        monai_transforms.LoadImaged("volume"),
        monai_transforms.EnsureChannelFirstd("volume"),
        monai_transforms.RandFlipd("volume", prob=0.5, spatial_axis=0),
        monai_transforms.RandAffined(
            "volume", prob=1, rotate_range=[math.radians(10)] * 3, scale_range=[0.1] * 3
        ),
        monai_transforms.RandBiasFieldd("volume", prob=0.5, coeff_range=(0, 0.3)),
        monai_transforms.RandGaussianNoised("volume", prob=0.5, std=0.05),
    ]
    dataset = CacheDataset(
        [{"volume": path} for path in paths], monai_transforms.Compose(steps), progress=False
    )
    loader = DataLoader(dataset, batch_size=TRAIN.batch_size, shuffle=True)
    return lambda: (batch["volume"].as_tensor() for batch in loader)


def fastmonai_loader(paths: list[str], targets: list[float]) -> Epoch:
    """fastMONAI's, as its tutorials have it: TorchIO's transforms behind fastai's loader."""
    rows = [*zip(paths, targets, strict=True)] * 2  # the second half is its validation set
    table = pd.DataFrame(rows, columns=["path", "target"])
    table["validates"] = [number >= len(paths) for number in range(len(rows))]
    transforms = [
        fastmonai.RandomFlip(axes=["LR"]),
        fastmonai.RandomAffine(scales=0.1, degrees=10),
        fastmonai.RandomBiasField(coefficients=0.3, p=0.5),
        fastmonai.RandomNoise(std=0.05, p=0.5),
    ]
    loaders = fastmonai.MedImageDataLoaders.from_df(
        table,
        fn_col="path",
        label_col="target",
        y_block=fastmonai.RegressionBlock(),
        valid_col="validates",
        item_tfms=transforms,
        bs=TRAIN.batch_size,
        num_workers=0,
    )
    return lambda: (volumes.as_subclass(torch.Tensor) for volumes, _ in loaders.train)


def nnunet_loader(scans: list[Scan], folder: Path) -> Epoch:
    """nnU-Net's, with its own augmentation, in the process that trains."""
    folder.mkdir()
    for scan in scans:
        volume = np.float32(scan.volume())
        blocks = {"chunks": volume.shape, "blocks": (1, *[32] * 3)}
        mask = np.zeros(volume.shape, np.int8)
        nnUNetDatasetBlosc2.save_case(
            volume, mask, {"class_locations": {}}, str(folder / scan.subject), **blocks
        )
    turns = (-math.radians(30), math.radians(30))
    transforms = nnUNetTrainer.get_training_transforms(
        RUN.window, turns, None, (0, 1, 2), False, use_mask_for_norm=[False]
    )
    drawn_from = get_patch_size(RUN.window, turns, turns, turns, (0.85, 1.25))
    labels = LabelManager({"background": 0, "head": 1}, None)
    loader = nnUNetDataLoader(
        nnUNetDatasetBlosc2(str(folder)),
        TRAIN.batch_size,
        drawn_from,
        RUN.window,
        labels,
        transforms=transforms,
    )
    steps = len(scans) // TRAIN.batch_size
    return lambda: (next(loader)["data"] for _ in range(steps))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--scans", type=int, default=8)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        scans = made_scans(Path(name), RUN, asked.scans)
        paths = written(scans, Path(name))
        task = made_task(RUN).fit(scans, class_weights=False)
        network = initial_network(RUN, task, Path()).train()
        stepper = Stepper(network, task, RUN, torch.device("cpu"), Path())
        loaders = {
            "headstart": headstart_loader(scans, task),
            "TorchIO": torchio_loader(paths),
            "MONAI CacheDataset": monai_loader(paths),
            "nnU-Net": nnunet_loader(scans, Path(name, "nnunet")),
        }
        if fastmonai is not None:
            targets = [float(scan.target) for scan in scans]
            loaders["fastMONAI"] = fastmonai_loader(paths, targets)
        in_memory = list(loaders["headstart"]())
        learnt = torch.tensor([float(scan.target) for scan in scans[: TRAIN.batch_size]])

        def learn(volumes: Iterable[torch.Tensor]) -> None:
            for number, some in enumerate(volumes):
                batch = Batch(scans[: len(some)], some, learnt[: len(some)])
                stepper.step(batch, number, 1000).item()

        learn(in_memory)
        ratios: dict[str, list[float]] = {name: [] for name in (*loaders, "null pair")}
        for _ in range(asked.blocks):
            alone = seconds(lambda: learn(in_memory))
            for name, epoch in loaders.items():
                ratios[name].append(seconds(lambda epoch=epoch: learn(epoch())) / alone)
            ratios["null pair"].append(seconds(lambda: learn(in_memory)) / alone)
    print(f"{'':20} {'epoch / network':>16} {'least':>7} {'most':>7}")
    for name, found in ratios.items():
        middle = statistics.median(found)
        print(f"{name:20} {middle:16.3f} {min(found):7.3f} {max(found):7.3f}")
    if fastmonai is None:
        print(f"fastMONAI can't be imported here: {lacking}")


if __name__ == "__main__":
    sys.exit(main())
