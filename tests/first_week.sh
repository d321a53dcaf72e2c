#!/usr/bin/env bash
# This script is the page config/first-week.md: its comments are the words, its commands the
# commands. tests/pages.py makes the page of it; tests/workflow/test_readme.py and
# tests/cluster/test_first_week.py run it and fail where the page says anything else.
#
#   #@ laptop       what follows runs in CI, on a study that is cut small
#   #@ cluster      what follows runs on the Grid Engine of `make test-cluster`
#   #@ by hand      what follows is run by no test; the page says why
#   #+ COMMAND      for the tests alone; not on the page
#   #@ page         here the page begins
#@ page
# # Your first week
#
# From a laptop to a network trained on the cluster. Type along with the demo's scans, or put your
# own folder in the place of `data/demo/subjects` and your own label in the place of `age`. Every
# command was run: this page is the script `tests/first_week.sh`.
#
# ## 1. A dry run on your laptop
#
# Before: `make demo` in the project's folder (README.md). Then let headstart look at the scans and
# write a study, `config/first.yaml`. Each choice in it has its reason beside it; it is yours to edit.
#@ laptop
source .venv/bin/activate
headstart init data/demo/subjects --target age --name first
#+ python tests/cut.py config/first.yaml
snakemake -n --configfile config/first.yaml
# `-n` ends with a plan of what would run, and runs nothing. Then the cohort and its figures alone,
# which takes minutes: every scan is read to its last byte, the subjects are divided, the volumes
# prepared, compared with each other, and drawn.
snakemake --cores 2 cohort first/figures/cohort/manifest.json --configfile config/first.yaml
headstart status first
# Look at `results/first/figures/cohort/*.pdf`: who was rejected and why, the split, a small
# picture of every scan. Before you queue a training of hours, try it on 8 subjects for 2 epochs;
# what it trains is thrown away:
headstart try first
#
# ## 2. Onto the cluster
#
# On its login node, once. This puts about 9 GB into your group's store, which is why no test runs it;
# the home folder would be too small.
#@ by hand
git clone https://your.server/headstart.git && cd headstart
make cluster-env PREFIX=/SAN/your-project/headstart
# Copy your scans there, and `config/first.yaml` with `root:` set to their folder. Then ask whether
# this cluster would take what headstart will request:
#@ cluster
source .venv/bin/activate
headstart doctor --profile sge
# UCL Computer Science is the default; for other clusters see [profiles/sge](../profiles/sge/README.md).
#
# ## 3. A look from a compute node
#
# `qrsh` with a command runs it on a node, without one it gives a shell there. A node should
# see what the login node sees; find out now if it doesn't, not by a job that fails at night.
qrsh -cwd -V -l tmem=2G,h_vmem=2G,h_rt=0:10:0 headstart doctor
#
# ## 4. Submit
#
# The main process runs as long as the study does. Here it is put into the background; for days, use
# `profiles/sge/head.sh --configfile config/first.yaml`, which makes it a job of its own.
snakemake --profile sge --configfile config/first.yaml > first.log 2>&1 &
#+ wait_for_second_epoch
#
# ## 5. Watch
#
# A table of every training: queued, running (which epoch, how many minutes left), finished or dead,
# why, and what to type next.
headstart status first
qstat
#
# ## 6. Killed, and resumed
#
# A login node is rebooted, a limit runs out. Let it happen: kill the main process and delete its
# jobs. Then unlock the folder and type the same again. What is done stays done, and a training goes on
# from its last checkpoint to the bit-identical weights that it would have had.
kill -9 %1
qdel 'hs.*'
#+ wait_for_empty_queue
headstart status first
snakemake --unlock --configfile config/first.yaml
snakemake --profile sge --configfile config/first.yaml
headstart status first
#
# ## 7. The curves, home
#
# On your laptop: fill in `config/pull.yaml` once, then `headstart pull` asks for each password once
# and brings what is new, while the training runs too (`--watch 60`). The plain `ssh` line that
# does the same by hand:
#@ laptop
#+ sed -i 's/^user:.*/user: ada/; s/^folder:.*/folder: headstart\/results/' config/pull.yaml
headstart pull --print
# The figures are in `results/pulled`. Where the results are, the curves show in the terminal as well:
#+ snakemake --cores 2 --configfile config/first.yaml
headstart plot first/age
# After `pip install tensorboard`, new trainings are followed in a browser, too:
# `tensorboard --logdir results/first/train`.
#
# ## 8. A second experiment
#
# From here on: wherever the results are; on the cluster `--profile sge` in the place of `--cores 2`.
# An experiment that is like another one, but for one key. Only what is new runs; then both curves,
# overlaid:
headstart vary first/age --set train.learning_rate=3e-4
snakemake -n --configfile config/first.yaml
snakemake --cores 2 --configfile config/first.yaml
headstart plot first/age first/age-learning-rate-3e-4
# Choose between experiments by the learning curves and by cross-validation (`folds: all`). The
# subjects held out for the test are opened once, at the end, by `final: age`.
#
# ## 9. Predict new scans
#
# Scans from outside the cohort, checked and prepared as it was; an experiment with several networks
# gives their mean. `--scans` takes files or folders; where the network sees several channels it takes
# one table (.csv) instead, with a column of paths for each. The column `warning` says which scans are
# unlike those that the network learnt from, and which are these, as some are here. A scan that can't
# be used gets its reason in the table, and the command then ends with an error.
headstart predict first/age --scans data/demo/subjects/Sub_11?/ses-1/T1.nii.gz --output new.csv
cat new.csv
#
# A new scanner moves predicted numbers. Where the number is known of some people who were scanned
# there, `headstart calibrate first/age --controls local.csv --output scanner.json` fits the offset
# and, of 20 people or more over half the range of the training targets, the slope. `local.csv` is a
# table as for `--scans` with a column `age`, or one that predict wrote. It says how many controls an
# offset to one year takes. `headstart predict … --calibration scanner.json` then adds the column
# `calibrated` beside the raw number. `calibrated_low` and `calibrated_high` are the interval (95 %)
# of the calibration, of the mean of many people of that prediction, not one person's range: how far
# single people lie from their prediction is the standard deviation that `calibrate` says.
#
# ## 10. The methods section
#
# Counts, exclusions, split, preparation, network, schedule, results with intervals, versions, and
# whom to cite: all of it read from the study's own files. `results/first/report.html`
# has it too, to take along as Markdown and BibTeX.
headstart methods first
