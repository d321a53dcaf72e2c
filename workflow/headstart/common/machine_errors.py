"""What a computer refuses, in one sentence: which part of it, and what to do about it.

Disks, memory and GPUs fail where nobody made a mistake, in types of error that say little. They
are recognised here, in one place, by number or by the words of torch and CUDA, without either.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from headstart.common import machine_words

# Words of errors that have no type of their own; the first that is found counts.
PATTERNS = {
    # also CUDA's own, which torch does not count as its OutOfMemoryError
    "gpu-memory": r"CUDA (error: )?out of memory|CUBLAS_STATUS_ALLOC_FAILED",
    "gpu-setup": (
        r"CUDNN_STATUS_\w*(NOT_INITIALIZED|ALLOC_FAILED|INTERNAL_ERROR)|CUBLAS_STATUS_NOT_INIT"
    ),
    "gpu-old": (
        r"no kernel image is available|invalid device function|"
        r"not compatible with the current PyTorch"
    ),
    "gpu-driver": r"CUDA driver version is insufficient|NVIDIA driver on your system is too old",
    "gpu-busy": r"busy or unavailable|No CUDA GPUs are available|invalid device ordinal",
    "gpu-failed": (
        r"uncorrectable ECC|GPU is lost|unspecified launch failure|hardware stack error|"
        r"fallen off the bus|system not yet initialized|CUDA unknown error|NVML_SUCCESS|"
        r"illegal memory access|misaligned address|launch timed out"
    ),
    "gpu-libraries": r"CUDNN_STATUS_\w+|CUBLAS_STATUS_\w+|CUFFT_\w+",
    "shared-memory": r"shared memory|/torch_\d+|Bus error",
    "loader": r"DataLoader worker .*(is killed|exited unexpectedly)",
    "memory": (
        r"DefaultCPUAllocator|can't allocate memory|bad_alloc|[Cc]annot allocate memory|"
        r"Failed to allocate memory"
    ),
    "pool": r"process pool was terminated abruptly",
    "threads": r"can't start new thread",
    "half-written": (
        r"\d+ requested and \d+ written|PytorchStreamWriter failed|"
        r"unexpected pos \d+|iostream error"
    ),
    "library": r"cannot open shared object file|version `(GLIBC|CXXABI)\w*",
}
LONGEST = 200  # characters of an error's own words
# What is wrong with one path, whichever computer looks at it.
OF_A_PATH = {
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
    *(errno.ENXIO, errno.ENODEV),
}


def sentence(error: BaseException) -> str | None:
    """Say which part of the computer failed, and what to do.

    Args:
        error: What was raised.

    Returns:
        One sentence with the error's own words; None if it is no error of the machine.
    """
    if isinstance(error, MemoryError):
        what, advised = machine_words.TEXTS["memory"]
        return f"{what} (MemoryError{_colon(error)}); {advised}"
    if isinstance(error, OSError) and error.errno is not None:
        return _disk(error)
    if (number := _number_in_words(error)) is not None:
        known = machine_words.ADVICE.get(number)
        return known and f"{_short(str(error))}; {known}"
    if (kind := _kind(error)) is None:
        return None
    what, advised = machine_words.TEXTS[kind]
    return f"{what} ({_short(str(error))}); {advised}"


def is_of_machine(error: BaseException) -> bool:
    """Tell whether an error says nothing about the file that was read.

    A scan that could not be read because memory, a disk or a right was lacking is no bad scan: to
    go on without it would make another study of it.

    Args:
        error: What was raised.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno not in OF_A_PATH
    return (
        isinstance(error, MemoryError)
        or _number_in_words(error) is not None
        or _kind(error) is not None
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether memory was lacking, the computer's or the GPU's."""
    return isinstance(error, MemoryError) or _kind(error) in ("gpu-memory", "memory")


def advice(error: OSError, path: Path) -> str | None:
    """Say what to do about an error of the operating system.

    Args:
        error: The error.
        path: What it happened to.

    Returns:
        A clause; None for an error that nobody expects of a disk.
    """
    if error.errno in (errno.EACCES, errno.EPERM):
        return _permission(path)
    return machine_words.ADVICE.get(error.errno or 0)


def _number_in_words(error: BaseException) -> int | None:
    """Read the system's number from safetensors: it is written in Rust, with one type for all."""
    if type(error).__name__ != "SafetensorError":
        return None
    found = re.search(r"os error (\d+)", str(error))
    return found and int(found[1])


def _kind(error: BaseException) -> str | None:
    if not isinstance(error, RuntimeError | OSError | ImportError):
        return None
    said = str(error)
    return next((kind for kind, words in PATTERNS.items() if re.search(words, said)), None)


def _disk(error: OSError) -> str | None:
    if error.filename is None:
        # what has no name is written to by a library: to temporary files, or between processes
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"{error.strerror}: {machine_words.TEMPORARY}"
        found = machine_words.ADVICE.get(error.errno or 0)
        return found and f"{error.strerror}; {found}"
    path = Path(os.fsdecode(error.filename))
    found = advice(error, path)
    return found and f"{path}: {error.strerror}; {found}"


def _permission(path: Path) -> str:
    """Say whose a path is, or the lowest of its folders that is there to be asked."""
    for folder in (path, *path.absolute().parents):
        try:
            owner = folder.stat().st_uid
        except OSError:
            continue
        template = machine_words.OWN if owner == os.geteuid() else machine_words.OF_ANOTHER
        return template.format(folder=folder)
    return machine_words.OF_NOBODY


def _short(text: str) -> str:
    """Keep the first sentences of an error: what was tried, and what there is."""
    line = " ".join(text.split("Including non-PyTorch")[0].split()).rstrip(".")
    return line if len(line) <= LONGEST else f"{line[:LONGEST].rsplit(' ', 1)[0]} …"


def _colon(error: BaseException) -> str:
    return f": {_short(str(error))}" if str(error) else ""
