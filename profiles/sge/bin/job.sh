# shellcheck shell=bash disable=SC2154
# The job as Grid Engine sees it. sge-submit puts before this the values of jobs, name, seconds,
# cards, beat, margin, logs, scratch_folder (empty: none asked for), and the functions `before` (the
# site's words) and `work` (Snakemake's command for this one job).
job=$jobs/$JOB_ID # what the job says of itself; sge-status reads it
say() { echo "$*" >>"$job"; }

host=$(hostname)
printf -v started '%(%s)T'
say "started $started $host"
before
card='no card asked for'
if [ "$cards" -gt 0 ]; then
  card=$(nvidia-smi ${CUDA_VISIBLE_DEVICES:+-i "$CUDA_VISIBLE_DEVICES"} \
    --query-gpu=name,compute_cap --format=csv,noheader 2>/dev/null | paste -sd ';')
  card=${card:-no card to be seen by nvidia-smi}
  # the stages then fail rather than compute on the CPU in silence
  export HEADSTART_DEVICE=${HEADSTART_DEVICE:-cuda}
fi
echo "$name, job $JOB_ID on $host: $card"

# For stages that can stop and go on: when to stop (Unix time), and the file to leave behind.
margin=$((seconds * 3 / 4 < margin ? seconds * 3 / 4 : margin))
export HEADSTART_DEADLINE=$((started + seconds - margin))
export HEADSTART_OUT_OF_TIME=$job.out-of-time
rm -f "$HEADSTART_OUT_OF_TIME"

end() {
  kill "$heart" 2>/dev/null
  [ -z "$scratch_folder" ] || rm -rf "$scratch_folder"
}
trap end EXIT
if [ -n "$scratch_folder" ]; then
  mkdir -p "$scratch_folder" || exit 100
  export TMPDIR=$scratch_folder HEADSTART_SCRATCH=$scratch_folder
fi

# Grid Engine sends these to everybody in the job a while before it kills. They would be death to
# bash, Snakemake and Python alike: the work ignores them, unless it sets a handler of its own.
trap '' USR1 USR2
while sleep "$beat"; do touch "$job"; done &
heart=$!
work &
work=$!
trap 'printf -v told "%(%s)T"; say "told $told"' USR2
wait "$work"
code=$?
# a signal ends the wait, not the work
while kill -0 "$work" 2>/dev/null; do
  wait "$work"
  code=$?
done

if [ -e "$HEADSTART_OUT_OF_TIME" ]; then
  # Grid Engine puts the job back into its queue; Snakemake sees one job that takes long
  rm "$HEADSTART_OUT_OF_TIME"
  echo "$name, job $JOB_ID: out of time; it goes on in its next turn"
  exit 99
fi
if [ "$code" -ne 0 ]; then
  # not OutOfMemoryError: that one is the card's memory, which no request can change
  lack="\bMemoryError|ArrayMemoryError|[Cc]annot allocate memory|can't allocate memory|bad_alloc"
  lack="$lack|failed to map segment from shared object"
  lack="$lack|killed by signal: Killed|exit (code|status) 137"
  if grep -qsE "$lack" "$job.log" "${logs[@]}"; then code=memory; fi
fi
say "exit $code"
[ "$code" = 0 ]
