"""What is drawn, in which order it is applied, and what its bits depend on."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchio
from scipy import ndimage
from scipy.stats import ks_2samp

from headstart.common.errors import UserError
from headstart.tasks.classification import Classification
from headstart.tasks.segmentation import Segmentation
from headstart.training.augmentation.augmentation import Augmentation
from headstart.training.augmentation.augmentation import Draw
from headstart.training.augmentation.base import Dice
from headstart.training.augmentation.intensity import Noise
from headstart.training.augmentation.parse import leaves
from headstart.training.augmentation.parse import parse
from headstart.training.augmentation.registry import TRANSFORMS
from headstart.training.augmentation.spatial import Affine
from headstart.training.augmentation.spatial import Elastic
from headstart.training.augmentation.spatial import Flip
from headstart.training.torchio_names import known_transforms

SHAPE = (21, 24, 19)
AFFINE = np.diag([2.0, 1.5, 2.5, 1.0])
NEVER = {"RandomSwap", "RandomAnisotropy", "OneOf"}  # by ours
EVERY = [
    {"RandomFlip": {"axes": ["LR", 1]}},
    {"RandomAffine": {"p": 0.5}},
    {"RandomElasticDeformation": {"max_displacement": 3, "p": 0.5}},
    {"RandomBiasField": {}},
    {"OneOf": {"transforms": [{"RandomBlur": {}}, {"RandomGhosting": {}}, {"RandomSwap": {}}]}},
    {"RandomNoise": {"p": 0.7}},
    {"RandomMotion": {"p": 0.5}},
    {"RandomAffineElasticDeformation": {"p": 0.5}},
    {"RandomSpike": {"p": 0.5}},
    {"RandomGamma": {}},
]
DRAWS = 2000


def scan(seed, channels=1, shape=SHAPE):
    random = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(random.normal(size=(channels, *shape)), (0, 2, 2, 2))
    volume = torch.from_numpy((smooth / smooth.std()).astype(np.float32))
    return volume, torch.bucketize(volume[:1], torch.tensor([0.0, 1.0])).to(torch.uint8)


def augmented(transforms, volume, mask, seed=1, swap=None):
    augmentation = Augmentation(transforms, swap)
    draw = augmentation.draw(seed, len(volume))
    volumes, masks = augmentation.apply(volume[None], mask[None], [draw], [AFFINE])
    return volumes[0], masks[0]


# --- seeds and bits -------------------------------------------------------------------------------


def test_augmentation_is_a_function_of_its_seed_and_leaves_others_alone():
    volume, mask = scan(0, channels=2)
    before = volume.clone(), mask.clone(), torch.get_rng_state(), np.random.get_state()[1].copy()
    one = augmented(EVERY, volume, mask)
    assert torch.equal(torch.get_rng_state(), before[2])
    assert (np.random.get_state()[1] == before[3]).all()
    assert torch.equal(volume, before[0])
    assert torch.equal(mask, before[1])
    torch.rand(5)
    again = augmented(EVERY, volume, mask)
    other = augmented(EVERY, volume, mask, seed=2)
    assert all(map(torch.equal, one, again))
    assert not torch.equal(one[0], other[0])
    assert one[0].dtype == torch.float32
    assert one[0].shape == volume.shape
    assert set(one[1].unique().tolist()) <= {0, 1, 2}


@pytest.mark.parametrize("entry", EVERY, ids=lambda entry: next(iter(entry)))
def test_bits_are_free_of_neighbours_order_and_threads(entry):
    """Alone, together, together in another order; with one thread and two."""
    augmentation = Augmentation([{"RandomFlip": {"axes": 1}}, entry, {"RandomGamma": {"p": 0.5}}])
    # above the size from which on torch shares the work between threads
    scans = [scan(n, shape=(41, 46, 39)) for n in range(4)]
    draws = [augmentation.draw(seed, 1) for seed in range(4)]

    def together(order, threads):
        torch.set_num_threads(threads)
        volumes, masks = (torch.stack([scans[n][part] for n in order]) for part in (0, 1))
        chosen = [draws[n] for n in order]
        moved = augmentation.apply_at_once(volumes, masks, chosen, [AFFINE] * len(order))
        return {n: (moved[0][k], moved[1][k]) for k, n in enumerate(order)}

    before = torch.get_num_threads()
    try:
        whole = together([0, 1, 2, 3], 1)
        others = [together(*how) for how in (([2, 0, 3], 1), ([3, 1], 2), ([0], 2), ([2], 2))]
        volumes, masks = (torch.stack([one[part] for one in scans]) for part in (0, 1))
        apart = augmentation.apply(volumes, masks, draws, [AFFINE] * 4)
    finally:
        torch.set_num_threads(before)
    for other in [*others, {n: (apart[0][n], apart[1][n]) for n in range(4)}]:
        for n, moved in other.items():
            assert all(map(torch.equal, moved, whole[n]))


def test_a_draw_stays_as_it_is_when_a_transform_is_added_behind():
    short, long = Augmentation(EVERY[3:6]), Augmentation(EVERY[3:])
    for seed in range(20):
        one, other = short.draw(seed, 1).steps, long.draw(seed, 1).steps
        assert {place: repr(one[place]) for place in one} == {
            place: repr(step) for place, step in other.items() if place < 5
        }


def test_a_network_s_looser_products_are_left_to_it():
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        loose = augmented(EVERY[2:3], *scan(0), seed=3)
        assert torch.get_float32_matmul_precision() == "medium"
        torch.set_float32_matmul_precision("highest")
        assert all(map(torch.equal, loose, augmented(EVERY[2:3], *scan(0), seed=3)))
    finally:
        torch.set_float32_matmul_precision(before)


def test_nothing_to_do_imports_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchio", None)
    assert Augmentation([]).where == ""
    volume, mask = scan(0)
    assert all(map(torch.equal, augmented([], volume, mask), (volume, mask)))
    with pytest.raises(ImportError):
        Augmentation([{"RandomNoise": {}}])


# --- distributions --------------------------------------------------------------------------------


def drawn(name, given, count=DRAWS, channels=1):
    """Our draws of a transform that is always applied."""
    (asked,) = leaves(parse([{name: given}]))
    dice = Dice(np.random.default_rng(7), channels)
    return [asked.kind.draw(asked.transform, dice) for _ in range(count)]


def alike(ours, theirs):
    """Each column comes from the same distribution, as far as one can tell."""
    ours, theirs = (np.array(some, dtype=float).reshape(len(some), -1) for some in (ours, theirs))
    assert ours.shape[1] == theirs.shape[1]
    for one, other in zip(ours.T, theirs.T, strict=True):
        if len(set(other)) == 1:
            assert one == pytest.approx(other)
        else:
            assert ks_2samp(one, other).pvalue > 1e-4
            span = np.ptp(other)
            assert abs(one.min() - other.min()) < 0.05 * span
            assert abs(one.max() - other.max()) < 0.05 * span


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(11)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"scales": 0.2, "degrees": 5, "translation": 3},
        {"scales": [0.9, 1.2], "degrees": [5, 7], "translation": [-1, 4]},
        {"scales": [0.2, 0.1, 1], "degrees": [1, 0, 3], "translation": [0, 0, 9]},
        {"scales": [0.8, 1, 1, 1.5, 1, 1], "degrees": [0, 1, 2, 3, 4, 5]},
        {"scales": [0.7, 1.1], "isotropic": True},
    ],
    ids=str,
)
def test_affine_draws(given):
    asked = torchio.RandomAffine(**given)
    limits = asked.scales, asked.degrees, asked.translation, asked.isotropic
    theirs = [torch.cat(asked.get_params(*limits)).numpy() for _ in range(DRAWS)]
    ours = drawn("RandomAffine", given)
    alike([(*one.scales, *one.degrees, *one.translation) for one in ours], theirs)
    assert all((len(set(one.scales)) == 1) == bool(given.get("isotropic")) for one in ours)


@pytest.mark.parametrize("locked", [0, 1, 2])
def test_elastic_draws_and_locks_all_three_borders(locked):
    given = {"num_control_points": [7, 6, 8], "max_displacement": [3, 2, 5]}
    ours = drawn("RandomElasticDeformation", {**given, "locked_borders": locked}, count=40)
    asked = torchio.RandomElasticDeformation((7, 6, 8), (3, 2, 5), locked_borders=locked)
    inner = (slice(locked, -locked or None),) * 3
    theirs = [
        asked.get_params(asked.num_control_points, asked.max_displacement, locked)[inner]
        for _ in range(40)
    ]
    free = np.concatenate([one.control_points[inner].reshape(-1, 3) for one in ours])
    alike(free, np.concatenate([one.reshape(-1, 3) for one in theirs]))
    for one in ours:
        moving = np.abs(one.control_points).sum(-1) > 0
        assert moving[inner].all()
        assert moving.sum() == moving[inner].size


def test_elastic_of_nothing_is_nothing():
    assert drawn("RandomElasticDeformation", {"max_displacement": 0}, 1) == [None]
    given = {"elastic_kwargs": {"max_displacement": 0}}
    assert drawn("RandomAffineElasticDeformation", given, 1)[0].elastic is None


def test_affine_elastic_draws_both():
    given = {"affine_kwargs": {"scales": [0.5, 0.6]}, "elastic_kwargs": {"max_displacement": 9}}
    ours = drawn("RandomAffineElasticDeformation", given, 50)
    scales = np.array([one.affine.scales for one in ours])
    assert ((scales > 0.5) & (scales < 0.6)).all()
    assert 8 < max(np.abs(one.elastic.control_points).max() for one in ours) < 9


def test_flip_draws_each_axis_by_itself():
    ours = [
        one.axes if one else ()
        for one in drawn("RandomFlip", {"axes": ["LR", 2], "flip_probability": 0.3})
    ]
    for axes, share in ({(): 0.49, (0,): 0.21, (2,): 0.21, (0, 2): 0.09}).items():
        assert ours.count(axes) / DRAWS == pytest.approx(share, abs=0.035)


@pytest.mark.parametrize(
    ("name", "given", "of_ours"),
    [
        ("RandomNoise", {}, lambda one: (one.mean, one.std)),
        ("RandomNoise", {"mean": 1, "std": 0.5}, lambda one: (one.mean, one.std)),
        ("RandomNoise", {"mean": [2, 3], "std": [1, 2]}, lambda one: (one.mean, one.std)),
        ("RandomBiasField", {}, None),
        ("RandomBiasField", {"coefficients": [0.1, 0.2], "order": 1}, None),
        ("RandomGamma", {}, lambda one: np.log(one.gammas)),
        ("RandomGamma", {"log_gamma": [0.1, 0.4]}, lambda one: np.log(one.gammas)),
        ("RandomBlur", {}, lambda one: one.std),
        ("RandomBlur", {"std": 3}, lambda one: one.std),
        ("RandomBlur", {"std": [0, 1, 2, 3, 1, 1]}, lambda one: one.std),
    ],
)
def test_intensity_draws(name, given, of_ours):
    asked = getattr(torchio, name)(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    )
    limits = {
        "RandomNoise": lambda: asked.get_params(asked.mean_range, asked.std_range)[:2],
        "RandomBiasField": lambda: asked.get_params(asked.order, asked.coefficients_range),
        "RandomGamma": lambda: np.log(asked.get_params(asked.log_gamma_range)),
        "RandomBlur": lambda: asked.get_params(asked.std_ranges),
    }[name]
    theirs = [limits() for _ in range(DRAWS)]
    if of_ours is None:
        order = given.get("order", 3)
        chosen = np.indices((order + 1,) * 3).sum(0) <= order
        ours = drawn(name, given)
        assert all((one.coefficients[~chosen] == 0).all() for one in ours)
        alike([one.coefficients[chosen] for one in ours], theirs)
    else:
        alike([of_ours(one) for one in drawn(name, given)], theirs)


def test_noise_and_gamma_differ_from_scan_to_scan_and_channel_to_channel():
    assert len({one.seed for one in drawn("RandomNoise", {})}) > 0.99 * DRAWS
    two = np.array([one.gammas for one in drawn("RandomGamma", {}, channels=2)])
    assert two.shape == (DRAWS, 2)
    assert abs(np.corrcoef(two.T)[0, 1]) < 0.1


@pytest.mark.parametrize(
    "given", [{}, {"num_ghosts": 5, "axes": [1, 2], "intensity": 0.7, "restore": [0.1, 0.4]}]
)
def test_ghosting_draws(given):
    asked = torchio.RandomGhosting(**given)
    limits = asked.num_ghosts_range, asked.axes, asked.intensity_range, asked.restore
    theirs = [asked.get_params(*limits) for _ in range(DRAWS)]
    theirs = [[-1 if part is None else part for part in one] for one in theirs if one[0]]
    ours = [
        (one.num_ghosts, one.axis, one.intensity, -1 if one.restore is None else one.restore)
        for one in drawn("RandomGhosting", given)
        if one
    ]
    alike(ours, theirs)
    assert len(ours) / DRAWS == pytest.approx(len(theirs) / DRAWS, abs=0.04)


def test_ghosting_takes_anatomical_axes():
    assert {one.axis for one in drawn("RandomGhosting", {"axes": ["LR", "S"]}, 100)} == {0, 2}


@pytest.mark.parametrize("count", [1, 2, 4])
def test_motion_draws(count):
    given = {"degrees": [5, 12], "translation": 3, "num_transforms": count}
    asked = torchio.RandomMotion((5, 12), 3, count)
    limits = asked.degrees_range, asked.translation_range, count
    theirs = [np.concatenate([a.ravel() for a in asked.get_params(*limits)]) for _ in range(DRAWS)]
    ours = [
        np.concatenate([np.ravel(part) for part in (one.times, one.degrees, one.translation)])
        for one in drawn("RandomMotion", given)
    ]
    alike(ours, theirs)


def test_spike_draws():
    asked = torchio.RandomSpike((0, 3), (1, 3))
    theirs = [asked.get_params(asked.num_spikes_range, (1, 3)) for _ in range(DRAWS)]
    ours = drawn("RandomSpike", {"num_spikes": [0, 3]})
    some = [one for one in ours if one is not None]
    assert len(some) / DRAWS == pytest.approx(0.75, abs=0.035)
    counts = [[len(one[0])] for one in theirs if len(one[0])]
    alike([[len(one.positions)] for one in some], counts)
    alike([one.intensity for one in some], [one[1] for one in theirs])
    places = np.concatenate([one.positions for one in some])
    alike(places, np.concatenate([one[0] for one in theirs]))


@pytest.mark.parametrize(("p", "least", "most"), [(0, 0, 0), (1, 1, 1), (0.3, 0.27, 0.33)])
def test_p_is_how_often(p, least, most):
    for entry in (
        {"RandomNoise": {"p": p}},
        {"OneOf": {"transforms": [{"RandomGamma": {}}], "p": p}},
    ):
        augmentation = Augmentation([entry])
        share = sum(bool(augmentation.draw(seed, 1).steps) for seed in range(DRAWS)) / DRAWS
        assert least <= share <= most


def test_one_of_is_one_of():
    nested = {"OneOf": {"transforms": [{"RandomBlur": {}}, {"RandomGamma": {"p": 0.5}}]}}
    augmentation = Augmentation([{"OneOf": {"transforms": [{"RandomNoise": {}}, nested]}}])
    places = [tuple(augmentation.draw(seed, 1).steps) for seed in range(DRAWS)]
    for which, share in ({(0,): 1 / 2, (1,): 1 / 4, (2,): 1 / 8, (): 1 / 8}).items():
        assert places.count(which) / DRAWS == pytest.approx(share, abs=0.035)


# --- order and place ------------------------------------------------------------------------------


def test_every_transform_is_ours_or_known_not_to_be():
    assert set(TRANSFORMS) | NEVER == set(known_transforms())
    assert not set(TRANSFORMS) & NEVER


@pytest.mark.parametrize(
    ("transforms", "told"),
    [
        (
            [{"RandomFlip": {}}, {"RandomAffine": {}}, {"RandomNoise": {}}, {"RandomFlip": {}}],
            "augmentation on the training device: RandomFlip + RandomAffine, RandomNoise, "
            "RandomFlip",
        ),
        # what bends is the last of its neighbours
        (
            [{"RandomElasticDeformation": {}}, {"RandomFlip": {}}, {"RandomAffine": {}}],
            "augmentation on the training device: RandomElasticDeformation, "
            "RandomFlip + RandomAffine",
        ),
        # two fills are two passes; a flip fills nothing
        (
            [
                {"RandomAffine": {"default_pad_value": 0}},
                {"RandomFlip": {}},
                {"RandomAffineElasticDeformation": {}},
            ],
            "augmentation on the training device: RandomAffine + RandomFlip, "
            "RandomAffineElasticDeformation",
        ),
        (
            [
                {"RandomAnisotropy": {}},
                {"RandomAffine": {"image_interpolation": "bspline"}},
                {"RandomAffine": {"default_pad_value": "otsu"}},
                {"RandomMotion": {"image_interpolation": "nearest"}},
                {"RandomAffineElasticDeformation": {"affine_first": False}},
                {"RandomBlur": {}},
            ],
            "augmentation on the training device: RandomBlur; by TorchIO on the CPU: "
            "RandomAnisotropy, RandomAffine, RandomAffine, RandomMotion, "
            "RandomAffineElasticDeformation",
        ),
    ],
)
def test_the_log_tells_what_runs_where(transforms, told):
    assert Augmentation(transforms).where == told


def test_transforms_are_applied_in_their_order():
    volume, mask = scan(3)
    transforms = [
        {"RandomBlur": {"std": [2, 3]}},
        {"RandomSwap": {"patch_size": 4, "num_iterations": 20}},
        {"RandomFlip": {"flip_probability": 1}},
        {"RandomNoise": {"std": [1, 1]}},
        {"RandomAffine": {}},
        {"RandomGamma": {}},
    ]
    whole = Augmentation(transforms)
    draw = whole.draw(5, 1)
    assert set(draw.steps) == set(range(6))
    volumes, masks = volume[None], mask[None]
    for place, entry in enumerate(transforms):
        only = Augmentation([entry])
        # no signal is what it was in the volume as it was prepared: here noise has come since
        if place < 5:
            one = [Draw({0: draw.steps[place]})]
            volumes, masks = only.apply(volumes, masks, one, [AFFINE])
    ours = whole.apply(
        volume[None], mask[None], [Draw({k: draw.steps[k] for k in range(5)})], [AFFINE]
    )
    assert torch.allclose(ours[0], volumes, atol=1e-5)
    assert torch.equal(ours[1], masks)


def test_no_signal_is_where_it_was_before_noise():
    """Noise below the level of no signal makes no other level of it."""
    volume, mask = scan(3)
    augmentation = Augmentation([{"RandomNoise": {"std": [2, 2]}}, {"RandomBiasField": {}}])
    draw = augmentation.draw(1, 1)
    noise, bias = draw.steps[0], draw.steps[1]
    ours = augmentation.apply(volume[None], mask[None], [draw], [AFFINE])[0]
    loud = (
        volume + torch.randn(volume.shape, generator=torch.Generator().manual_seed(noise.seed)) * 2
    )
    assert loud.min() < volume.min() - 2
    alone = Augmentation([{"RandomBiasField": {}}])
    shifted = (loud - volume.min()).abs()
    gained = alone.apply(shifted[None], mask[None], [Draw({0: bias})], [AFFINE])[0]
    expected = gained * torch.sign(loud - volume.min())
    # up to the normalisation
    ours, expected = ((values - values.mean()) / values.std() for values in (ours, expected))
    assert torch.allclose(ours, expected, atol=1e-4)


def test_torchio_runs_the_rest_from_the_scan_s_own_seed():
    volume, mask = scan(1)
    transforms = [{"RandomFlip": {"flip_probability": 1}}, {"RandomAnisotropy": {}}]
    augmentation = Augmentation(transforms)
    draw = augmentation.draw(9, 1)
    ours = augmentation.apply(volume[None], mask[None], [draw], [AFFINE])
    images = {
        "volume": torchio.ScalarImage(tensor=volume.flip(1), affine=AFFINE),
        "mask": torchio.LabelMap(tensor=mask.flip(1), affine=AFFINE),
    }
    torch.manual_seed(draw.steps[1].seed)
    theirs = torchio.RandomAnisotropy()(torchio.Subject(images))
    assert torch.equal(ours[0][0], theirs["volume"].data)
    assert torch.equal(ours[1][0], theirs["mask"].data)


def test_torchio_s_own_p_is_asked_once():
    swap = {"RandomSwap": {"patch_size": 3, "num_iterations": 9, "p": 0.5}}
    augmentation = Augmentation([swap])
    volume, mask = scan(1)
    changed = 0
    for seed in range(200):
        draw = augmentation.draw(seed, 1)
        moved, _ = augmentation.apply(volume[None], mask[None], [draw], [AFFINE])
        changed += not torch.equal(moved[0], volume)
    assert 70 <= changed <= 130


def test_mistakes_are_named():
    for given, said in (
        ({"RandomAffine": {"degrees": "much"}}, "RandomAffine does not take"),
        ({"RandomGhosting": {"axes": ["Q"]}}, "RandomGhosting has axes such as"),
        ({"OneOf": {"transforms": []}}, "OneOf does not take"),
        ({"OneOf": {"transforms": 3}}, "OneOf does not take"),
        ({"OneOf": {"transforms": [{"RandomNoise": {"std": -1}}]}}, "RandomNoise does not take"),
    ):
        with pytest.raises(UserError, match=rf"train\.augment: .*{said}"):
            Augmentation([given])


def test_draws_are_plain_and_can_be_put_on_by_hand():
    volume, mask = scan(2)
    augmentation = Augmentation([{"RandomNoise": {}}, {"RandomNoise": {}}])
    draw = augmentation.draw(1, 1)
    assert "Noise(mean=0.0, std=0." in repr(draw)
    twice = replace(draw, steps={0: Noise(1.0, 0.0, 3), 1: Noise(2.0, 0.0, 3)})
    moved, _ = augmentation.apply(volume[None], mask[None], [twice], [AFFINE])
    assert torch.allclose(moved[0], volume + 3)


# --- masks and sides ------------------------------------------------------------------------------


def test_the_mask_moves_with_the_volume():
    mask = torch.zeros(1, 8, 8, 8, dtype=torch.uint8)
    mask[0, 0] = 1
    volume, moved = augmented([{"RandomFlip": {"flip_probability": 1}}], mask.float(), mask)
    assert torch.equal(volume, moved.float())
    assert moved[0, -1].all()


def test_outside_is_background_whatever_the_mask_s_least_class():
    """TorchIO's elastic deformation fills with the least class that it finds."""
    volume, mask = scan(0)
    augmentation = Augmentation([{"RandomElasticDeformation": {}}])
    points = np.zeros((7, 7, 7, 3))
    points[..., 0] = -12  # mm: all is read from six voxels to the right
    moved = augmentation.apply(volume[None], mask[None] + 1, [Draw({0: Elastic(points)})], [AFFINE])
    assert torch.equal(moved[1][0, 0, :-6], mask[0, 6:] + 1)
    assert (moved[1][0, 0, -6:] == 0).all()
    assert torch.allclose(moved[0][0, 0, -6:], volume.min().expand(6, 24, 19))


