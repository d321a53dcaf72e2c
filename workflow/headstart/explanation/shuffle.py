"""The sanity check of Adebayo and others: does a map change when what was learnt is destroyed?"""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

from headstart.explanation.results import Map
from headstart.training.covariate_effect import NAME as OF_COVARIATES


def shuffled(network: nn.Module, share: float, seed: int) -> nn.Module:
    """Copy a network and shuffle the weights within each of its upper layers.

    Adebayo and others 2018, doi:10.48550/arXiv.1810.03292, who draw them anew; shuffled, they keep
    their sizes. What the network makes of covariates alone moves no map and is left as it is.

    Args:
        network: The network.
        share: Share of the layers, from the last one down; 0 for the last one alone.
        seed: Seed of the order.
    """
    made = copy.deepcopy(network)
    layers = [
        part
        for name, part in made.named_modules()
        if OF_COVARIATES not in name.split(".") and any(True for _ in part.parameters(False))
    ]
    count = max(1, round(share * len(layers)))
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in layers[-count:]:
            for weights in part.parameters(recurse=False):
                order = torch.randperm(weights.numel(), generator=random).to(weights.device)
                weights.copy_(weights.flatten()[order].reshape(weights.shape))
    return made


def similarity(one: Map, other: Map, inside: NDArray[np.bool_]) -> float:
    """Rank correlation of two maps' sizes, whatever their sign, within a part of the volume.

    Args:
        one: (x, y, z).
        other: The same.
        inside: The voxels that count: the head, for air is alike in all maps.

    Returns:
        Spearman's coefficient, -1 to 1; where a map is the same everywhere, 0, or 1 if both are.
    """
    sizes = [np.abs(each[inside]) for each in (one, other)]
    constant = [np.ptp(size) == 0 for size in sizes]
    if any(constant):
        return float(all(constant))
    return float(spearmanr(*sizes).statistic)
