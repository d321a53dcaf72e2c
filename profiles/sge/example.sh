#!/bin/bash
# One training on one GPU of UCL's CS cluster, without Snakemake: a job script to copy and change.
# It submits itself again until the training has reached its last epoch.
#
#   Before: snakemake --profile sge cohort              (label, check, split and prepare)
#           snakemake --profile sge -n -p               (prints the command for the end of this file)
#   Then:   qsub profiles/sge/example.sh                from the project's folder
#   Look:   qstat     qstat -j ID     tail -f example.ID.log     qdel ID stops it for good
#
# To try things by hand first, ask for a shell on a node:
#   qrsh -l tmem=14G,h_rt=0:30:0,gpu=true
# The request that is handed around, qrsh -l tmem=4G,gpu=true,h_rt=0:30:0 -pe gpu 2, gives two GPUs
# and 8 GB: `-pe gpu 2` are two slots, and memory is counted per slot, 2 x 4 GB. A training on one
# GPU leaves the second one idle. One GPU is gpu=true without -pe.
#
# Lines that begin with #$ are words for qsub.
#
# The shell that runs this file.
#$ -S /bin/bash
# Start in the folder from which it was submitted.
#$ -cwd
# Errors and other output into one file, of this name.
#$ -j y
#$ -o example.$JOB_ID.log
#$ -N example
# Wall-clock limit, hours:minutes:seconds. Short jobs find a place sooner.
#$ -l h_rt=4:0:0
# Main memory. No h_vmem: CUDA maps more address space than there is memory, and would be killed.
#$ -l tmem=14G
# One GPU. The cluster sets CUDA_VISIBLE_DEVICES; nothing else may.
#$ -l gpu=true
# No GPU that torch's wheels have no code for (compute capability below 7.5).
#$ -l gpu_type=!(gtx1080ti|titanx|p100|v100)
# If the node crashes, start again on another one.
#$ -r y
# Send the signal USR2 a minute before a kill. bash and Python would die of it: see `trap` below.
#$ -notify
# Refuse at once what no queue could ever run, instead of waiting for ever.
#$ -w e

# Stop at the first error, also within a pipe.
set -eo pipefail
trap '' USR1 USR2

# The environment that `make cluster-env` built.
source .venv/bin/activate

# What the job got: if something is wrong, this is the first line to look at.
echo "$JOB_ID on $(hostname): $(nvidia-smi --query-gpu=name,compute_cap --format=csv,noheader)"

# A training without a GPU stops with the reason, rather than run on the CPU in silence.
export HEADSTART_DEVICE=cuda
# When to stop: ten minutes before the limit above (4 h). Between two epochs the training looks at
# the clock, leaves the file HEADSTART_OUT_OF_TIME behind, and ends with an error.
export HEADSTART_DEADLINE=$(($(date +%s) + 4 * 3600 - 600))
export HEADSTART_OUT_OF_TIME=$PWD/example.$JOB_ID.out-of-time

# The training, as `snakemake -n -p` prints it, without `2> …`. It goes on from the newest
# checkpoint of its run store, and ends with the very numbers of a training in one piece.
code=0
headstart train "$@" || code=$?

# Out of time: 99 asks Grid Engine to put this same job back into its queue.
if [ -e "$HEADSTART_OUT_OF_TIME" ]; then
  rm "$HEADSTART_OUT_OF_TIME"
  exit 99
fi
exit $code
