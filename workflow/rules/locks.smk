# At its end, Snakemake takes away the locks of all runs, those that go on too; and of two runs that
# end in the same moment, one fails on the way. Here a run takes away its own; `--unlock` still takes
# all.

from pathlib import Path

from snakemake.persistence.file import FilePersistence


def unlock(persistence):
    """Take away the locks that this run has written."""
    for lock in persistence._lockfile.values():
        Path(lock).unlink(missing_ok=True)


FilePersistence.unlock = unlock
FilePersistence.cleanup_locks = FilePersistence._delete_locks
