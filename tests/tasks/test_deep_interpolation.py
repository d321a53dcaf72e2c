"""Series denoised by their neighbours in time: never by the volume itself, judged without truth."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from series_study import AFFINE
from series_study import NOISE
from series_study import SHAPE
from series_study import TR
from series_study import SeriesStudy
from series_study import clean_series
from series_study import noisy_series
from series_study import write_series

from headstart.cohort.answer_file import AnswerFile
from headstart.cohort.answers import gather_answers
from headstart.cohort.new_scans import Share
from headstart.cohort.new_scans import list_new_scans
from headstart.cohort.prepared import Scan
from headstart.cohort.prepared import read_cohort
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.records import write_rows
from headstart.common.run_id import RunId
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.held_out import gather_held_out
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.evaluation.settings import EvaluateSettings
from headstart.figures import evaluation
from headstart.figures.settings import ExperimentPlotSettings
from headstart.figures.style import Stamp
from headstart.tasks.deep_interpolation import DeepInterpolation
from headstart.tasks.deep_interpolation import ToldSeries
from headstart.tasks.neighbours import Neighbours
from headstart.training.card import ModelCard
from headstart.training.config import Predict
from headstart.training.config import Train
from headstart.training.data import EpochLoader
from headstart.training.inference import load_network
from headstart.training.predict import predict
from headstart.training.predict_new import predict_new
from headstart.training.settings import PredictSettings
from headstart.training.settings import Publication
from headstart.training.settings import Run
from headstart.training.train import train

QUESTION = {"experiment": "clean", "task": "denoising", "target": "image", "classes": {}}
BOTH = {"before": 2, "after": 2}


def settings(**how: object) -> Train:
    """Return how a tiny network is trained."""
    small = {"network": "plain_unet", "network_arguments": {"channels": [4, 6]}, "batch_size": 4}
    small |= {"sampling": {"patches": [12, 12, 8], "per_scan": 24}, "epochs": 3, "threads": 1}
    return Train(**small | {"learning_rate": 0.01, "neighbours": BOTH} | how)


def train_on(study: SeriesStudy, folder: Path, how: Train, **said: object) -> Path:
    """Train a network on a study; return its folder."""
    run = Run(**QUESTION, channels=("bold",), window="own", train=how, fold=0, seed=0)
    model = folder / RunId("clean", 0, 0).trained
    publication = Publication(predict=Predict(**said))
    where = {"store": folder / "runs", "output": model, "device": "cpu"}
    train(run=run, code="x", publication=publication, **study.inputs, **where)
    return model


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> SeriesStudy:
    return SeriesStudy(tmp_path_factory.mktemp("series") / "study")


@pytest.fixture(scope="module")
def model(study: SeriesStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_on(study, tmp_path_factory.mktemp("model"), settings())


def scans_of(study: SeriesStudy) -> tuple[Scan, ...]:
    return read_cohort(**study.inputs, target="image").scans


@pytest.mark.parametrize(("before", "after"), [(2, 2), (3, 0), (0, 2), (1, 4)])
def test_a_volume_is_never_among_its_neighbours(before: int, after: int) -> None:
    neighbours = Neighbours(before=before, after=after)
    for length in (neighbours.fewest, neighbours.fewest + 3):
        for time in range(length):
            around = neighbours.around(time, length)
            assert len(around) == before + after
            assert time not in around
            assert set(around) <= set(range(length))
        assert [neighbours.around(t, length) for t in neighbours.inner(length)] == [
            [*range(t - before, t), *range(t + 1, t + after + 1)] for t in neighbours.inner(length)
        ]


def test_ends_see_the_mirror_image_of_the_side_that_is_there() -> None:
    assert Neighbours(before=3, after=1).around(1, 9) == [4, 3, 0, 2]


def test_a_series_is_kept_with_its_unit_and_any_of_its_volumes_is_read(study: SeriesStudy) -> None:
    scan = scans_of(study)[3]
    raw = noisy_series(3)
    turned = raw[::-1, ::-1]  # its axes nearest to RAS
    assert (scan.length, scan.volume().shape) == (SHAPE[3], (1, *SHAPE[:3]))
    np.testing.assert_allclose(scan.signal(), turned[..., 6], atol=0.5)
    seen = scan.part([(2, 9), (0, 16), (-1, 8)]).at([7, 0, 11])
    read = np.stack([s.restored(v) for s, v in zip(seen.intensities, seen.volume(), strict=True)])
    expected = np.moveaxis(turned[2:9, :, :, [7, 0, 11]], 3, 0)
    np.testing.assert_allclose(read[..., 1:], expected, atol=0.5)


def test_training_sees_the_neighbours_of_a_volume_and_is_asked_for_that_one(
    study: SeriesStudy,
) -> None:
    how = settings(sampling={"patches": [16, 16, 8], "per_scan": 3})
    scans = scans_of(study)
    task = DeepInterpolation()
    loader = EpochLoader(scans, task, how, 0, torch.device("cpu"))
    times = []
    for batch in loader.epoch(1):
        assert batch.volumes.shape[1] == 4
        for scan, volume, target in zip(batch.scans, batch.volumes, batch.targets, strict=True):
            *around, time = scan.times
            assert around == [time - 2, time - 1, time + 1, time + 2]
            whole = scan.at(range(scan.length)).volume()
            np.testing.assert_array_equal(volume, whole[around].astype(np.float32))
            np.testing.assert_array_equal(target[0], whole[time].astype(np.float32))
            times.append(time)
    assert len(times) == 18
    assert set(times) <= set(range(2, 10))
    assert len(set(times)) > 4


def test_what_is_told_of_a_volume_does_not_hang_on_it(model: Path, study: SeriesStudy) -> None:
    """Noise alone would be told by a network that sees it, and can't be by one that does not."""
    network = load_network(model, ModelCard.read(model), None, "cpu")
    scan = scans_of(study)[5]
    (told,) = network.predict(scan)
    raw = scan.at(range(scan.length)).volume().astype(np.float32)
    changed = raw.copy()
    for time in (0, 5, 11):
        changed[:] = raw
        changed[time] = np.random.default_rng(time).normal(size=raw[0].shape)
        made = network.network(torch.from_numpy(changed[_around(time)])[None])
        np.testing.assert_allclose(told.volume(time), made[0, 0].detach(), atol=1e-5)
    inside = clean_series(5)[::-1, ::-1].mean(axis=3) > 0
    clean = np.moveaxis(clean_series(5)[::-1, ::-1], 3, 0)
    noise = np.stack([scan.intensities[0].restored(one) for one in raw]) - clean
    off = np.stack([scan.intensities[0].restored(told.volume(t)) for t in range(12)]) - clean
    assert abs(np.corrcoef(noise[:, inside].ravel(), off[:, inside].ravel())[0, 1]) < 0.05


