"""What people are told of what a computer refuses: nothing but words, which change no result."""

from __future__ import annotations

import errno

AGAIN = "try the same command again; if it stays, ask the administrators"
SPACE = "free some space, or set `results` to another disk"
MORE_MEMORY = (
    "ask for more memory, on a cluster with --set-resources RULE:mem_mb=…, or lower "
    "train.batch_size or prepare.window, raise prepare.voxel_size, or learn a segmentation from "
    "patches (train.sampling)"
)
SMALLER = (
    "lower train.batch_size or prepare.window, raise prepare.voxel_size, learn a segmentation from "
    "patches (train.sampling), or use a GPU with more memory (on a cluster: --set-resources "
    "train:gpu_type=…)"
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

# What happened, and what to do about it, where an error has no type of its own.
TEXTS = {
    "gpu-memory": (
        "the GPU's memory is full",
        SMALLER,
    ),
    "gpu-setup": (
        "the GPU can't be set up: its memory is full, or its driver does not fit this torch",
        f"{SMALLER}; `headstart doctor` says what the driver is",
    ),
    "gpu-old": (
        "this GPU is too old for this torch, which has no code for it",
        f"{OTHER_GPU}; `headstart doctor` says which fit",
    ),
    "gpu-driver": (
        "the GPU's driver is too old for this torch",
        f"{OTHER_GPU}, or have the driver renewed; `headstart doctor` says which it needs",
    ),
    "gpu-busy": (
        "the GPU is not to be had: another process uses it, or none is given to this job",
        "wait, or ask for one (on a cluster the profile does); `nvidia-smi` shows who uses them",
    ),
    "gpu-failed": (
        "the GPU or its driver failed",
        f"start it again, it goes on where it was; if it stays, {OTHER_GPU}",
    ),
    "gpu-libraries": (
        "the GPU's libraries failed, as they do when its memory is nearly full",
        SMALLER,
    ),
    "shared-memory": (
        "the shared memory that loader processes use, /dev/shm, is full",
        "use fewer `--workers`, or 0",
    ),
    "loader": (
        "a process that loads scans was killed, most often for lack of memory",
        f"start it again, it goes on where it was; if it stays, {MORE_MEMORY}",
    ),
    "memory": (
        "the computer has too little memory",
        MORE_MEMORY,
    ),
    "pool": (
        "a process was killed, most often for lack of memory",
        f"start it again, it goes on where it was; if it stays, {MORE_MEMORY}",
    ),
    "threads": (
        "no more threads can be started: you have too many processes, or too little memory is left",
        "end some (`ps -u $USER` lists them), or ask for more memory",
    ),
    "half-written": (
        "a file could not be written to its end, most often because the disk is full",
        SPACE,
    ),
    "library": (
        "a library that a package needs is missing on this computer, or too old",
        "make the environment again here, as README.md says",
    ),
}
TEMPORARY = (
    "a folder for temporary files is full: TMPDIR, or, for the processes of `--workers`, /dev/shm; "
    "free some space there"
)
# What to do about a lack of rights, by whose a folder is.
OWN = "you own {folder}: give yourself the right with `chmod -R u+rwX`"
OF_ANOTHER = "{folder} is another user's: ask for the right, or set `results` to a folder of yours"
OF_NOBODY = "ask its owner for the right"
