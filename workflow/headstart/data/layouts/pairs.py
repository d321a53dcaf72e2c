"""The `dataset.json` of the Medical Segmentation Decathlon."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path

from headstart.common.errors import UserError
from headstart.common.walk import refuse_special
from headstart.data.config import Source
from headstart.data.found_scans import FoundScan
from headstart.data.layouts.identity import make_scan
from headstart.data.layouts.lookup import first_folder
from headstart.data.layouts.lookup import look_up
from headstart.data.layouts.lookup import tidy_path
from headstart.data.layouts.lookup import wanted_files


def from_pairs(source: Source, folder: Path) -> list[FoundScan]:
    """List the scans of a `dataset.json` of the Medical Segmentation Decathlon.

    Its `training` entries name an image and a mask; those under `test` have no mask and are left.

    Args:
        source: The source's section of the config.
        folder: The source's folder.

    Raises:
        UserError: If the file is not there or is not as it should be.
    """
    path = folder / "dataset.json"
    refuse_special(path)
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["training"]
        pairs = [{str(key): str(value) for key, value in entry.items()} for entry in entries]
    except FileNotFoundError:
        raise UserError(f"{path}: is not there; layout 'pairs' reads its list of scans") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UserError(
            f"{path}: needs a list `training` of entries such as "
            '{"image": "imagesTr/a.nii.gz", "label": "labelsTr/a.nii.gz"}'
        ) from None
    keys = wanted_files(source)
    scans = []
    for number, pair in enumerate(pairs, start=1):
        paths = {name: tidy_path(pair.get(key, "")) for name, key in keys.items()}
        first = next(iter(paths.values()))
        case = re.sub(r"\.nii(\.gz)?$", "", posixpath.basename(first))
        scan = make_scan(source, {"subject": case}, first or path.name, first_folder(source, first))
        look_up(scan, paths, folder, f"{path}, entry {number}", source.optional)
        scans.append(scan)
    return scans
