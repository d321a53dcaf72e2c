"""Each transform against TorchIO: its own draws are replayed from its history."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchio
from scipy import ndimage

from headstart.training.augmentation.base import Images
from headstart.training.augmentation.base import origins_of
from headstart.training.augmentation.intensity import BiasField
from headstart.training.augmentation.intensity import Blur
from headstart.training.augmentation.intensity import Gamma
from headstart.training.augmentation.intensity import Noise
from headstart.training.augmentation.kspace import Ghosting
from headstart.training.augmentation.kspace import Motion
from headstart.training.augmentation.kspace import Spike
from headstart.training.augmentation.resampling import move
from headstart.training.augmentation.spatial import Affine
from headstart.training.augmentation.spatial import AffineElastic
from headstart.training.augmentation.spatial import Elastic
from headstart.training.augmentation.spatial import Flip

SHAPE = (23, 26, 21)


def tilted(degrees=0.0, spacing=(2.0, 1.5, 2.5), origin=(-20.0, 31.0, 7.0)):
    """Voxel to mm, turned a little about z as an oblique scan is."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = np.eye(4)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.diag(spacing)
    affine[:3, 3] = origin
    return affine


def made(affine, channels=2):
    """A volume of blobs, as smooth as a resampled scan, z-scored; and its mask of three classes."""
    random = np.random.default_rng(5)
    noise = ndimage.gaussian_filter(random.normal(size=(channels, *SHAPE)), (0, 1.5, 1.5, 1.5))
    volume = torch.from_numpy((noise / noise.std()).astype(np.float32))
    mask = torch.bucketize(volume[:1], torch.tensor([0.0, 1.0])).to(torch.uint8)
    subject = torchio.Subject(
        volume=torchio.ScalarImage(tensor=volume, affine=affine),
        mask=torchio.LabelMap(tensor=mask, affine=affine),
    )
    return volume, mask, subject


def batch_of(volume, mask, affine):
    return Images(volume[None], mask[None], origins_of(volume[None]), [affine])


def replayed(transform, seed, subject):
    """What TorchIO makes of a subject, and the transform that it drew."""
    torch.manual_seed(seed)
    after = transform(subject)
    (drawn,) = [one for one in after.history if type(one).__name__ != "Compose"]
    return after, drawn


def close(ours, theirs, typical, worst, border=0):
    inner = (..., *[slice(border, -border or None)] * 3)
    difference = (ours - theirs).abs()
    assert difference[inner].max() < typical
    assert difference.max() < worst


AFFINES = [tilted(), tilted(8.0)]
SCALES = {"scales": (0.8, 1.2, 0.9, 1.3, 0.7, 1), "degrees": (-20, 30, 5, 25, -15, 10)}


@pytest.mark.parametrize("affine", AFFINES, ids=["straight", "oblique"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"isotropic": True, "scales": (0.7, 1.3)},
        {"center": "origin", "degrees": 5, "scales": 0.05},
        {"default_pad_value": -3.5, "default_pad_label": 2},
    ],
    ids=["plain", "isotropic", "origin", "filled"],
)
def test_affine(affine, more):
    volume, mask, subject = made(affine)
    asked = torchio.RandomAffine(**{**SCALES, "translation": 5, **more})
    after, drawn = replayed(asked, 3, subject)
    ours = Affine(drawn.scales, drawn.degrees, drawn.translation, drawn.center)
    moved = move(batch_of(volume, mask, affine), [[ours]], Affine.fill(asked))
    close(moved.volumes[0], after["volume"].data, 1e-4, 1e-4)
    assert (moved.masks[0] != after["mask"].data).sum() <= 1
    assert not torch.equal(moved.masks[0], mask)


@pytest.mark.parametrize("affine", AFFINES, ids=["straight", "oblique"])
def test_elastic(affine):
    volume, mask, subject = made(affine)
    asked = torchio.RandomElasticDeformation((7, 8, 6), (5, 3, 4))
    after, drawn = replayed(asked, 4, subject)
    ours = Elastic(drawn.control_points.astype(float))
    moved = move(batch_of(volume, mask, affine), [[ours]], Elastic.fill(asked))
    close(moved.volumes[0], after["volume"].data, 1e-4, 1e-4)
    assert (moved.masks[0] != after["mask"].data).sum() <= 2
    assert (moved.masks[0] != mask).sum() > 300


@pytest.mark.parametrize("affine", AFFINES, ids=["straight", "oblique"])
def test_affine_and_elastic_in_one(affine):
    volume, mask, subject = made(affine)
    asked = torchio.RandomAffineElasticDeformation(
        affine_kwargs=SCALES, elastic_kwargs={"max_displacement": 4}
    )
    after, drawn = replayed(asked, 1, subject)
    how = drawn.affine_params
    ours = AffineElastic(
        Affine(how["scales"], how["degrees"], how["translation"]),
        Elastic(drawn.elastic_params["control_points"].astype(float)),
    )
    moved = move(batch_of(volume, mask, affine), [[ours]], AffineElastic.fill(asked))
    close(moved.volumes[0], after["volume"].data, 1e-4, 1e-4)
    assert (moved.masks[0] != after["mask"].data).sum() <= 2


