"""Denoising: learnt from noisy scans alone, answered on their own grid, judged beside filters."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from noisy_study import AFFINE
from noisy_study import NOISE
from noisy_study import NoisyStudy
from noisy_study import clean_head

from headstart import cli
from headstart.cohort.answers import gather_answers
from headstart.cohort.new_scans import Share
from headstart.cohort.new_scans import list_new_scans
from headstart.cohort.prepared import read_cohort
from headstart.common import files
from headstart.common.errors import NoAnswerError
from headstart.common.errors import UserError
from headstart.common.records import write_rows
from headstart.common.run_id import RunId
from headstart.evaluation import filters
from headstart.evaluation.evaluate import evaluate
from headstart.evaluation.judgement import beside
from headstart.evaluation.judgement import judge
from headstart.evaluation.results import DifferenceRow
from headstart.evaluation.results import MetricRow
from headstart.evaluation.results import having
from headstart.evaluation.settings import EvaluateSettings
from headstart.figures import evaluation
from headstart.figures.settings import ExperimentPlotSettings
from headstart.figures.style import Stamp
from headstart.imaging.geometry import Grid
from headstart.imaging.slabs import Slabs
from headstart.tasks import blind_spot
from headstart.tasks import planted_spots
from headstart.tasks.denoising import Denoising
from headstart.tasks.image_quality import NoisyImage
from headstart.tasks.spot_kinds import KINDS
from headstart.training.config import Predict
from headstart.training.config import Train
from headstart.training.predict import predict
from headstart.training.predict_new import predict_new
from headstart.training.settings import PredictSettings
from headstart.training.settings import Publication
from headstart.training.settings import Run
from headstart.training.train import train

QUESTION = {"experiment": "clean", "task": "denoising", "target": "image", "classes": {}}


def train_on(study: NoisyStudy, folder: Path, *, epochs: int, **how: object) -> Path:
    """Train a tiny network on a study; return its folder."""
    sampling = {"patches": [16, 16, 16], "per_scan": 40}
    small = {"network": "plain_unet", "network_arguments": {"channels": [6, 8]}, "batch_size": 2}
    settings = Train(**small, sampling=sampling, epochs=epochs, learning_rate=0.005, threads=1)
    run = Run(**QUESTION, channels=("T1",), window="own", train=settings, fold=0, seed=0)
    model = folder / RunId("clean", 0, 0).trained
    publication = Publication(predict=Predict(**how))
    where = {"store": folder / "runs", "output": model, "device": "cpu"}
    train(run=run, code="x", publication=publication, **study.inputs, **where)
    return model


def test_it_denoises_scans_in_their_own_space_and_unit(tmp_path: Path) -> None:
    study = NoisyStudy(tmp_path / "study", reference=True)
    cohort = read_cohort(**study.inputs, target="image")
    assert (cohort.channels, cohort.scans[0].volume().shape[0]) == (("T1",), 1)
    model = train_on(study, tmp_path, epochs=4)
    history = pd.read_csv(model / "history.csv")
    assert history["chosen"].argmax() == history["val_hidden_error"].argmin()

    output = predicted_by(model, study, tmp_path)
    table = files.read_csv(output / "predictions.csv")
    row = table.to_dict("records")[-1]
    image = nib.load(output / row["image"])
    assert image.get_data_dtype() == np.float32
    np.testing.assert_array_equal(image.affine, AFFINE)
    made, noisy = image.get_fdata(), nib.load(study.data / "T1-5.nii").get_fdata()
    clean = clean_head(5)
    inside = clean > 0
    assert float(row["noise"]) == pytest.approx(NOISE, rel=0.05)
    assert float(row["mae"]) == pytest.approx(np.abs(made - clean)[inside].mean(), rel=1e-3)
    assert np.mean((made - clean)[inside] ** 2) < 0.9 * np.mean((noisy - clean)[inside] ** 2)

    metrics, differences = judged(study, output, "psnr")
    psnr = {(row.protocol, row.model): row.value for row in metrics if row.metric == "psnr"}
    assert psnr["test", "network"] == pytest.approx(float(row["psnr"]))
    for name in ("snr", "rmse"):
        (told,) = having(metrics, protocol="test", model="network", metric=name)
        assert told.value == pytest.approx(float(row[name]))
    assert psnr["test", "network"] > psnr["test", "noisy"] + 0.5
    assert psnr["test", "gaussian"] > psnr["test", "noisy"]
    assert {model for _, model in psnr} == {
        "network",
        "noisy",
        "gaussian",
        "median",
        "non-local-means",
    }
    kept = {row.model: row.value for row in metrics if row.metric == "spots"}
    assert kept["noisy"] == pytest.approx(1, rel=1e-4)
    assert 0 < kept["network"] < 1
    each = [float(row[kind.metric]) for kind in KINDS]
    assert float(row["spots"]) == pytest.approx(np.mean(each))
    error = {row.model: row.value for row in metrics if row.metric == "sure"}
    assert error["noisy"] == pytest.approx(1, rel=1e-4)
    assert error["network"] < 0.9
    draw(study, output, metrics, differences, primary="psnr")


def predicted_by(model: Path, study: NoisyStudy, folder: Path) -> Path:
    """Predict a study's held-out scans; return the folder of the answers."""
    output = folder / RunId("clean", 0, 0).predicted
    asked = PredictSettings(**QUESTION, channels=("T1",), test=True, fold=0, seed=0)
    predict(
        settings=asked, model=model, data=study.data, output=output, device="cpu", **study.inputs
    )
    return output


