#!/bin/bash
# make cluster-env PREFIX=/SAN/…: everything that headstart runs on, in PREFIX, without conda or root.
#
# For a login node. Nothing goes into the home folder, which is small: neither packages, nor caches,
# nor temporary files. torch comes with CUDA, whether or not this machine has a GPU: its plain wheel
# is the CUDA build, and envs/cuda.txt pins the libraries that it brings.
# PYTHON names a Python of at least 3.11; at UCL CS:
#   source /share/apps/source_files/python/python-3.11.9.source
set -euo pipefail
prefix=${1:-}
python=${PYTHON:-python3}
lock=envs/cuda.txt
# Measured with CUDA's libraries: GB, thousands of files, and GB while pip unpacks
need=6 files=46 peak=9

fail() { echo "cluster-env: $*" >&2; exit 2; }
[ -n "$prefix" ] || fail "say where: make cluster-env PREFIX=/SAN/your-project/headstart"
[ -L .venv ] || [ ! -e .venv ] || fail ".venv is here already, as a folder; remove it first: rm -r .venv"
[ -e "$lock" ] || fail "no $lock; run this in the project's folder"
command -v "$python" >/dev/null || fail "no $python; load the site's Python 3.11 or later, or say PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$python is $("$python" -V), but 3.11 or later is needed; load the site's newer one"
mkdir -p "$prefix" || fail "$prefix can't be made; name a folder of your project's store"
prefix=$(realpath "$prefix")
free=$(df -Pk "$prefix" | awk 'NR == 2 {print int($4 / 1048576)}')
echo "This puts about $need GB in $files,000 files into $prefix, where $free GB are free."
echo "While it works it needs $peak GB. A store's quota counts files as well as bytes."
[ "$free" -ge "$peak" ] || fail "too little room: $peak GB are needed for a while"

export PIP_NO_CACHE_DIR=1 TMPDIR=$prefix/tmp
mkdir -p "$TMPDIR"
"$python" -m venv "$prefix/venv"
"$prefix/venv/bin/pip" install --disable-pip-version-check -r "$lock"
"$prefix/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r envs/weights.txt
"$prefix/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --editable .
# torch and matplotlib keep caches too: for whoever activates this environment, they lie here
# Snakemake loads numpy, which would start a thread per core of the login node.
cat >>"$prefix/venv/bin/activate" <<X

export OPENBLAS_NUM_THREADS=\${OPENBLAS_NUM_THREADS:-1}
export TORCH_HOME=$(printf %q "$prefix/cache/torch") MPLCONFIGDIR=$(printf %q "$prefix/cache/matplotlib")
X
rm -rf "$TMPDIR"
ln -sfn "$prefix/venv" .venv
touch .venv/python .venv/run # so that make knows: nothing is left to do
echo "Done: $(du -sh "$prefix" | cut -f 1) in $(find "$prefix" | wc -l) files. Now: source .venv/bin/activate"
