"""What a computer refuses, in one sentence: which part of it, and what to do about it.

Disks, memory and GPUs fail where nobody made a mistake, in types of error that say little. They
are recognised here, in one place, by number or by the words of torch and CUDA, without either.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

AGAIN = "try the same command again; if it stays, ask the administrators"
SPACE = "free some space, or set `results` to another disk"
MORE_MEMORY = (
    "ask for more memory, on a cluster with --set-resources RULE:mem_mb=…, or lower "
    "train.batch_size or prepare.window, or raise prepare.voxel_size"
)
SMALLER = (
    "lower train.batch_size or prepare.window, raise prepare.voxel_size, or use a GPU with more "
    "memory (on a cluster: --set-resources train:gpu_type=…)"
)
OTHER_GPU = "use another GPU (on a cluster: --set-resources train:gpu_type=…)"

# What to do about an error of the operating system.
ADVICE = {
    errno.ENOSPC: SPACE,
    errno.EDQUOT: f"your quota is used up: {SPACE}",
    errno.EROFS: "this disk can only be read: set `results` to another one",
    errno.EIO: f"the disk or its server failed: {AGAIN}",
    errno.ESTALE: f"the file server has lost it: {AGAIN}",
    errno.ETIMEDOUT: f"the file server does not answer: {AGAIN}",
    errno.ENOTCONN: f"the folder is no longer mounted: {AGAIN}",
    errno.EHOSTDOWN: f"the file server does not answer: {AGAIN}",
    errno.ENOENT: "it was expected here; if the path is right, run the stage that makes it again",
    errno.ENOTDIR: "a part of this path is a file; remove it, or name another folder",
    errno.EISDIR: "this is a folder where a file was expected",
    errno.EEXIST: "something of this name is in the way; remove it",
    errno.ENAMETOOLONG: "this disk allows no name as long as this; shorten it",
    errno.EMFILE: "too many files are open: raise the limit with `ulimit -n`",
    errno.ENFILE: f"the computer has too many files open: {AGAIN}",
    errno.EAGAIN: f"no process can be started: {AGAIN}",
    errno.ENOMEM: f"the computer has no memory left (Cannot allocate memory): {MORE_MEMORY}",
    errno.EFBIG: "no file may be as large here; see `ulimit -f`, or set `results` elsewhere",
    errno.ELOOP: "links lead in a circle here; remove one of them",
    errno.ENXIO: "this is no file that can be read or written; remove it",
    errno.ENODEV: "this is no file that can be read or written; remove it",
    errno.EBUSY: f"something else uses it: {AGAIN}",
    errno.ECONNRESET: f"the server broke the connection off: {AGAIN}",
    errno.ECONNABORTED: f"the server broke the connection off: {AGAIN}",
    errno.ESHUTDOWN: f"the file server does not answer: {AGAIN}",
    errno.EPROTO: f"the file server failed: {AGAIN}",
    errno.EBADMSG: f"the disk or its server failed: {AGAIN}",
    errno.ENOLCK: "this file system gives no locks; set `results` to another one",
}
# Numbers that only Linux has.
ADVICE |= {
    getattr(errno, name): f"{what}: {AGAIN}"
    for name, what in (
        ("EREMOTEIO", "the file server failed"),
        ("EUCLEAN", "the file system is damaged"),
    )
    if hasattr(errno, name)
}

# Words of errors that have no type of their own, what happened, and what to do about it.
TEXTS = (
    # also CUDA's own, which torch does not count as its OutOfMemoryError
    (
        r"CUDA (error: )?out of memory|CUBLAS_STATUS_ALLOC_FAILED",
        "the GPU's memory is full",
        SMALLER,
    ),
    (
        r"CUDNN_STATUS_\w*(NOT_INITIALIZED|ALLOC_FAILED|INTERNAL_ERROR)|CUBLAS_STATUS_NOT_INIT",
        "the GPU can't be set up: its memory is full, or its driver does not fit this torch",
        f"{SMALLER}; `headstart doctor` says what the driver is",
    ),
    (
        r"no kernel image is available|invalid device function|"
        r"not compatible with the current PyTorch",
        "this GPU is too old for this torch, which has no code for it",
        f"{OTHER_GPU}; `headstart doctor` says which fit",
    ),
    (
        r"CUDA driver version is insufficient|NVIDIA driver on your system is too old",
        "the GPU's driver is too old for this torch",
        f"{OTHER_GPU}, or have the driver renewed; `headstart doctor` says which it needs",
    ),
    (
        r"busy or unavailable|No CUDA GPUs are available|invalid device ordinal",
        "the GPU is not to be had: another process uses it, or none is given to this job",
        "wait, or ask for one (on a cluster the profile does); `nvidia-smi` shows who uses them",
    ),
    (
        r"uncorrectable ECC|GPU is lost|unspecified launch failure|hardware stack error|"
        r"fallen off the bus|system not yet initialized|CUDA unknown error|NVML_SUCCESS|"
        r"illegal memory access|misaligned address|launch timed out",
        "the GPU or its driver failed",
        f"start it again, it goes on where it was; if it stays, {OTHER_GPU}",
    ),
    (
        r"CUDNN_STATUS_\w+|CUBLAS_STATUS_\w+|CUFFT_\w+",
        "the GPU's libraries failed, as they do when its memory is nearly full",
        SMALLER,
    ),
    (
        r"shared memory|/torch_\d+|Bus error",
        "the shared memory that loader processes use, /dev/shm, is full",
        "use fewer `--workers`, or 0",
    ),
    (
        r"DataLoader worker .*(is killed|exited unexpectedly)",
        "a process that loads scans was killed, most often for lack of memory",
        f"start it again, it goes on where it was; if it stays, {MORE_MEMORY}",
    ),
    (
        r"DefaultCPUAllocator|can't allocate memory|bad_alloc|[Cc]annot allocate memory|"
        r"Failed to allocate memory",
        "the computer has too little memory",
        MORE_MEMORY,
    ),
    (
        r"process pool was terminated abruptly",
        "a process was killed, most often for lack of memory",
        f"start it again, it goes on where it was; if it stays, {MORE_MEMORY}",
    ),
    (
        r"can't start new thread",
        "no more threads can be started: you have too many processes, or too little memory is left",
        "end some (`ps -u $USER` lists them), or ask for more memory",
    ),
    (
        r"\d+ requested and \d+ written|PytorchStreamWriter failed|"
        r"unexpected pos \d+|iostream error",
        "a file could not be written to its end, most often because the disk is full",
        SPACE,
    ),
    (
        r"cannot open shared object file|version `(GLIBC|CXXABI)\w*",
        "a library that a package needs is missing on this computer, or too old",
        "make the environment again here, as README.md says",
    ),
)
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
        return f"the computer has too little memory (MemoryError{_colon(error)}); {MORE_MEMORY}"
    if isinstance(error, OSError) and error.errno is not None:
        return _disk(error)
    said = str(error)
    # safetensors is written in Rust, and has one type for all errors
    if type(error).__name__ == "SafetensorError" and (found := re.search(r"os error (\d+)", said)):
        advised = ADVICE.get(int(found[1]))
        return advised and f"{_short(said)}; {advised}"
    if isinstance(error, RuntimeError | OSError | ImportError):
        for words, what, advice in TEXTS:
            if re.search(words, said):
                return f"{what} ({_short(said)}); {advice}"
    return None


def is_of_machine(error: BaseException) -> bool:
    """Tell whether an error says nothing about the file that was read.

    A scan that could not be read because memory, a disk or a right was lacking is no bad scan: to
    go on without it would make another study of it.

    Args:
        error: What was raised.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno not in OF_A_PATH
    return sentence(error) is not None


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
    return ADVICE.get(error.errno or 0)


def _disk(error: OSError) -> str | None:
    if error.filename is None:
        # what has no name is written to by a library: to temporary files, or between processes
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return (
                f"{error.strerror}: a folder for temporary files is full: TMPDIR, or, for the "
                "processes of `--workers`, /dev/shm; free some space there"
            )
        found = ADVICE.get(error.errno or 0)
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
        if owner == os.geteuid():
            return f"you own {folder}: give yourself the right with `chmod -R u+rwX`"
        return (
            f"{folder} is another user's: ask for the right, or set `results` to a folder of yours"
        )
    return "ask its owner for the right"


def _short(text: str) -> str:
    """Keep the first sentences of an error: what was tried, and what there is."""
    line = " ".join(text.split("Including non-PyTorch")[0].split()).rstrip(".")
    return line if len(line) <= LONGEST else f"{line[:LONGEST].rsplit(' ', 1)[0]} …"


def _colon(error: BaseException) -> str:
    return f": {_short(str(error))}" if str(error) else ""