def test_a_label_may_be_asked_for_outside():
    volume, mask = scan(0)
    augmentation = Augmentation(
        [{"RandomAffine": {"default_pad_label": 7, "default_pad_value": 9}}]
    )
    shift = Affine((1, 1, 1), (0, 0, 0), (4, 0, 0))
    moved = augmentation.apply(volume[None], mask[None], [Draw({0: shift})], [AFFINE])
    assert (moved[1][0, 0, :2] == 7).all()
    assert torch.equal(moved[1][0, 0, 2:], mask[0, :-2])
    assert (moved[0][0, 0, :2] == 9).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16])
def test_a_mask_keeps_its_type_and_values(dtype):
    """SimpleITK gives floats, and a batch of two types can't be put together."""
    mask = torch.zeros(1, 8, 8, 8, dtype=dtype)
    mask[0, 2:6, 2:6, 2:6] = 3
    several = ["RandomAffine", "RandomElasticDeformation", "RandomFlip", "RandomAnisotropy"]
    for seed in range(6):
        entries = [{name: {"p": 0.5}} for name in several]
        _, moved = augmented(entries, mask.float(), mask, seed)
        assert moved.dtype == dtype
        assert set(moved.unique().tolist()) <= {0, 3}
        assert moved.any()


@pytest.mark.parametrize("axes", [["LR"], [0], [0, 1], ["AP"], [1, 2]])
def test_a_mirrored_scan_gets_the_names_of_the_other_side(axes):
    mask = torch.zeros(1, 8, 8, 8, dtype=torch.uint8)
    mask[0, :3], mask[0, 5:, 2:] = 1, 2
    table = Segmentation(("left", "right")).swap_table([("left", "right")])
    flip = [{"RandomFlip": {"axes": axes, "flip_probability": 1}}]
    volume, moved = augmented(flip, mask.float(), mask, swap=table)
    mirrored = axes[0] in ("LR", 0)
    swapped = torch.tensor([0, 2, 1] if mirrored else [0, 1, 2], dtype=torch.uint8)
    assert torch.equal(moved, swapped[volume.long()])
    if axes == ["LR"]:
        # what lies on the left is still called left
        assert set(moved[0, :3].unique().tolist()) == {0, 1}
        assert set(moved[0, 5:].unique().tolist()) == {2}


