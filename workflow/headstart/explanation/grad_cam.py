"""Grad-CAM++: where the features of a late layer raise an answer."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from monai.visualize.class_activation_maps import GradCAMpp
from torch import Tensor
from torch import nn
from torch.nn.functional import interpolate

from headstart.common.errors import UserError
from headstart.explanation.explained import Explained
from headstart.explanation.explained import Scorer
from headstart.explanation.results import Map

LEAST = 4  # voxels of a layer along each axis: fewer tell hardly more than left from right


def grad_cam(explained: Explained, layer: str) -> Map:
    """Map where features raise the answer, relative to where they raise it most.

    Chattopadhay and others 2018, doi:10.1109/WACV.2018.00097, as MONAI has it. Of an answer that is
    the mean over mirror images, that for the scan as it is.

    Args:
        explained: What is explained.
        layer: The layer, as `layer_of` names it.

    Returns:
        (x, y, z), from 0 to 1; 0 everywhere where nothing raises the answer.
    """
    # the hooks want a gradient to begin with
    volume = explained.volume[None].requires_grad_()
    camera = GradCAMpp(_scorer(explained), target_layers=layer)
    coarse: Tensor = camera.compute_map(volume, class_idx=0).detach()
    fine = interpolate(coarse, volume.shape[2:], mode="trilinear", align_corners=False)[0, 0]
    largest = float(fine.max())
    return np.asarray((fine / largest if largest > 0 else fine).cpu().numpy(), dtype=np.float32)


def layer_of(explained: Explained) -> tuple[str, tuple[int, ...]]:
    """Choose the layer whose features are looked at.

    The last one says most of what the answer rests on, and least of where: it is the last whose
    features still are a volume of at least 4 voxels each way.

    Args:
        explained: What is explained.

    Returns:
        Its name, and the voxels of its features, (x, y, z).

    Raises:
        UserError: If the network has none.
    """
    scorer, shapes = _scorer(explained), dict[str, tuple[int, ...]]()

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _given: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 5:
                shapes.pop(name, None)
                shapes[name] = tuple(output.shape[2:])

        return hook

    handles = [part.register_forward_hook(note(name)) for name, part in scorer.named_modules()]
    with torch.no_grad():
        scorer(explained.volume[None])
    for handle in handles:
        handle.remove()
    fitting = [(name, shape) for name, shape in shapes.items() if min(shape) >= LEAST]
    if not fitting:
        raise UserError(
            f"explain: {explained.trained.card.run.train.network} has no layer whose features are "
            f"a volume of {LEAST} voxels or more each way, which grad-cam++ looks at; write "
            "`explain: [occlusion]`"
        )
    return fitting[-1]


def _scorer(explained: Explained) -> Scorer:
    # a copy, as MONAI leaves its hooks in it
    scorer = copy.deepcopy(Scorer(explained))
    for part in scorer.modules():
        # it would overwrite the features that are looked at
        if getattr(part, "inplace", False):
            setattr(part, "inplace", False)  # noqa: B010 no module declares it
    return scorer
