"""Errors of the machine, as the libraries raise them: exit code 2, and a sentence with the fix."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from safetensors import SafetensorError

from headstart import cli
from headstart.common import files
from headstart.common import machine_errors
from headstart.common.errors import UserError
from headstart.common.records import write_rows
from headstart.data.table_files import read_sheet
from headstart.imaging.scan_rows import ScanFiles
from headstart.planning.case_folders import propose_decathlon

JOB = Path(__file__).resolve().parents[2] / "profiles/sge/bin/job.sh"
# What job.sh takes for a lack of memory, which more memory fixes when the job is tried again.
LACK = "|".join(re.findall(r'lack="(?:\$lack\|)?(.*)"', JOB.read_text()))

FULL_GPU = (
    "CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 10.75 GiB of "
    "which 1.10 GiB is free. Including non-PyTorch memory, this process has 9.6 GiB memory in use."
)
GPU = {
    FULL_GPU: ["2.25 GiB", "10.75 GiB", "train.batch_size", "prepare.window", "prepare.voxel_size"],
    "CUDA error: out of memory\nCUDA kernel errors might be": ["train.batch_size", "gpu_type"],
    "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED": ["train.batch_size", "headstart doctor"],
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED": ["train.batch_size"],
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`": ["train.batch_size"],
    "CUDA error: no kernel image is available for execution on the device": ["too old", "gpu_type"],
    "CUDA error: all CUDA-capable devices are busy or unavailable": ["nvidia-smi"],
    "CUDA error: CUDA-capable device(s) is/are busy or unavailable": ["nvidia-smi"],
    "CUDA error: uncorrectable ECC error encountered": ["start it again"],
    "CUDA error: unspecified launch failure": ["start it again"],
    "CUDA error: an illegal memory access was encountered": ["start it again"],
    "CUDA error: the launch timed out and was terminated": ["start it again"],
    "CUDA error: invalid device function": ["too old", "gpu_type"],
    "cuFFT error: CUFFT_INTERNAL_ERROR": ["train.batch_size"],
    "The NVIDIA driver on your system is too old (found version 11040).": ["headstart doctor"],
}
DISK = {
    errno.EACCES: "another user's",
    errno.EPERM: "another user's",
    errno.EIO: "same command again",
    errno.ESTALE: "same command again",
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "your quota",
    errno.EROFS: "only be read",
    errno.ENOENT: "expected here",
    errno.EEXIST: "in the way",
    errno.EMFILE: "ulimit -n",
    errno.EFBIG: "ulimit -f",
    errno.ELOOP: "in a circle",
    errno.ENXIO: "remove it",
    errno.EBUSY: "same command again",
    errno.EREMOTEIO: "same command again",
    errno.ECONNRESET: "same command again",
    errno.ESHUTDOWN: "same command again",
    errno.EUCLEAN: "damaged",
}


@pytest.fixture
def told(monkeypatch, capsys):
    """Raise an error in a command, and return the sentence that it ends with."""

    def command(error, code=2):
        def run(_):
            raise error

        monkeypatch.setattr("headstart.commands.schema.run", run)
        assert cli.main(["schema"]) == code
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return command


@pytest.mark.parametrize("text", GPU)
def test_the_gpu(text, told):
    import torch

    kind = torch.OutOfMemoryError if text == FULL_GPU else RuntimeError
    sentence = told(kind(text))
    for words in GPU[text]:
        assert words in sentence
    assert "our mistake" not in sentence
    # another try would meet the same GPU
    assert not re.search(LACK, sentence)


def test_the_computers_memory(told):
    import torch

    for allocate in (lambda: torch.empty(10**14), lambda: np.empty(10**16)):
        with pytest.raises((RuntimeError, MemoryError)) as raised:
            allocate()
        sentence = told(raised.value)
        assert "too little memory" in sentence
        assert "mem_mb" in sentence
        assert re.search(LACK, sentence)
    assert "too little memory" in told(MemoryError())
    assert "too little memory" in told(RuntimeError("std::bad_alloc"))
    assert re.search(LACK, told(OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))))


def test_a_loader_process(told):
    killed = told(RuntimeError("DataLoader worker (pid 9) is killed by signal: Killed. "))
    assert "mem_mb" in killed
    assert re.search(LACK, killed)
    assert "mem_mb" in told(RuntimeError("DataLoader worker (pid(s) 9) exited unexpectedly"))
    full = "unable to write to file </torch_71_3>: No space left on device (28)"
    for error in (RuntimeError(full), OSError(errno.ENOSPC, "No space left on device")):
        assert "/dev/shm" in told(error)


NOT_WRITTEN = {
    "safetensors": SafetensorError(
        "Error while serializing: I/O error: No space left on device (os error 28)"
    ),
    "numpy": OSError("1000 requested and 12 written"),
    "torch": RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"),
    "torch's end": RuntimeError("[enforce fail at inline_container.cc:603] . unexpected pos 64"),
}


@pytest.mark.parametrize("library", NOT_WRITTEN)
def test_a_library_that_could_not_write(told, library):
    assert "free some space" in told(NOT_WRITTEN[library])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("can't start new thread"), "ask for more memory"),
        (BrokenProcessPool("A process in the process pool was terminated abruptly"), "mem_mb"),
        (RuntimeError("sitk::ERROR: Failed to allocate memory for image."), "mem_mb"),
        (ImportError("libcudart.so.12: cannot open shared object file: No such"), "environment"),
        (ImportError("/lib64/libstdc++.so.6: version `GLIBCXX_3.4.29' not found"), "environment"),
    ],
)
def test_what_a_computer_lacks(told, error, said):
    assert said in told(error)


@pytest.mark.parametrize("number", DISK)
def test_the_disk(number, told, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: -1)
    path = tmp_path / "runs" / "0123"
    sentence = told(OSError(number, os.strerror(number), str(path)))
    assert sentence.startswith(f"headstart: {path}: {os.strerror(number)}; ")
    assert DISK[number] in sentence
    assert ("space" in sentence) == (number in (errno.ENOSPC, errno.EDQUOT))


def test_what_one_owns_one_may_change(told, tmp_path):
    assert "chmod" in told(PermissionError(errno.EACCES, "Permission denied", str(tmp_path)))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_file_that_cant_be_written(number, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: -1)

    def fail(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match=f"table.csv: can't be written.*{DISK[number]}"):
        files.write_text(tmp_path / "table.csv", "text")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        SafetensorError("Error while deserializing header: header too large"),
        RuntimeError("CUDA error: device-side assert triggered"),
        ValueError("CUDA out of memory"),
        KeyError("memory"),
        OSError("no number"),
    ],
)
def test_our_mistakes_stay_ours(error, told):
    assert machine_errors.sentence(error) is None
    assert "our mistake, not yours" in told(error, code=1)


@pytest.fixture
def failing(monkeypatch):
    """Let a function fail as the computer does."""

    def let(name, error):
        def fail(*_, **__):
            raise error

        monkeypatch.setattr(name, fail)

    return let


REFUSALS = [
    *(OSError(n, os.strerror(n)) for n in (errno.EIO, errno.ENOSPC, errno.EACCES, errno.ESTALE)),
    MemoryError(),
    RuntimeError("can't start new thread"),
]
READ, JUDGE = "headstart.imaging.nifti._decompressed", "headstart.imaging.scan_check._problems"


@pytest.mark.parametrize(
    ("where", "error"), [*((READ, error) for error in REFUSALS), (JUDGE, MemoryError())]
)
def test_no_scan_is_rejected_for_what_the_computer_refuses(where, error, failing, tmp_path, capsys):
    scan, shard, checked = (tmp_path / name for name in ("a.nii.gz", "shard.csv", "checked.csv"))
    nib.save(nib.Nifti1Image(np.arange(720, dtype="i2").reshape(10, 9, 8), np.eye(4)), scan)
    write_rows(shard, ScanFiles, [ScanFiles("a", "1", {"T1": scan.name}, "", "")])
    settings = json.dumps({"masks": False, "classes": {}})
    command = [
        "check-scans",
        "--settings",
        settings,
        "--output",
        str(checked),
        "--scans",
        str(shard),
    ]
    failing(where, error)
    assert cli.main([*command, "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "our mistake" not in said
    assert isinstance(error, MemoryError | RuntimeError) or f"{scan}: {error.strerror}; " in said
    assert not checked.exists()


@pytest.mark.parametrize("error", REFUSALS)
def test_init_calls_no_scan_bad_for_what_the_computer_refuses(error, failing, tmp_path, capsys):
    (tmp_path / "scans").mkdir()
    for name in "abcdef":
        image = nib.Nifti1Image(np.arange(720, dtype="i2").reshape(10, 9, 8), np.eye(4))
        nib.save(image, tmp_path / "scans" / f"{name}.nii.gz")
    study = tmp_path / "study.yaml"
    failing("headstart.imaging.nifti._decompressed", error)
    assert cli.main(["init", str(tmp_path / "scans"), "--output", str(study)]) == 2
    assert machine_errors.sentence(error) in capsys.readouterr().err
    assert not study.exists()


@pytest.mark.parametrize("error", REFUSALS)
@pytest.mark.parametrize(
    ("name", "reader"), [("t.csv", "pathlib.Path.read_bytes"), ("t.xlsx", "pandas.ExcelFile")]
)
def test_a_table_is_not_to_be_saved_again_for_what_the_computer_refuses(
    name, reader, error, failing, tmp_path
):
    (tmp_path / name).write_bytes(b"")
    failing(reader, error)
    with pytest.raises(type(error)):
        read_sheet(tmp_path / name)


@pytest.mark.parametrize("error", REFUSALS)
def test_no_other_layout_is_proposed_for_what_the_computer_refuses(error, failing, tmp_path):
    (tmp_path / "dataset.json").write_text("{}")
    failing("pathlib.Path.read_text", error)
    with pytest.raises(type(error)):
        propose_decathlon(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ELOOP, errno.ENAMETOOLONG])
def test_a_path_that_leads_nowhere_is_no_fault_of_the_computer(number):
    assert not machine_errors.is_of_machine(OSError(number, os.strerror(number)))


def test_the_sentence_is_the_last_line():
    """A library that is torn down has words of its own."""
    script = (
        "import sys; from headstart import cli; from headstart.commands import schema\n"
        "class Loader:\n"
        "    def __init__(self): raise OSError(28, 'No space left on device')\n"
        "    def __del__(self): self.missing\n"
        "schema.run = lambda _: Loader()\n"
        "sys.exit(cli.main(['schema']))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 2
    assert "AttributeError" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("headstart: No space left")