def paths(study: NoisyStudy, output: Path) -> dict[str, Any]:
    """Return what evaluate and plot read."""
    where = {"passed": study.passed, "splits": study.splits, "prepared": study.prepared}
    return where | {"predictions": [output / "predictions.csv"]}


def judged(
    study: NoisyStudy, output: Path, primary: str, noise: float | None = None
) -> tuple[list[MetricRow], list[DifferenceRow]]:
    """Evaluate answers for the test subject and for a fold."""
    asked = {"primary": primary, "noise": noise, "test": True, "folds": (0,), "seeds": (0,)}
    settings = EvaluateSettings(**QUESTION, **asked)
    metrics, differences, _ = evaluate(settings=settings, **paths(study, output))
    return metrics, differences


def draw(
    study: NoisyStudy,
    output: Path,
    metrics: list[MetricRow],
    differences: list[DifferenceRow],
    **told: Any,
) -> None:
    """Draw what came out on the test subject as `evaluation.pdf` beside the answers."""
    tables = {"metrics": output / "metrics.csv", "comparison": output / "comparison.csv"}
    write_rows(tables["metrics"], MetricRow, having(metrics, protocol="test"))
    write_rows(tables["comparison"], DifferenceRow, having(differences, protocol="test"))
    evaluation.plot(
        settings=ExperimentPlotSettings(**QUESTION, **told, study="small"),
        stamp=Stamp("small", "0" * 8, "x", synthetic=True),
        output=output / "evaluation.pdf",
        data=study.data,
        **paths(study, output) | tables,
    )
    assert (output / "evaluation.pdf").read_bytes().startswith(b"%PDF")


def test_without_a_reference_the_error_is_estimated_and_spots_stand_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = NoisyStudy(tmp_path / "study", reference=False)
    model = train_on(study, tmp_path, epochs=1, noise=NOISE)
    metrics, differences = judged(study, predicted_by(model, study, tmp_path), "sure", NOISE)
    rows = having(metrics, protocol="test", group="all")
    against = having(differences, protocol="test")
    assert {row.value for row in having(rows, metric="psnr")} == {None}
    found = judge(having(rows, metric="sure"), having(against, metric="sure"))
    assert found.baseline is not None
    assert 0 < found.baseline.value < 1
    kept = having(rows, metric="spots", model="network")[0].value
    said = beside(Denoising, found, "sure", rows, against)
    assert said.startswith(f"Contrast kept of planted spots: {kept:.3g}")
    # who cares for spots first is told of the error
    by_spots = judge(having(rows, metric="spots"), having(against, metric="spots"))
    assert by_spots.baseline is not None
    assert by_spots.baseline.model != "noisy"
    assert beside(Denoising, by_spots, "spots", rows, against).startswith("Squared error")

    monkeypatch.setattr(planted_spots, "DEEP", 60.0)  # as in a head too small for any
    output = predicted_by(model, study, tmp_path / "none")
    metrics, differences = judged(study, output, "sure", NOISE)
    assert "no room for planted spots" in capsys.readouterr().err
    assert {row.value for row in having(metrics, metric="spots")} == {None}
    assert None not in {row.value for row in having(metrics, metric="sure")}
    draw(study, output, metrics, differences, primary="sure", noise=NOISE)


