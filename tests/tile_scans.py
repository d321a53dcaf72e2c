"""Scans and linear networks for tests of prediction by tiles."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import torch
from prepared_shards import write_shard
from torch import Tensor
from torch import nn

from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import scan_of
from headstart.cohort.shards import ShardCard
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import Grid


def filters(channels: int = 1, layers: int = 2) -> nn.Module:
    """Make a linear network that sees 2 voxels further for each layer."""
    torch.manual_seed(0)
    widths = [channels, *[3] * (layers - 1), 2]
    pairs = itertools.pairwise(widths)
    return nn.Sequential(*(nn.Conv3d(a, b, 5, padding=2) for a, b in pairs)).eval()


def noise(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))


def scan_like(folder: Path, volume: np.ndarray) -> Scan:
    """Prepare a scan of these numbers, (channels, x, y, z)."""
    shape = volume.shape[1:]
    path, grid = folder / "shard-0.json", Grid(shape, np.eye(4))
    write_shard(
        path,
        [("s", "1")],
        volume[None],
        np.zeros((1, *shape), np.uint8),
        prepare=Preparation(voxel_size=(1, 1, 1), window="own", normalise="none"),
        affine=np.eye(4),
        source=grid,
    )
    return scan_of(path, ShardCard.read(path).scans[0])
