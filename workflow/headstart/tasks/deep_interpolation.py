"""Series without their noise, each volume told from its neighbours in time.

DeepInterpolation, Lecoq et al. 2021, doi:10.1038/s41592-021-01285-2: noise that is independent from
volume to volume can't be told from the others, so that a network which is to tell a volume that it
has not seen learns what is no noise.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.tasks.base import Array
from headstart.tasks.denoising import Denoising
from headstart.tasks.metrics import METRICS

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from headstart.cohort.answer_file import AnswerFile
    from headstart.cohort.prepared import Scan
    from headstart.tasks.series_quality import SeriesQuality

Image = NDArray[np.float32]


@dataclass(frozen=True)
class ToldSeries:
    """A denoised series, of which each volume is computed when it is asked for.

    Attributes:
        volume: Returns the volume of a time, from 0, (x, y, z), on the prepared scale.
        times: The times that are answered for.
        judged: Those that it is judged by, `Neighbours.inner`.
        edges: How the series' ends are treated, `predict.edges`.
        note: What the header is to say of it.
    """

    volume: Callable[[int], Image]
    times: range
    judged: range
    edges: str
    note: str


@dataclass(frozen=True)
class DeepInterpolation(Denoising):
    """The volumes of a series as they would be without noise."""

    needs_noise = False
    metrics = ("left_out_error", "tsnr_gain", "edges")
    further_metrics = ()
    headline = ()
    judged_words = (
        "Networks and baselines were judged by the same volumes: those with all neighbours in time "
        "that the networks see. The weighted mean was fitted to series of other folds; all other "
        "filters learn from the series itself, or from nothing."
    )
    baselines = "series"
    figure = "series"
    answer_words = "series without noise, in the scan's own unit"

    @classmethod
    def default_primary(cls, *, has_reference: bool) -> str:
        """See `Task.default_primary`."""
        return cls.metrics[0]

    @classmethod
    def told_beside(cls, primary: str) -> tuple[str, ...]:
        """See `Task.told_beside`."""
        return cls.metrics[:1] if METRICS[primary].idle_is_best else ()

    def pose(self, volumes: Tensor, targets: Tensor, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Leave out the last volume, which is to be told from the others."""
        return volumes[:, :-1], volumes[:, -1:]

    def average(self, predictions: Sequence[Sequence[ToldSeries]]) -> list[ToldSeries]:
        """See `Task.average`; of volumes that all networks answer for."""
        told = [series for (series,) in predictions]

        def volume(time: int) -> Image:
            return np.mean([one.volume(time) for one in told], axis=0, dtype=np.float32)

        start = max(one.times.start for one in told)
        stop = min(one.times.stop for one in told)
        return [replace(told[0], volume=volume, times=range(start, stop))]

    def in_one_number(self, predictions: Sequence[Sequence[ToldSeries]], scan: Scan) -> Array:
        """The mean of the volume in the middle: all of them would take as long once more."""
        return np.array([one.volume(scan.length // 2).mean() for (one,) in predictions])

    @property
    def columns(self) -> list[str]:
        """The first volume that is answered for, from 0, how many are, and the series' file."""
        return ["first_volume", "volumes", "time_edges", "image"]

    def answer(self, prediction: ToldSeries, file: AnswerFile) -> dict[str, Any]:
        """The series."""
        return self._written(prediction, file)

    def answer_held_out(
        self, prediction: ToldSeries, file: AnswerFile, data: Path
    ) -> dict[str, Any]:
        """The same, and what it is like."""
        from headstart.tasks.series_quality import SeriesQuality

        quality = SeriesQuality(file.scan)
        cells = self._written(prediction, file, quality)
        return cells | quality.found() | {"image_sha256": file.sha256}

    def examine(
        self, cells: dict[str, Any], file: AnswerFile, ask: Callable[[Scan], Any]
    ) -> dict[str, Any]:
        """See `Task.examine`: nothing is changed in a series."""
        return {}

    def _written(
        self, prediction: ToldSeries, file: AnswerFile, quality: SeriesQuality | None = None
    ) -> dict[str, Any]:
        file.write_series(
            _volumes(prediction, file.scan, quality), prediction.times, prediction.note
        )
        return {
            "first_volume": prediction.times.start,
            "volumes": len(prediction.times),
            "time_edges": prediction.edges,
            "image": file.name,
        }


def _volumes(series: ToldSeries, scan: Scan, quality: SeriesQuality | None) -> Iterator[Image]:
    """Yield the volumes in the scan's unit, and let their quality be measured on the way."""
    lowest = min(0.0, float(scan.signal().min()))  # no magnitude is negative
    for time in series.times:
        image = np.maximum(scan.intensities[0].restored(series.volume(time)), np.float32(lowest))
        if quality is not None and time in series.judged:
            quality.add(time, image)
        yield image