def test_new_scans_are_denoised_into_the_type_of_their_file(tmp_path: Path) -> None:
    study = NoisyStudy(tmp_path / "study", reference=False)
    model = train_on(study, tmp_path, epochs=1, dtype="input", noise=NOISE)
    scans, answers = [study.data / "T1-5.nii"], tmp_path / "answers.csv"
    predict_new(runs=[model], scans=scans, output=answers, device="cpu")
    (row,) = files.read_csv(answers).to_dict("records")
    image = nib.load(tmp_path / row["image"])
    assert (image.get_data_dtype(), float(row["noise"])) == (np.int16, NOISE)
    np.testing.assert_array_equal(image.affine, AFFINE)
    with pytest.raises(UserError, match=r"^--memory: 1M is too little: T1-5\.nii, of 38x42x40"):
        predict_new(runs=[model], scans=scans, output=answers, device="cpu", memory="1M")


def test_a_scan_without_air_asks_for_its_noise(tmp_path: Path) -> None:
    study = NoisyStudy(tmp_path / "study", reference=False)
    model = train_on(study, tmp_path, epochs=1)
    source = nib.load(study.data / "T1-5.nii")
    masked = np.where(clean_head(5) > 0, source.get_fdata(), 0).astype(np.int16)
    nib.save(nib.Nifti1Image(masked, AFFINE), tmp_path / "masked.nii")
    scans, answers = [tmp_path / "masked.nii", study.data / "T1-5.nii"], tmp_path / "a.csv"
    with pytest.raises(UserError, match=r"1 of 2 scans can't be used.*no air .* predict\.noise"):
        predict_new(runs=[model], scans=scans, output=answers, device="cpu")
    masked, other = files.read_csv(answers).to_dict("records")
    assert "no air" in masked["rejected"]
    assert (other["rejected"], float(other["noise"])) == ("", pytest.approx(NOISE, rel=0.05))
    image = tmp_path / other["image"]
    once = [answers.read_bytes(), image.read_bytes()]
    image.unlink()
    for number in range(2):
        share = Share(number, 2)
        predict_new(runs=[model], scans=scans, output=answers, device="cpu", share=share)
    gather_answers(list_new_scans(scans, ["T1"]), 2, answers, "image")
    assert [answers.read_bytes(), image.read_bytes()] == once


def test_scans_without_air_are_told_of_before_any_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = NoisyStudy(tmp_path / "study", reference=False, masked=(2, 4))
    gathered = ["gather", "--passed", str(study.passed), "--output", str(tmp_path / "tables")]
    gathered += ["--cards", str(study.prepared / "shard-0.json")]
    assert cli.main([*gathered, "--settings", '{"air": true}']) == 2
    said = capsys.readouterr().err
    assert "2 of 6 scans can't be denoised, the first is subject 's2', session '1': has no" in said
    assert "air that its noise could be told from; measure it, and write its" in said
    assert cli.main([*gathered, "--settings", "{}"]) == 0  # the noise is given


def noisy_scan(seed: int, *, air: bool) -> Any:
    """Return what filters see of a scan of noise 20."""
    random, clean = np.random.default_rng(seed), clean_head(seed)
    real, imaginary = random.normal(0, NOISE, (2, *clean.shape))
    noisy = np.hypot(clean + real, imaginary) * (air | (clean > 0))
    return SimpleNamespace(
        subject=f"s{seed}",
        session="1",
        key=(f"s{seed}", "1"),
        grid=Grid(clean.shape, AFFINE),
        signal=lambda: noisy.astype(np.float32),
        signal_slabs=lambda: Slabs.of(noisy.astype(np.float32)[None]),
        reference_slabs=lambda: None,
    )