def test_only_the_mirrored_scans_of_a_batch_change_sides():
    table = Classification(("L", "M", "R")).swap_table([("L", "R")])
    augmentation = Augmentation(
        [{"RandomFlip": {}}, {"RandomAffine": {}}, {"RandomFlip": {}}], table
    )
    draws = [augmentation.draw(seed, 1) for seed in range(12)]
    volumes = torch.stack([scan(seed)[0] for seed in range(12)])
    truths = torch.tensor([0, 1, 2] * 4)
    _, moved = augmentation.apply(volumes, truths, draws, [AFFINE] * 12)
    flips = [[step for step in one.steps.values() if isinstance(step, Flip)] for one in draws]
    assert {len(some) for some in flips} == {0, 1, 2}
    expected = [
        2 - t if len(some) == 1 else t for t, some in zip(truths.tolist(), flips, strict=True)
    ]
    assert moved.tolist() == expected
    assert moved.dtype == truths.dtype


def test_a_flip_among_others_commutes_with_the_names_of_sides():
    """A mirrored scan's mask, with sides renamed, is the mask of the mirrored head."""
    volume, mask = scan(4)
    table = Segmentation(("left", "right")).swap_table([("left", "right")])
    transforms = [{"RandomFlip": {"flip_probability": 1}}, {"RandomAffine": {}}]
    moved = augmented(transforms, volume, mask, seed=2, swap=table)
    named = torch.tensor(table)[mask.long()].to(mask.dtype)
    by_hand = augmented(transforms, volume, named, seed=2)
    assert torch.equal(moved[1], by_hand[1])
    assert torch.equal(moved[0], by_hand[0])
