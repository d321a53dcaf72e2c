"""What a training is put together from, by the names that the config has for it; without torch.

One row for each; MODULE:NAME is imported where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field

from headstart.training.network_arguments import Arguments
from headstart.training.network_arguments import Lengths
from headstart.training.network_arguments import across
from headstart.training.network_arguments import dynunet_arguments
from headstart.training.network_arguments import halved
from headstart.training.network_arguments import per_resolution
from headstart.training.network_arguments import resenc_unet_arguments
from headstart.training.network_arguments import unet_arguments
from headstart.training.network_arguments import vit_patch
from headstart.training.network_sizes import Size
from headstart.training.network_sizes import densenet_size
from headstart.training.network_sizes import segresnet_size


@dataclass(frozen=True)
class Cost:
    """What a training step costs.

    Attributes:
        widths: Channels of the network's layers, or of the first one if that decides the others';
            () where `Network.size` counts.
        kept: Bytes per voxel of a batch, at the step's peak; they grow with the first width.
        time: Microseconds per voxel, on one CPU core.
        weights: Number of weights; it grows as the largest product of two widths in a row.
        power: Of the first width, as which the time grows: 1 where reading and writing take it, 2
            where multiplying does.
    """

    widths: tuple[int, ...]
    kept: float
    time: float
    weights: float
    power: float = 1.0


@dataclass(frozen=True)
class Network:
    """A network of ours.

    Attributes:
        path: MODULE:NAME of its class.
        words: What the methods call it.
        cite: Its paper.
        per_voxel: Whether it answers for every voxel.
        local: Whether its answer for a voxel hangs on its surroundings alone, and not, as by
            instance norm, on what else it sees.
        divisor: Tells, of what the user gave, what lengths of a window are multiples of along each
            axis that it sees: it decodes what it halved. A ValueError says what it must be given.
        shortest: The least length that it asks of a window along those axes.
        cost: What a training step costs, as measured with the defaults.
        size: Counts how large it is with what the user gave, where that does not follow from the
            widths of its layers.
        channels_last: Whether it is faster with a voxel's channels side by side in memory.
        library: What it rests on, for who is cited.
        batch_norm: Whether it has batch norm, as long as the user gives it no other.
        scales: Whether it can answer at several resolutions in training, the full one first: its
            class is asked to by `deep_supervision`.
        volumes: Whether its features are volumes, for Grad-CAM++ to look at.
        blocks: Classes of its blocks, whose activations need not be kept; () where nothing is won.
        batch_size: Scans of a step that a plan starts with.
        learning_rate: The rate that it starts with.
        channels: What its class calls the channels that come in and go out.
        fixed: Arguments of the class that are not the user's.
        defaults: Makes those that are, of what the user gave.
    """

    path: str
    words: str
    cite: str
    cost: Cost
    per_voxel: bool = False
    local: bool = False
    channels_last: bool = False
    size: Callable[[Arguments], Size] | None = None
    divisor: Callable[[Arguments], Lengths] | None = None
    shortest: int = 1
    library: str = "monai"
    batch_norm: bool = False
    scales: bool = False
    volumes: bool = True
    blocks: tuple[str, ...] = ()
    batch_size: int = 4
    learning_rate: float = 1e-3
    channels: tuple[str, str] = ("in_channels", "out_channels")
    fixed: Arguments = field(default_factory=lambda: {"spatial_dims": 3})
    defaults: Callable[[Arguments], Arguments] = lambda _: {}

    def multiples(self, given: Arguments) -> Lengths:
        """Tell what lengths of a window along x, y and z are multiples of.

        Raises:
            ValueError: If the user gave what it can't be built with.
        """
        return self._along(given, (1, 1, 1) if self.divisor is None else self.divisor(given))

    def least(self, given: Arguments) -> Lengths:
        """Tell the least lengths of a window along x, y and z; raises as `multiples`."""
        return self._along(given, (self.shortest,) * 3)

    def _along(self, given: Arguments, lengths: Lengths) -> Lengths:
        """Ask nothing of how many slices there are, where it sees them one by one."""
        defaults = self.defaults(given)
        if "plane" not in defaults:
            return lengths
        axis = across(given.get("plane", defaults["plane"]))
        return (*lengths[:axis], 1, *lengths[axis:2])


@dataclass(frozen=True)
class Part:
    """An optimizer or a schedule.

    Attributes:
        path: MODULE:NAME of what makes it.
        words: What the methods say of it.
        cite: Its paper, if it has one of its own.
    """

    path: str
    words: str
    cite: str = ""


@dataclass(frozen=True)
class Optimizer(Part):
    """An optimizer of torch.

    Attributes:
        fixed: Arguments of its class that are not the user's.
        asks: Keys of `train` whose defaults are not for it, with values to begin with.
    """

    fixed: Arguments = field(default_factory=dict)
    asks: Mapping[str, str] = field(default_factory=dict)


# Costs: measured on a CPU in float32: PYTHONPATH=workflow python tests/benchmarks/network_cost.py
NETWORKS = {
    "densenet121": Network(
        "monai.networks.nets.densenet:DenseNet",
        "MONAI's DenseNet-121",
        "Huang et al. 2017, DenseNet, https://doi.org/10.1109/CVPR.2017.243",
        Cost((), 510, 1.2, 11.2e6),
        size=densenet_size,
        batch_norm=True,
        blocks=("_DenseLayer", "_Transition"),
        shortest=32,
        defaults=lambda _: {"block_config": (6, 12, 24, 16)},
    ),
    "resnet18": Network(
        "monai.networks.nets.resnet:ResNet",
        "MONAI's ResNet-18",
        "He et al. 2016, ResNet, https://doi.org/10.1109/CVPR.2016.90",
        Cost((64,), 1160, 5.9, 33.2e6),
        batch_norm=True,
        shortest=32,
        channels=("n_input_channels", "num_classes"),
        fixed={
            "block": "basic",
            "layers": [2, 2, 2, 2],
            "block_inplanes": [64, 128, 256, 512],
            "spatial_dims": 3,
        },
    ),
    "sfcn": Network(
        "headstart.training.sfcn:SFCN",
        "the SFCN",
        "Peng et al. 2021, SFCN, https://doi.org/10.1016/j.media.2020.101871",
        Cost((32, 64, 128, 256, 256, 64), 480, 0.8, 2.95e6, power=1.3),
        batch_norm=True,
        channels_last=True,
        shortest=32,
        library="torch",
        batch_size=8,
        fixed={},
    ),
    "efficientnet_b0": Network(
        "monai.networks.nets.efficientnet:EfficientNetBN",
        "MONAI's EfficientNet-B0 in 3-D",
        "Tan and Le 2019, EfficientNet, https://doi.org/10.48550/arXiv.1905.11946",
        Cost((32,), 720, 2.0, 4.7e6),
        batch_norm=True,
        blocks=("MBConvBlock",),
        shortest=32,
        channels=("in_channels", "num_classes"),
        fixed={"model_name": "efficientnet-b0", "pretrained": False, "spatial_dims": 3},
        # MONAI's batch norm remembers a hundred steps, which a small cohort has in ten epochs
        defaults=lambda _: {"norm": ("batch", {"eps": 1e-3, "momentum": 0.1})},
    ),
    "vit": Network(
        "headstart.training.vit:ViT",
        "a vision transformer of MONAI's blocks",
        "Dosovitskiy et al. 2021, vision transformer, https://doi.org/10.48550/arXiv.2010.11929; "
        "Beyer et al. 2022, its places and pooling, https://doi.org/10.48550/arXiv.2205.01580",
        Cost((192,), 70, 0.13, 6.1e6),
        volumes=False,
        blocks=("TransformerBlock",),
        divisor=lambda given: (vit_patch(given),) * 3,
        shortest=32,
        learning_rate=3e-4,
        fixed={},
    ),
    "resnet18_slices": Network(
        "headstart.training.slices:SliceResNet",
        "MONAI's 2-D ResNet-18 on slices with attention over them",
        "Gupta et al. 2021, slice-based set networks, https://doi.org/10.48550/arXiv.2102.04438; "
        "He et al. 2016, ResNet, https://doi.org/10.1109/CVPR.2016.90",
        Cost((64,), 610, 2.2, 11.2e6),
        batch_norm=True,
        volumes=False,
        blocks=("ResNetBlock",),
        shortest=32,
        fixed={},
        defaults=lambda _: {"plane": "sagittal"},
    ),
    "unet": Network(
        "monai.networks.nets.unet:UNet",
        "MONAI's residual U-Net",
        "Kerfoot et al. 2019, residual U-Net, https://doi.org/10.1007/978-3-030-12029-0_40",
        Cost((16, 32, 64, 128, 256), 160, 0.6, 4.8e6),
        blocks=("ResidualUnit", "Convolution"),
        channels_last=True,
        per_voxel=True,
        divisor=lambda given: halved(unet_arguments(given)["strides"]),
        learning_rate=2e-3,
        defaults=unet_arguments,
    ),
    "segresnet": Network(
        "monai.networks.nets.segresnet:SegResNet",
        "MONAI's SegResNet",
        "Myronenko 2019, SegResNet, https://doi.org/10.1007/978-3-030-11726-9_28",
        Cost((), 710, 2.0, 1.2e6),
        size=segresnet_size,
        blocks=("ResBlock",),
        per_voxel=True,
        divisor=lambda given: (
            (2 ** (len(per_resolution(given, "blocks_down", (1, 2, 2, 4))) - 1),) * 3
        ),
    ),
    "dynunet": Network(
        "headstart.training.dynunet:DynUNet",
        "MONAI's DynUNet",
        "Isensee et al. 2021, nnU-Net, https://doi.org/10.1038/s41592-020-01008-z",
        Cost((32, 64, 128, 256, 320), 2240, 13.5, 16.5e6),
        blocks=("UnetBasicBlock", "UnetUpBlock"),
        per_voxel=True,
        divisor=lambda given: halved(dynunet_arguments(given)["strides"]),
        scales=True,
        defaults=dynunet_arguments,
    ),
    "resenc_unet": Network(
        "headstart.training.resenc_unet:ResEncUNet",
        "nnU-Net's residual-encoder U-Net",
        "Isensee et al. 2024, ResEnc U-Net, https://doi.org/10.48550/arXiv.2404.09556",
        Cost((32, 64, 128, 256, 320), 2520, 18.8, 62.8e6),
        blocks=("ResidualBlock", "Convolution"),
        per_voxel=True,
        divisor=lambda given: halved(resenc_unet_arguments(given)["strides"]),
        library="torch",
        scales=True,
        fixed={},
        defaults=resenc_unet_arguments,
    ),
    "swin_unetr": Network(
        "monai.networks.nets.swin_unetr:SwinUNETR",
        "MONAI's Swin UNETR",
        "Hatamizadeh et al. 2022, Swin UNETR, https://doi.org/10.48550/arXiv.2201.01266",
        Cost((24,), 4310, 19.9, 15.7e6),
        blocks=("SwinTransformerBlock", "UnetResBlock"),
        per_voxel=True,
        divisor=lambda _: (32, 32, 32),
        learning_rate=3e-4,
    ),
    "plain_unet": Network(
        "headstart.training.plain_unet:PlainUNet",
        "a U-Net without normalisation, with skips at all resolutions",
        "Ronneberger et al. 2015, U-Net, https://doi.org/10.1007/978-3-319-24574-4_28",
        Cost((16, 32, 64), 1760, 10.0, 0.24e6),
        per_voxel=True,
        local=True,
        divisor=lambda given: (
            (2 ** (len(per_resolution(given, "channels", (16, 32, 64))) - 1),) * 3
        ),
        library="torch",
        fixed={},
    ),
    "unet_slices": Network(
        "headstart.training.slices:SliceUNet",
        "MONAI's 2-D residual U-Net on slices",
        "Kerfoot et al. 2019, residual U-Net, https://doi.org/10.1007/978-3-030-12029-0_40",
        Cost((16, 32, 64, 128, 256), 900, 1.7, 1.6e6),
        blocks=("ResidualUnit", "Convolution"),
        per_voxel=True,
        divisor=lambda given: halved(unet_arguments(given)["strides"], axes=2),
        fixed={},
        defaults=lambda given: {**unet_arguments(given), "plane": "axial"},
    ),
}
OPTIMIZERS = {
    "adamw": Optimizer(
        "torch.optim:AdamW",
        "AdamW",
        "Loshchilov and Hutter 2019, AdamW, https://doi.org/10.48550/arXiv.1711.05101",
    ),
    # as nnU-Net has it (Isensee et al. 2021)
    "sgd": Optimizer(
        "torch.optim:SGD",
        "stochastic gradient descent with Nesterov's momentum of 0.99",
        "Sutskever et al. 2013, Nesterov's momentum, https://proceedings.mlr.press/v28/sutskever13.html",
        fixed={"momentum": 0.99, "nesterov": True},
        asks={"learning_rate": "0.01", "weight_decay": "3e-5"},
    ),
    "radam": Optimizer(
        "torch.optim:RAdam",
        "RAdam with decoupled weight decay",
        "Liu et al. 2020, RAdam, https://doi.org/10.48550/arXiv.1908.03265",
        fixed={"decoupled_weight_decay": True},
    ),
}
SCHEDULES = {
    "cosine": Part(
        "headstart.training.schedule:cosine",
        "then fell to 0 along half a cosine",
        "Loshchilov and Hutter 2017, SGDR, https://doi.org/10.48550/arXiv.1608.03983",
    ),
    "polynomial": Part(
        "headstart.training.schedule:polynomial",
        "then fell to 0 as the 0.9th power of the steps that are left",
        "Chen et al. 2018, polynomial schedule, https://doi.org/10.1109/TPAMI.2017.2699184",
    ),
    "constant": Part("headstart.training.schedule:constant", "then stayed there"),
}


def networks_for(*, per_voxel: bool, local: bool = False) -> list[str]:
    """Name the networks that answer for every voxel, or for whole scans.

    Args:
        per_voxel: Whether for every voxel.
        local: Whether only those whose answer for a voxel hangs on its surroundings alone.
    """
    return [
        name
        for name, network in NETWORKS.items()
        if network.per_voxel == per_voxel and network.local >= local
    ]


def networks_of_blocks() -> list[str]:
    """Name the networks that need not keep the activations of their blocks."""
    return [name for name, network in NETWORKS.items() if network.blocks]


def networks_of_scales() -> list[str]:
    """Name the networks that can answer at several resolutions in training."""
    return [name for name, network in NETWORKS.items() if network.scales]
