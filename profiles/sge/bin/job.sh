# shellcheck shell=bash disable=SC2154
# The job as Grid Engine sees it. sge-submit puts before this the values of jobs, name, seconds,
# threads, gpus, beat, margin, logs, scratch_folder (empty: none asked for), and the functions
# `before` (the site's words) and `work` (Snakemake's command for this one job).
job=$jobs/$JOB_ID # what the job says of itself; sge-status reads it
say() { echo "$*" >>"$job"; }

host=$(hostname)
printf -v started '%(%s)T'
say "started $started $host $name"
# What others printed is no evidence on this job: an earlier one of the same number, an earlier try.
printed=$(stat -c %s "$job.log" 2>/dev/null || echo 0)
rm -f "${logs[@]}"

# Libraries that compute would start as many threads as the node has cores, in Snakemake's process
# too, and each counts against the request.
for library in OMP OPENBLAS GOTO MKL BLIS NUMEXPR; do
  export "${library}_NUM_THREADS=${threads:-1}"
done
export VECLIB_MAXIMUM_THREADS=${threads:-1} ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=${threads:-1}
# Snakemake and others keep caches at home, where not every node may write.
cache=${XDG_CACHE_HOME:-${HOME:-/proc}/.cache}
{ mkdir -p "$cache" && [ -w "$cache" ]; } 2>/dev/null || export XDG_CACHE_HOME=$jobs/../cache

before
if [ "$gpus" -gt 0 ]; then
  mapfile -t found < <(nvidia-smi ${CUDA_VISIBLE_DEVICES:+-i "$CUDA_VISIBLE_DEVICES"} \
    --query-gpu=name,compute_cap --format=csv,noheader 2>/dev/null)
  gpu=$(IFS=';' && echo "${found[*]:-no GPU to be seen by nvidia-smi}")
  # the stages then fail rather than compute on the CPU in silence
  export HEADSTART_DEVICE=${HEADSTART_DEVICE:-cuda}
fi
echo "$name, job $JOB_ID on $host: ${gpu:-no GPU asked for}"
if [ "$gpus" -gt 0 ] && [ -z "${CUDA_VISIBLE_DEVICES+set}" ] && [ "${#found[@]}" -gt "$gpus" ]; then
  echo "warning: $gpus of ${#found[@]} GPUs asked for, and CUDA_VISIBLE_DEVICES does not say which:" \
    "this job takes the first, ${found[0]}, as any other job here would; ask the administrators," \
    "or set it in the line before= of the site's file"
fi

# For stages that can stop and go on: when to stop (Unix time), and the file to leave behind.
margin=$((seconds * 3 / 4 < margin ? seconds * 3 / 4 : margin))
export HEADSTART_DEADLINE=$((started + seconds - margin))
export HEADSTART_OUT_OF_TIME=$job.out-of-time
rm -f "$HEADSTART_OUT_OF_TIME"

sweep() { # a job that was killed outright leaves its folder on this host's disk: the next one removes it
  local mark on process
  for mark in "${scratch_folder%/*}"/*/.headstart-job; do
    if [ -O "$mark" ] && read -r on process <"$mark" && [ "$on" = "$host" ]; then
      kill -0 "$process" 2>/dev/null || rm -rf "${mark%/*}"
    fi
  done
}
end() {
  kill "$heart" "$patience" 2>/dev/null
  [ -z "$scratch_folder" ] || rm -rf "$scratch_folder"
}
trap end EXIT
if [ -n "$scratch_folder" ]; then
  sweep
  mkdir -p "$scratch_folder" || exit 100
  echo "$host $$" >"$scratch_folder/.headstart-job"
  export TMPDIR=$scratch_folder HEADSTART_SCRATCH=$scratch_folder
fi

# Grid Engine sends these to everybody in the job a while before it kills. They would be death to
# bash, Snakemake and Python alike: the work ignores them, unless it sets a handler of its own.
trap '' USR1 USR2
while sleep "$beat" && kill -0 $$; do touch "$job"; done >/dev/null 2>&1 &
heart=$!
work &
work=$!
tell() { printf -v told '%(%s)T' && say "told $told"; }
below() { local child; for child in $(pgrep -P "$1"); do echo "$child"; below "$child"; done; }
stop() { # a stage that listens leaves what it has and ends; the others are ended
  tell
  below "$work" | xargs -r kill -USR2
  { sleep 30 && below "$work" | xargs -r kill; } &
  patience=$!
} >/dev/null 2>&1
trap tell USR2
trap stop TERM
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
  # not OutOfMemoryError: that one is the GPU's memory, which no request can change
  lack="\bMemoryError|ArrayMemoryError|[Cc]annot allocate memory|can't allocate memory|bad_alloc"
  lack="$lack|Memory allocation still failed|pthread_create failed|Thread creation failed"
  lack="$lack|failed to map segment from shared object"
  lack="$lack|killed by signal: Killed|exit (code|status) 137"
  if [ "$code" = 137 ] ||
    grep -qsE "$lack" <(tail -c "+$((printed + 1))" "$job.log") "${logs[@]}"; then code=memory; fi
fi
unlogged=unlogged
for log in "${logs[@]}"; do [ ! -s "$log" ] || unlogged=; done
# A full disk may have room again soon. Without its last word the job would count as killed; it ends
# in the queue's state of error instead.
tries=0
until say "exit $code $unlogged" 2>/dev/null; do
  [ $((tries++)) -lt 60 ] || exit 100
  sleep 5
done
[ "$code" = 0 ]