@pytest.mark.parametrize("axes", [(0,), (1, 2), (0, 1, 2)])
def test_flip_is_exact(axes):
    volume, mask, subject = made(tilted())
    after = torchio.RandomFlip(axes, flip_probability=1)(subject)
    moved = move(batch_of(volume, mask, tilted()), [[Flip(axes)]], ("minimum", 0))
    assert torch.equal(moved.volumes[0], after["volume"].data)
    assert torch.equal(moved.masks[0], after["mask"].data)


def test_neighbours_in_a_row_are_the_same_movements_in_their_order():
    """Steps that interpolate nothing, so that TorchIO's passes lose nothing either."""
    affine = tilted(spacing=(2, 2, 2))
    volume, mask, subject = made(affine)
    steps = [
        Affine((1, 1, 1), (0, 0, 0), (4, -6, 2)),
        Flip((0,)),
        Affine((1, 1, 1), (0, 0, 180), (0, 0, 0)),
        Flip((1, 2)),
        Affine((1, 1, 1), (180, 0, 0), (0, 0, 0)),
    ]
    moved = move(batch_of(volume, mask, affine), [steps], ("minimum", 0))
    for step in steps:
        if isinstance(step, Flip):
            subject = torchio.Flip(step.axes)(subject)
        else:
            subject = torchio.Affine(step.scales, step.degrees, step.translation)(subject)
    close(moved.volumes[0], subject["volume"].data, 1e-4, 1e-4)
    assert torch.equal(moved.masks[0], subject["mask"].data)


def test_neighbours_are_interpolated_once():
    """There and back again: nothing is lost, where TorchIO blurs twice."""
    affine = tilted()
    volume, mask, subject = made(affine)
    there = Affine((1.1, 1.1, 1.1), (0, 0, 20), (0, 0, 0))
    back = Affine((1 / 1.1,) * 3, (0, 0, -20), (0, 0, 0))
    moved = move(batch_of(volume, mask, affine), [[there, back]], ("minimum", 0))
    close(moved.volumes[0], volume, 1e-4, 1e-4)
    for step in (there, back):
        subject = torchio.Affine(step.scales, step.degrees, step.translation)(subject)
    middle = (..., *[slice(6, -6)] * 3)
    assert (subject["volume"].data - volume)[middle].abs().max() > 0.1


def above(volume):
    """The volume as a scanner would have it, no signal at 0, and that level."""
    origin = volume.amin((1, 2, 3), keepdim=True).clamp(max=0)
    return volume - origin, origin


def intensity(transform, seed, volume, affine):
    image = torchio.ScalarImage(tensor=volume, affine=affine)
    after, drawn = replayed(transform, seed, torchio.Subject(volume=image))
    return after["volume"].data, drawn


def applied(step, volume, affine=AFFINES[0]):
    batch = Images(volume[None], None, origins_of(volume[None]), [affine])
    return type(step).apply([step], batch)[0]


@pytest.mark.parametrize("order", [0, 1, 3, 4])
def test_bias_field(order):
    volume, *_ = made(AFFINES[0])
    signal, origin = above(volume)
    theirs, drawn = intensity(torchio.RandomBiasField(0.4, order), 2, signal, AFFINES[0])
    given, coefficients = iter(drawn.coefficients["volume"]), np.zeros((order + 1,) * 3)
    for i in range(order + 1):
        for j in range(order + 1 - i):
            for k in range(order + 1 - i - j):
                coefficients[i, j, k] = next(given)
    ours = applied(BiasField(coefficients), volume)
    close(ours, normalised(theirs, volume, origin), 2e-5, 3e-5)
    assert order == 0 or (ours - volume).abs().max() > 0.05


def normalised(signal, volume, origin):
    """Signals whose head has the mean and standard deviation that it has in the volume."""
    heads = [v > o.item() / 2 for v, o in zip(volume, origin, strict=True)]
    made = []
    for values, before, head in zip(signal, volume, heads, strict=True):
        scale = before[head].std(correction=0) / values[head].std(correction=0)
        made.append((values - values[head].mean()) * scale + before[head].mean())
    return torch.stack(made)


def test_a_field_that_is_the_same_everywhere_changes_nothing():
    """A scanner's gain is taken out by the normalisation, and so is its contrast by no power."""
    volume, *_ = made(AFFINES[0])
    close(applied(BiasField(np.full((1, 1, 1), 1.3)), volume), volume, 1e-5, 1e-5)
    close(applied(Gamma((1.0, 1.0)), volume), volume, 1e-5, 1e-5)


@pytest.mark.parametrize("drawn", [BiasField(np.full((2, 2, 2), 0.4)), Gamma((0.7, 1.5))])
def test_the_head_keeps_its_mean_and_spread(drawn):
    volume, *_ = made(AFFINES[0])
    ours, origin = applied(drawn, volume), volume.amin((1, 2, 3))
    for after, before, lowest in zip(ours, volume, origin, strict=True):
        head = before > lowest / 2
        assert after[head].mean().item() == pytest.approx(before[head].mean().item(), abs=1e-5)
        assert after[head].std().item() == pytest.approx(before[head].std().item(), rel=1e-5)
        assert (after - before).abs().max() > 0.1


