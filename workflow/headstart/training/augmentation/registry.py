"""The transforms that we run ourselves, by TorchIO's names; one row for each."""

from __future__ import annotations

from headstart.training.augmentation.base import Intensity
from headstart.training.augmentation.intensity import BiasField
from headstart.training.augmentation.intensity import Blur
from headstart.training.augmentation.intensity import Gamma
from headstart.training.augmentation.intensity import Noise
from headstart.training.augmentation.kspace import Ghosting
from headstart.training.augmentation.kspace import Motion
from headstart.training.augmentation.kspace import Spike
from headstart.training.augmentation.spatial import Affine
from headstart.training.augmentation.spatial import AffineElastic
from headstart.training.augmentation.spatial import Elastic
from headstart.training.augmentation.spatial import Flip
from headstart.training.augmentation.spatial import Spatial

TRANSFORMS: dict[str, type[Spatial] | type[Intensity]] = {
    "RandomFlip": Flip,
    "RandomAffine": Affine,
    "RandomElasticDeformation": Elastic,
    "RandomAffineElasticDeformation": AffineElastic,
    "RandomBiasField": BiasField,
    "RandomNoise": Noise,
    "RandomGamma": Gamma,
    "RandomBlur": Blur,
    "RandomGhosting": Ghosting,
    "RandomMotion": Motion,
    "RandomSpike": Spike,
}
