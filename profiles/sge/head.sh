#!/bin/bash
# profiles/sge/head.sh [TARGET…] [OPTION…]   (those of snakemake; from the project's folder, on a login node)
#
# Snakemake's main process as a job of its own: a login node is no place for it. It is stopped
# before its time limit and goes on in its next turn; the jobs it started run on meanwhile, and it
# takes them back. `qdel` stops it, the same call starts it again. What it needs of the internet
# must be there before: compute nodes don't download.
set -euo pipefail

if [ "${1:-}" != --here ]; then
  snakemake=$(command -v snakemake) || { echo "head.sh: no snakemake; activate its environment" >&2; exit 2; }
  script=$(mktemp)
  trap 'rm "$script"' EXIT
  cat >"$script" <<X
#!/bin/sh
# properties = {"rule": "head", "wildcards": {"targets": "${*//[^A-Za-z0-9._-]/_}"}, "output": [], "threads": 1, "resources": {"mem_mb": ${HEADSTART_HEAD_MB:-4000}, "runtime": ${HEADSTART_HEAD_MINUTES:-2880}}}
export PATH=$(printf %q "${snakemake%/*}:$PATH") HEADSTART_HEAD_JOB=1
export HEADSTART_SITE=$(printf %q "${HEADSTART_SITE:-ucl-cs}") HEADSTART_MAIL=$(printf %q "${HEADSTART_MAIL:-}")
$(printf '%q ' "$(realpath "$0")" --here "$@")
X
  job=$("$(dirname "$0")/bin/sge-submit" "$script")
  echo "Snakemake runs as job $job. Follow it: tail -f $PWD/.snakemake/sge/jobs/$job.log"
  exit
fi

# From here on: the job.
shift
unfinished=.snakemake/sge/unfinished-head-$(md5sum <<<"$*" | cut -c1-8)

run() {
  snakemake --profile sge "$@" &
  local main=$!
  while kill -0 $main 2>/dev/null; do
    if [ "$(date +%s)" -ge "$HEADSTART_DEADLINE" ]; then
      # SIGKILL, because any politer signal would make Snakemake cancel its jobs
      kill -KILL $main
      touch "$HEADSTART_OUT_OF_TIME"
      exit 1
    fi
    sleep 2
  done
  wait $main || { rm "$unfinished"; exit 1; }
}

# a head that was killed could not take its lock away
[ ! -e "$unfinished" ] || snakemake --profile sge --unlock "$@"
touch "$unfinished"
# The cohort by itself: Snakemake locks all files that a run makes until that run ends, and a second
# experiment, which reads the cohort, could not start while the first one trains.
targets=()
while [ -n "${1:-}" ] && [[ $1 != -* ]]; do
  targets+=("$1")
  shift
done
run cohort "$@"
run "${targets[@]}" "$@"
rm "$unfinished"
