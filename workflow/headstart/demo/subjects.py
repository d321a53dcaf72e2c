"""The made-up people: who they are, and where they are scanned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
CLASSES = {1: "grey_matter", 2: "white_matter", 3: "ventricles"}
FIRST_ID = 101
SECOND_SESSIONS = 5  # every so many subjects one has a second session


@dataclass(frozen=True)
class Site:
    """A scanner and whom it sees.

    Attributes:
        name: Its name in the tables.
        ages: Youngest and oldest, years; ages are uniform in between.
        orientation: Where the axes of its volumes point to.
        voxel_size: Along right-left, front-back and up-down, mm.
        shape: Voxels along the same axes.
        brightness: Intensity of the brightest tissue.
        contrast: Exponent of intensity: above 1, grey matter is darker beside white.
        noise: Standard deviation of the Rician noise, share of the brightness.
        bias: Standard deviation of the log of the intensity's drift through the head.
    """

    name: str
    ages: tuple[float, float]
    orientation: str
    voxel_size: tuple[float, float, float]
    shape: tuple[int, int, int]
    brightness: float
    contrast: float
    noise: float
    bias: float


# The mean ages, 52.5, 48 and 43.5, lie 9 years apart, as IXI's sites do.
SITES = (
    Site("Alder", (25, 80), "RAS", (3.0, 3.0, 3.0), (60, 74, 64), 900, 1.0, 0.020, 0.08),
    Site("Birch", (20, 76), "PSR", (2.8, 2.8, 3.2), (64, 80, 60), 320, 0.8, 0.030, 0.15),
    Site("Cedar", (20, 67), "LIP", (3.2, 3.0, 3.0), (56, 74, 64), 2100, 1.25, 0.025, 0.11),
)
# Out of 20 subjects in a row each site has so many of each sex.
BLOCK = (("Alder", 4), ("Birch", 3), ("Cedar", 3))


@dataclass(frozen=True)
class Subject:
    """Who is scanned, and how the template becomes this head.

    Attributes:
        name: Its id.
        age: Years.
        sex: female or male.
        site: Where all its scans are made.
        sessions: 1 or 2 scans, which share the anatomy.
        scale: Size of the head along each axis, relative to the template.
        ventricles: Outward shift of the ventricles' walls, mm.
        thinning: Inward shift of the cortex' surface, mm.
        build: Amount of broader front and larger cerebellum; the sexes' means are +1 and -1.
        number: Position in the cohort, which with the cohort's seed gives its deformation.
    """

    name: str
    age: float
    sex: str
    site: Site
    sessions: int
    scale: tuple[float, float, float]
    ventricles: float
    thinning: float
    build: float
    number: int


def draw_subject(seed: int, number: int) -> Subject:
    """Draw one subject's person, site and anatomy.

    Args:
        seed: The cohort's seed.
        number: The subject's position in the cohort, from 0.
    """
    places = [(site, sex) for site, n in BLOCK for sex in ("female", "male") for _ in range(n)]
    order = np.random.default_rng([seed, number // len(places)]).permutation(len(places))
    name, sex = places[order[number % len(places)]]
    (site,) = (site for site in SITES if site.name == name)

    rng = np.random.default_rng([seed, number, 0])
    age = round(float(rng.uniform(*site.ages)), 1)
    late = (age - 20) / 60  # 0 at 20 years, 1 at 80
    sign = 1 if sex == "male" else -1
    size = 1 + 0.02 * sign + 0.036 * rng.standard_normal()
    proportions = 1 + 0.015 * rng.standard_normal(3)
    return Subject(
        name=f"Sub_{FIRST_ID + number}",
        age=age,
        sex=sex,
        site=site,
        sessions=2 if number % SECOND_SESSIONS == 1 else 1,
        scale=tuple(size * proportions),
        ventricles=min(3.2, float(-0.8 + 3.4 * late + 0.5 * rng.standard_normal())),
        thinning=min(1.8, float(-0.3 + 1.5 * late + 0.22 * rng.standard_normal())),
        build=float(sign + 0.8 * rng.standard_normal()),
        number=number,
    )
