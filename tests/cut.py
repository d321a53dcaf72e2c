"""Cut a study small, so that a test can run in a minute what takes a person hours."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml


def cut(path: Path) -> None:
    """Keep the study's questions; make its cohort, volumes and trainings small."""
    study = yaml.safe_load(path.read_text())
    if study["study"] == "demo":
        study["fetch"] = {"demo_subjects": 20}
    study["split"] |= {"folds": 3, "validation": 0.25}
    study["check"] = {"max_rejected": 0.5}
    study["prepare"] |= {"voxel_size": [6, 6, 6], "window": [32, 48, 32], "shards": 1}
    for experiment in study["experiments"].values():
        experiment["folds"] = [0]  # a small cohort's are all trained otherwise
        if "train" in experiment:
            experiment["train"] |= {"epochs": 3, "threads": 1, "batch_size": 4}
        if experiment.get("train", {}).get("network") == "sfcn":
            experiment["train"]["network_arguments"] = {"channels": [4, 4, 8, 8, 8, 8]}
        if experiment.get("train", {}).get("network") == "unet":
            experiment["train"]["network_arguments"] = {"channels": [4, 8], "strides": [2]}
    path.write_text(yaml.safe_dump(study, sort_keys=False))


if __name__ == "__main__":
    cut(Path(sys.argv[1]))
