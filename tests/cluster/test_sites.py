"""The words of every site that the profile knows; no cluster needed."""

from __future__ import annotations

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

PROFILE = Path(__file__).resolve().parents[2] / "profiles/sge"
SITES = sorted(file.stem for file in (PROFILE / "sites").glob("*.conf"))
SHARD = {"threads": 1, "resources": {"mem_mb": 1001, "runtime": 5}}
THREADS = {"threads": 4, "resources": {"mem_mb": 1001, "runtime": 5}}
GPU = {"threads": 1, "resources": {"mem_mb": 8000, "runtime": 60, "gpu": 1}}
GPUS = {"threads": 2, "resources": {"mem_mb": 8001, "runtime": 60, "gpu": 2}}
OLD = "!(gtx1080ti|titanx|p100|v100)"


@pytest.fixture
def submit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    loader = SourceFileLoader("sge_submit", str(PROFILE / "bin/sge-submit"))
    spec = spec_from_loader("sge_submit", loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("site", "job", "words"),
    [
        ("ucl-cs", SHARD, "-l h_rt=300 -l tmem=1001M -l h_vmem=1001M"),
        ("ucl-cs", THREADS, "-l h_rt=300 -l tmem=251M -l h_vmem=251M -pe smp 4 -R y"),
        ("ucl-cs", GPU, f"-l h_rt=3600 -l tmem=8000M -l gpu=true -l gpu_type={OLD}"),
        (
            "ucl-cs",
            GPUS,
            f"-l h_rt=3600 -l tmem=4001M -l gpu=true -pe gpu 2 -R y -l gpu_type={OLD}",
        ),
        ("ucl-myriad", SHARD, "-l h_rt=300 -l mem=1001M"),
        ("ucl-myriad", GPUS, "-l h_rt=3600 -l mem=4001M -l gpu=2 -pe smp 2 -ac allow=L"),
        ("gpu-count", GPU, "-l h_rt=3600 -l mem_free=8000M -l gpu=1"),
        ("rsmap", THREADS, "-l h_rt=300 -l m_mem_free=251M -pe smp 4 -R y"),
    ],
)
def test_request(
    submit: ModuleType, monkeypatch: pytest.MonkeyPatch, site: str, job: dict, words: str
) -> None:
    monkeypatch.setenv("HEADSTART_SITE", site)
    monkeypatch.delenv("HEADSTART_MAIL", raising=False)
    request, _ = submit.make_request(submit.read_site(), job, job["resources"]["mem_mb"])
    assert " ".join(request) == words


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("job", [GPU, GPUS])
def test_no_site_limits_the_address_space_of_a_gpu_job(
    submit: ModuleType, monkeypatch: pytest.MonkeyPatch, site: str, job: dict
) -> None:
    """CUDA maps far more than it uses."""
    monkeypatch.setenv("HEADSTART_SITE", site)
    request, _ = submit.make_request(submit.read_site(), job, job["resources"]["mem_mb"])
    assert not re.search(r"\b[hs]_(vmem|data|stack|as)\b", " ".join(request))


@pytest.mark.parametrize("site", SITES)
def test_every_site_has_every_line(
    submit: ModuleType, monkeypatch: pytest.MonkeyPatch, site: str
) -> None:
    monkeypatch.setenv("HEADSTART_SITE", "ucl-cs")
    every = set(submit.read_site())
    monkeypatch.setenv("HEADSTART_SITE", site)
    assert set(submit.read_site()) == every


def test_a_line_is_missing(
    submit: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "own.conf"
    own.write_text("always='-l h_rt={seconds}'\n")
    monkeypatch.setenv("HEADSTART_SITE", str(own))
    with pytest.raises(SystemExit, match="has no line one_thread="):
        submit.make_request(submit.read_site(), SHARD, 1001)


def test_a_failed_job_is_tried_again_for_its_memory_alone(
    submit: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(submit, "JOBS", tmp_path)
    last = {"id": "7", "submitted_by": "tmp.1", "asked_by": "tmp.1"}

    def memory_after(reason: str) -> int:
        lines = f"submitted 1 300 500 hs.shard.0\nstarted 2 node\nended {reason}\n"
        (tmp_path / "7").write_text(lines)
        return submit.memory_of_next_try(last)

    assert memory_after("memory") == 1000
    assert memory_after("lost") == 500
    for reason in ("rule", "deleted"):
        with pytest.raises(SystemExit, match="job 7 would fail again"):
            memory_after(reason)
    last["asked_by"] = "tmp.2"  # it was taken back, and deleted before that, perhaps
    assert memory_after("deleted") == 500
    with pytest.raises(SystemExit, match="job 7 would fail again"):
        memory_after("rule")
