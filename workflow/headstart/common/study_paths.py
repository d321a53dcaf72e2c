"""Where a study has its files: the one place that spells their paths, as `run_id` does a run's.

The paths start at the study's folder in the results root; fields in braces tell files of a kind
apart.
"""

from __future__ import annotations

CONFIG = "config.json"  # the complete config of the last run
STORY = "methods.rst"
REPORT = "report.html"
METHODS = "methods.md"
REFERENCES = "references.bib"
BROUGHT = "manifest.json"  # the report's files, which `headstart pull` brings home
SNAKEMAKE_REPORT = "snakemake-report.html"
STORE = "runs"  # the run store
LABELS = "label/labels.csv"
UNLABELLED = "label/rejected.csv"
RAW_FILES = "label/files"
READ = "check/shards/{shard}.csv"
PASSED = "check/passed.csv"
REJECTED = "check/rejected.csv"
SUMMARY = "check/summary.csv"
SPLITS = "split/splits.csv"
BALANCE = "split/balance.csv"
AUDIT = "split/audit.json"
PREPARED = "prepare"
SHARD = "prepare/shard-{shard}.json"
MASKS = "prepare/masks.csv"
STEPS = "prepare/steps.csv"
PAIRS = "near-duplicates/pairs.csv"
SIMILARITY = "near-duplicates/similarity.csv"
PICTURES = "near-duplicates/pictures.npy"
RATES = "near-duplicates/rates.json"
METRICS = "evaluate/{experiment}/metrics.csv"
COMPARISON = "evaluate/{experiment}/comparison.csv"
EVALUATED_ANSWERS = "evaluate/{experiment}/answers.csv"
EXPERIMENTS = "evaluate/experiments.csv"
OPENINGS = "test-openings.csv"  # no rule's output: nothing takes a row away from it
ANSWERS = "new-scans/{name}/answers.csv"
EXPLAINED = "explain/{experiment}/cases.csv"
EXPLAINED_MEANS = "explain/{experiment}/groups.csv"
INJECTED = "inject/{experiment}/responses.csv"
CONTROLS = "figures/{experiment}/controls.csv"
FIGURE = "figures/{folder}/{figure}"