def test_filters_take_the_noise_that_is_given() -> None:
    known, asked = ([noisy_scan(n, air=False)] for n in (0, 1))
    given = filters.measured(known, asked, ["removed"], NOISE)
    assert given.keys() == {"noisy", *filters.FILTERS}
    aired = filters.measured(*([noisy_scan(n, air=True)] for n in (0, 1)), ["removed"], NOISE)
    assert 0.2 < aired["gaussian"][0, 0] < 1.5
    # what was removed is told in units of the noise that is given
    halved = filters.measured(known, asked, ["removed"], NOISE / 2)
    assert halved["noisy"][0, 0] == given["noisy"][0, 0] == 0


def test_strengths_are_chosen_on_scans_whose_air_tells_their_noise() -> None:
    without, with_air = noisy_scan(0, air=False), [noisy_scan(n, air=True) for n in (1, 2)]
    assert filters.chosen([without, *with_air], None) == filters.chosen(with_air, None)
    with pytest.raises(NoAnswerError, match=r"'s0', .* no air .* predict\.noise"):
        filters.chosen([without], None)
    with pytest.raises(NoAnswerError, match=r"'s0', .* no air .* predict\.noise"):
        filters.measured(with_air, [without], ["removed"], None)


def test_the_noise_of_a_scan_is_estimated_once_for_all_filters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    monkeypatch.setattr(filters, "noise_of", lambda scan, _: seen.append(scan) or NOISE)
    known, asked = ([noisy_scan(n, air=True)] for n in (0, 1))
    filters.measured(known, asked, ["edges"], None)
    assert seen == [*known, *asked]


def test_hidden_voxels_are_what_their_neighbours_were() -> None:
    volumes = torch.arange(2 * 2 * 6 * 7 * 8, dtype=torch.float32).reshape(2, 2, 6, 7, 8)
    hidden, truth = blind_spot.hide(volumes, [1, 2])
    asked = ~truth.isnan()
    assert asked.sum() == 2 * round(blind_spot.HIDDEN * 6 * 7 * 8)
    torch.testing.assert_close(truth[asked], volumes[:, :1][asked])
    assert (hidden[:, :1][asked] != volumes[:, :1][asked]).all()
    torch.testing.assert_close(hidden[:, :1][~asked], volumes[:, :1][~asked])
    torch.testing.assert_close(hidden[:, 1:], volumes[:, 1:])
    places = np.argwhere(asked[0, 0].numpy())
    stand_ins = np.stack(np.unravel_index(hidden[0, 0][asked[0, 0]].int().numpy(), (6, 7, 8)), 1)
    assert np.abs(stand_ins - places).max() <= blind_spot.AROUND // 2


def test_the_measured_voxel_goes_back_in_where_neighbours_do_not_tell_it() -> None:
    random = np.random.default_rng(0)
    measured = random.normal(0, 1, (24, 24, 24)).astype(np.float32)
    told = np.zeros_like(measured)
    told[12:] = 30  # wrong by far
    made = blind_spot.put_back(measured, told, noise=1.0)
    assert np.abs(made[:9]).mean() < 0.25 * np.abs(measured[:9]).mean()
    np.testing.assert_allclose(made[15:], measured[15:], atol=0.2)


def test_quality_of_a_known_error() -> None:
    clean = np.zeros((20, 20, 20), np.float32)
    clean[4:16, 4:16, 4:16] = 100
    images = [Slabs.of(image[None]) for image in (clean, clean + 10, clean + 30)]
    scan = NoisyImage(noisy=images[2], noise=10, reference=images[0])
    found = scan.quality(images[1])
    assert found["psnr"] == pytest.approx(20)
    assert (found["nrmse"], found["mae"]) == (pytest.approx(0.1), pytest.approx(10))
    assert (found["snr"], found["rmse"]) == (pytest.approx(20), pytest.approx(10))
    doubled = scan.quality(Slabs.of(clean[None] * 2))
    assert (doubled["snr"], doubled["rmse"]) == (pytest.approx(0), pytest.approx(100))
    assert scan.quality(images[0])["ssim"] == pytest.approx(1)