def test_a_head_of_one_value_stays_a_number():
    volume = torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2)
    assert applied(Gamma((2.0,)), volume).flatten().tolist() == pytest.approx([1, 1])


def test_volumes_that_are_not_negative_are_taken_as_torchio_takes_them():
    volume = made(AFFINES[0])[0].abs() + 3
    theirs, drawn = intensity(torchio.RandomBiasField(0.4, 0), 2, volume, AFFINES[0])
    ours = applied(BiasField(np.full((1, 1, 1), drawn.coefficients["volume"][0])), volume)
    close(ours, theirs, 1e-5, 1e-5)
    theirs, drawn = intensity(torchio.RandomGamma(0.5), 2, volume, AFFINES[0])
    close(applied(Gamma(tuple(drawn.gamma["volume"])), volume), theirs, 1e-5, 1e-5)


def test_gamma():
    volume, *_ = made(AFFINES[0])
    signal, origin = above(volume)
    assert (origin < -1).all()
    theirs, drawn = intensity(torchio.RandomGamma(0.5), 2, signal, AFFINES[0])
    gammas = drawn.gamma["volume"]
    assert gammas[0] != gammas[1]
    close(applied(Gamma(tuple(gammas)), volume), normalised(theirs, volume, origin), 2e-5, 2e-5)


def test_gamma_of_noise_below_the_origin_is_a_number():
    volume = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    batch = Images(volume[None] - 0.5, None, torch.zeros(1, 1, 1, 1, 1), [AFFINES[0]])
    out = Gamma.apply([Gamma((2.0,))], batch).flatten().tolist()
    assert out == pytest.approx([-0.25, 0.25])


def test_noise():
    volume, *_ = made(AFFINES[0])
    theirs, drawn = intensity(torchio.RandomNoise((-1, 1), (0.1, 0.5)), 2, volume, AFFINES[0])
    how = (drawn.noise_mean["volume"], drawn.noise_std["volume"], drawn.seed["volume"])
    close(applied(Noise(*how), volume), theirs, 1e-6, 1e-6)
    # however the volume lies in memory
    turned = volume.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    close(applied(Noise(*how), turned), theirs, 1e-6, 1e-6)


@pytest.mark.parametrize("std", [(0, 2), (3, 9), (0, 0, 2, 4, 0, 0)])
def test_blur(std):
    volume, *_ = made(AFFINES[1])
    theirs, drawn = intensity(torchio.RandomBlur(std), 2, volume, AFFINES[1])
    close(applied(Blur(drawn.std["volume"]), volume, AFFINES[1]), theirs, 1e-5, 1e-5)


def test_blur_is_reflected_as_often_as_it_takes():
    volume = torch.rand(1, 3, 2, 5)
    theirs, drawn = intensity(torchio.RandomBlur((9, 12)), 2, volume, np.eye(4))
    close(applied(Blur(drawn.std["volume"]), volume, np.eye(4)), theirs, 1e-5, 1e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("restore", [None, (0.02, 0.3)])
def test_ghosting(axis, restore):
    volume, *_ = made(AFFINES[0])
    asked = torchio.RandomGhosting((2, 7), axis, (0.3, 1), restore)
    theirs, drawn = intensity(asked, 2, volume, AFFINES[0])
    how = [part["volume"] for part in (drawn.num_ghosts, drawn.axis, drawn.intensity)]
    close(applied(Ghosting(*how, drawn.restore["volume"]), volume), theirs, 1e-5, 1e-5)
    assert (theirs - volume).abs().max() > 0.05


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [1, 3])
def test_motion(seed, count):
    """TorchIO turns about the origin of the world, so that is put into the volume's middle."""
    affine = tilted(8.0)
    affine[:3, 3] -= affine[:3] @ [*((n - 1) / 2 for n in SHAPE), 1]
    volume, *_ = made(affine)
    asked = torchio.RandomMotion(20, 5, count)
    theirs, drawn = intensity(asked, seed, volume, affine)
    how = [part["volume"].tolist() for part in (drawn.degrees, drawn.translation, drawn.times)]
    ours = applied(Motion(*how), volume, affine)
    close(ours, theirs, 2e-4, 2e-4)
    assert (theirs - volume).abs().max() > 0.05
    # where in the world the scan lies changes nothing
    affine[:3, 3] += [200, -100, 50]
    close(applied(Motion(*how), volume, affine), ours, 1e-4, 1e-4)


@pytest.mark.parametrize("number", [1, 3])
def test_spike(number):
    volume, *_ = made(AFFINES[0])
    asked = torchio.RandomSpike((number, number), (-1, 2))
    for seed in range(4):
        theirs, drawn = intensity(asked, seed, volume, AFFINES[0])
        ours = Spike(tuple(drawn.spikes_positions["volume"]), drawn.intensity["volume"])
        close(applied(ours, volume), theirs, 2e-4, 2e-4)