def _around(time: int) -> list[int]:
    return Neighbours(**BOTH).around(time, SHAPE[3])


def test_series_are_denoised_in_their_place_time_and_unit(
    model: Path, study: SeriesStudy, tmp_path: Path
) -> None:
    history = pd.read_csv(model / "history.csv")
    assert history["chosen"].argmax() == history["val_hidden_error"].argmin()
    output = tmp_path / RunId("clean", 0, 0).predicted
    asked = PredictSettings(**QUESTION, channels=("bold",), test=True, fold=0, seed=0)
    predict(
        settings=asked, model=model, data=study.data, output=output, device="cpu", **study.inputs
    )
    row = files.read_csv(output / "predictions.csv").to_dict("records")[-1]
    assert (row["first_volume"], row["volumes"], row["time_edges"]) == ("0", "12", "pad")
    image, source = nib.load(output / row["image"]), nib.load(study.data / "bold-5.nii.gz")
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(image.affine, AFFINE)
    for field in ("pixdim", "xyzt_units", "toffset", "slice_code", "sform_code", "qform_code"):
        np.testing.assert_array_equal(image.header[field], source.header[field])
    made, noisy, clean = image.get_fdata(), source.get_fdata(), clean_series(5)
    inside = clean > 0
    errors = [np.sqrt(np.mean((one - clean)[inside] ** 2)) for one in (made, noisy)]
    assert errors[0] < 0.75 * errors[1]
    off, whole = (one[..., 2:10][inside[..., 2:10]] for one in (made - noisy, noisy))
    left_out = 100 * np.sqrt(np.mean(off**2) / np.mean(whole**2))
    assert float(row["left_out_error"]) == pytest.approx(left_out, rel=0.02)
    assert float(row["left_out_error"]) > 100 * NOISE / 400
    assert float(row["tsnr_gain"]) > 1
    judged = {"passed": study.passed, "splits": study.splits, "prepared": study.prepared}
    judged |= {"predictions": [output / "predictions.csv"]}
    evaluated = EvaluateSettings(
        **QUESTION, primary="left_out_error", test=True, folds=(0,), seeds=(0,), neighbours=BOTH
    )
    metrics, differences, *_ = evaluate(settings=evaluated, **judged)
    found = {
        (row.model, row.metric): row.value
        for row in metrics
        if row.protocol == "test" and row.group == "all"
    }
    errors = {name: found[name, "left_out_error"] for name, _ in found}
    assert errors["network"] == pytest.approx(left_out, rel=0.02)
    assert (errors["noisy"], errors["gaussian"]) == (None, None)
    assert errors["linear"] < errors["interpolation"]
    assert found["noisy", "tsnr_gain"] == pytest.approx(1)
    assert found["gaussian", "tsnr_gain"] > 1
    assert found["gaussian", "edges"] > found["network", "edges"]
    tables = {"metrics": tmp_path / "metrics.csv", "comparison": tmp_path / "comparison.csv"}
    write_rows(tables["metrics"], MetricRow, metrics)
    write_rows(tables["comparison"], DifferenceRow, differences)
    drawn = {"study": "small", "primary": "left_out_error", "neighbours": BOTH}
    evaluation.plot(
        settings=ExperimentPlotSettings(**QUESTION, **drawn),
        stamp=Stamp("small", "0" * 8, "x", synthetic=True),
        output=tmp_path / "evaluation.pdf",
        data=study.data,
        **judged | tables,
    )
    assert (tmp_path / "evaluation.pdf").read_bytes().startswith(b"%PDF")


