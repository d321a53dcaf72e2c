"""How many threads the libraries may start: as many as a stage was given, never one per core."""

from __future__ import annotations

import os

# Read by a library when it is loaded, or when it starts its first threads. Without them a pool has
# as many threads as the machine has cores, whose address space counts against a cluster's limit.
POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)


def limit_pools() -> None:
    """Give the pools that have no size yet the one of OpenMP's, or one thread.

    Snakemake sets OpenMP's to the threads of a rule. To be called before numpy is imported.
    """
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    for pool in POOLS:
        os.environ.setdefault(pool, threads)
