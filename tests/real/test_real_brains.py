"""A real head from its file to the template's space, by the networks of deepbet."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from headstart.imaging.brain import find_brain
from headstart.imaging.config import Preparation
from headstart.imaging.geometry import to_canonical
from headstart.imaging.prepare import prepare_scan
from headstart.imaging.scan_rows import ScanFiles
from headstart.imaging.unusable import UnusableError

NAME = "IXI013-HH-1212-T1_ds"
STEPS = Preparation(
    voxel_size=(4.0, 4.0, 4.0), window=(48, 56, 48), brain="deepbet", bias="n4", space="affine"
)


@pytest.fixture
def folder(shared_data: Path) -> Path:
    if not list(metadata.distributions(name="deepbet")):
        pytest.skip("needs the weights of deepbet: pip install --no-deps -r envs/weights.txt")
    return shared_data / "ixi10_2mm"


def canonical(path: Path) -> np.ndarray:
    image = nib.load(path)
    return to_canonical(np.asarray(image.dataobj), image.affine)


@pytest.mark.slow
def test_a_brain_is_what_others_find_within_the_skull(folder: Path) -> None:
    found = find_brain(canonical(folder / f"nifti/{NAME}.nii.gz").astype(np.float32)) > 0
    known = canonical(folder / f"dlmuse/{NAME}_DLMUSE.nii.gz") > 0
    both = np.count_nonzero(found & known)
    assert 2 * both / (found.sum() + known.sum()) > 0.97


@pytest.mark.slow
def test_a_head_comes_onto_the_template_and_one_upside_down_does_not(
    folder: Path, tmp_path: Path
) -> None:
    def prepared(data: Path, path: str) -> object:
        scan = ScanFiles("s", "1", {"T1": path}, "", "")
        return prepare_scan(scan, data=data, settings=STEPS, checked="", classes={}).steps

    steps = prepared(folder, f"nifti/{NAME}.nii.gz")
    assert steps.overlap > 0.94
    assert steps.correlation > 0.4
    assert steps.brain_cut == 0
    image = nib.as_closest_canonical(nib.load(folder / f"nifti/{NAME}.nii.gz"))
    turned = np.asarray(image.dataobj)[:, ::-1, ::-1]
    nib.save(nib.Nifti1Image(turned, image.affine), tmp_path / "turned.nii.gz")
    with pytest.raises(UnusableError) as refused:
        prepared(tmp_path, "turned.nii.gz")
    assert refused.value.code in ("brain-mask", "registration")