def test_a_series_is_judged_by_the_same_volumes_whatever_becomes_of_its_ends(
    model: Path, study: SeriesStudy, tmp_path: Path
) -> None:
    card, scan, found = ModelCard.read(model), scans_of(study)[5], []
    for edges, volumes in (("pad", 12), ("truncate", 8)):
        asked = card.model_copy(update={"predict": Predict(edges=edges)})
        network = load_network(model, asked, None, "cpu")
        (told,) = network.predict(scan)
        file = AnswerFile(scan, tmp_path, tmp_path / f"{edges}.nii.gz", {})
        row = network.task.answer_held_out(told, file, study.data)
        assert row["volumes"] == volumes
        found.append([row[name] for name in network.task.metrics])
    assert found[0] == found[1]


def test_several_networks_are_averaged_where_all_of_them_answer() -> None:
    told = [
        [ToldSeries(lambda t, n=n: np.full((2, 2, 2), n + t, np.float32), ts, ts, "pad", "")]
        for n, ts in ((0, range(2, 8)), (4, range(1, 7)))
    ]
    (mean,) = DeepInterpolation().average(told)
    assert (mean.times, mean.volume(3).max()) == (range(2, 7), 5)


def test_ends_are_left_out_and_the_files_type_kept_where_that_is_asked_for(
    study: SeriesStudy, tmp_path: Path
) -> None:
    how = settings(epochs=1, neighbours={"before": 3, "after": 1})
    model = train_on(study, tmp_path, how, edges="truncate", dtype="input")
    short = write_series(tmp_path / "short.nii", noisy_series(1)[..., :6])
    scans = [study.data / "bold-4.nii.gz", short]
    with pytest.raises(UserError, match=r"1 of 2 scans .* has 6 volumes in time"):
        predict_new(runs=[model], scans=scans, output=tmp_path / "new.csv", device="cpu")
    row, other = files.read_csv(tmp_path / "new.csv").to_dict("records")
    assert "not-4d" in other["rejected"]
    assert (row["first_volume"], row["volumes"], row["time_edges"]) == ("3", "8", "truncate")
    image = nib.load(tmp_path / row["image"])
    assert image.shape == (*SHAPE[:3], 8)
    assert image.get_data_dtype() == np.int16
    assert image.header["toffset"] == 10 + 3 * TR
    assert image.header["descrip"].tobytes().startswith(b"told from 3 before, 1 after; edges: trun")
    off = np.abs(image.get_fdata() - noisy_series(4)[..., 3:11])
    assert np.median(off) < NOISE


def test_series_are_the_same_bytes_in_any_number_of_shares(
    model: Path, study: SeriesStudy, tmp_path: Path
) -> None:
    def files_in(folder: Path) -> dict[str, bytes]:
        found = [path for path in folder.rglob("*") if path.is_file()]
        found = [path for path in found if not path.parent.name.endswith("-shards")]
        return {str(path.relative_to(folder)): path.read_bytes() for path in found}

    asked = PredictSettings(**QUESTION, channels=("bold",), test=True, fold=0, seed=0)
    given = {"settings": asked, "model": model, "data": study.data, "device": "cpu"}
    scans = [study.data / f"bold-{number}.nii.gz" for number in range(3)]
    for shares in (0, 3):
        held_out, new = tmp_path / f"in {shares}", tmp_path / f"in {shares}/new/a.csv"
        for share in [Share(number, shares) for number in range(shares)] or [None]:
            predict(**given, **study.inputs, output=held_out, share=share)
            predict_new(runs=[model], scans=scans, output=new, device="cpu", share=share)
        if shares:
            gather_answers(list_new_scans(scans, ["bold"]), shares, new, "image")
            gather_held_out(
                **{"asked": asked, "fold": 0, "test": True, "shares": shares},
                **{"path": held_out / "predictions.csv", **study.inputs},
                weights=ModelCard.read(model).weights_sha256,
            )
    once, shared = (files_in(tmp_path / f"in {shares}") for shares in (0, 3))
    assert shared.keys() == once.keys()
    assert [name for name in once if once[name] != shared[name]] == []
    assert sum(name.endswith(".nii.gz") for name in once) == 6
