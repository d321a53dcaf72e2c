"""What a process of its own is told to build of an experiment, before anything runs."""

from __future__ import annotations

from headstart.common.schema import Arguments
from headstart.common.schema import Section
from headstart.common.schema import Window
from headstart.training.start import Start


class Trial(Section):
    """A network, its loss and its augmentation: all that the outcome of building them depends on.

    Attributes:
        network: `train.network`.
        arguments: `train.network_arguments`.
        deep_supervision: `train.deep_supervision`.
        network_digest: Digest of the files of the user's own network, or "".
        loss: `train.loss`.
        loss_digest: Digest of those of the user's own loss, or "".
        augment: `train.augment`.
        task: Name of the task.
        classes: Names of the masks' foreground classes.
        channels: Names of what the network sees, see `Train.inputs`.
        flags: How many of these are flags.
        window: Voxels that the network sees at once.
        start: What it starts from; None for random weights.
    """

    network: str
    arguments: Arguments
    deep_supervision: bool
    network_digest: str
    loss: str | None
    loss_digest: str
    augment: tuple[dict[str, Arguments], ...]
    task: str
    classes: tuple[str, ...]
    channels: tuple[str, ...]
    flags: int
    window: Window
    start: StartTrial | None = None


class StartTrial(Section):
    """What a network starts from; where it is in the catalogue, its weights may not be here yet.

    Attributes:
        start: `train.start`.
        file: The file of weights, absolute; "" for none.
        sha256: Its digest, or "".
        parent: The experiment's network; None for none.
    """

    start: Start
    file: str = ""
    sha256: str = ""
    parent: Trial | None = None


Trial.model_rebuild()
