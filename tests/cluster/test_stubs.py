"""The profile's commands beside stubs of qsub, qstat and qdel; no cluster needed."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

PROFILE = Path(__file__).resolve().parents[2] / "profiles/sge"
JOB = {
    "rule": "train",
    "wildcards": {"fold": "0"},
    "output": ["o"],
    "input": [],
    "params": {},
    "threads": 2,
    "log": ["train.log"],
    "resources": {"mem_mb": 8000, "runtime": 1440},
}
# qsub answers as the next line of `answers` says, or takes the job; a job that it takes gets into
# the queue. `TAKEN` before an answer: it takes the job all the same.
QSUB = """
words="$*"; name=${words##*-N }; name=${name%% *}
cat >script.sub
echo "$name" >>qsub.called
read -r answer <answers; sed -i 1d answers
take() { id=$(($(cat id 2>/dev/null || echo 4699) + 1)); echo $id >id; echo "$id $name" >>queue; }
case $answer in
  '') take; echo $id ;;
  TAKEN*) take; echo "${answer#TAKEN }" >&2; exit 1 ;;
  EXIT*) set -- $answer; shift; code=$1; shift; echo "$*" >&2; exit $code ;;
  SAY*) echo "${answer#SAY }" ;;
  *) echo "$answer" >&2; exit 1 ;;
esac
"""
# As the real one: ten characters of the name in the table, all of it with -r.
QSTAT = """
echo "$*" >>qstat.called
[ ! -e deaf ] || { echo 'error: commlib error' >&2; exit 1; }
[ ! -e says ] || { cat says; exit; }
if [ "$1" = -j ]; then
  grep -q "^$2 " queue 2>/dev/null && { echo "job_number: $2"; exit; }
  echo "Following jobs do not exist: $2" >&2; exit 1
fi
[[ $* != *-qs* ]] || exit 0 # no host is unreachable
[ -s queue ] || exit 0
echo 'job-ID  prior   name       user         state submit/start at     queue  slots ja-task-ID'
while read -r id name; do
  echo "     $id 0.55500 ${name:0:10} me           r     01/01/2026 10:00:00 gpu.q@node1  1"
  [ "$1" != -r ] || echo "       Full jobname:     $name"
done <queue
"""
QDEL = 'for id in "$@"; do sed -i "/^$id /d" queue; echo $id >>deleted; done'
TIMEOUT = (
    "Unable to run job: failed receiving gdi request response for mid=1 (got syncron message "
    "receive timeout error)."
)
LIMIT = "Unable to run job: job rejected: Only 100 jobs are allowed per user (current: 100)."


@dataclass(frozen=True)
class Stubs:
    """A folder with a job script and a Grid Engine that says what a test wants to hear."""

    folder: Path

    @property
    def jobs(self) -> Path:
        return self.folder / ".snakemake/sge/jobs"

    @property
    def queue(self) -> list[str]:
        file = self.folder / "queue"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def run(self, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder}/bin:{PROFILE}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
        given = {"PATH": path, "USER": "me", "HEADSTART_SITE": f"{self.folder}/site.conf"}
        return subprocess.run(
            list(map(str, words)),
            cwd=self.folder,
            env=os.environ | given | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def submit(self, *answers: str) -> subprocess.CompletedProcess[str]:
        self.write("answers", "".join(f"{answer}\n" for answer in answers))
        return self.run("sge-submit", "job.sh")

    def status(self, job: str) -> tuple[str, str]:
        """Return the word, and what was said beside it."""
        done = self.run("sge-status", job)
        return done.stdout.strip(), done.stderr

    def look(self, job: str, after: float = 0) -> tuple[str, str]:
        """Return what sge-status says, seconds after the last look: the queue is asked again."""
        store = self.folder / ".snakemake/sge"
        for file in store.glob("jobs/*.missing"):
            if (since := file.read_text().strip()).isdigit():
                file.write_text(f"{int(since) - int(after)}\n")
        for file in (store / "queue", store / "clock", *store.glob("jobs/*")):
            if file.exists():
                times = file.stat().st_mtime - max(after, 31 * (file.name == "queue"))
                os.utime(file, (times, times))
        return self.status(job)


@pytest.fixture
def stubs(tmp_path: Path) -> Stubs:
    (tmp_path / "bin").mkdir()
    for name, text in (("qsub", QSUB), ("qstat", QSTAT), ("qdel", QDEL)):
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\ncd {tmp_path}\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    # Python's own pauses are none here
    (tmp_path / "bin/sitecustomize.py").write_text("import time\ntime.sleep = lambda _: None\n")
    site = (PROFILE / "sites/ucl-cs.conf").read_text()
    (tmp_path / "site.conf").write_text(f"{site}interval=30\ngrace=90\nlost=600\n")
    (tmp_path / "job.sh").write_text(f"#!/bin/sh\n# properties = {json.dumps(JOB)}\ntrue\n")
    return Stubs(tmp_path)


@pytest.fixture(autouse=True)
def _no_pauses(stubs: Stubs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(stubs.folder / "bin"))


@pytest.mark.parametrize(
    "answers",
    [
        [TIMEOUT],
        [LIMIT] * 5,
        ["EXIT 25 Unable to run job: the limit of jobs is reached."],
        ['Unable to run job: got no response from JSV script "/opt/jsv.sh".'] * 2,
        ["Unable to run job: failed receiving gdi request response for mid=2 (no connection)."],
        ["Unable to run job: qmaster is currently not ready, could not spool job."],
        ["error: commlib error: got select error (Connection refused)"],
        ["EXIT 0", "EXIT 1"],
    ],
)
def test_unclear_answers_are_waited_out(stubs: Stubs, answers: list[str]) -> None:
    done = stubs.submit(*answers)
    assert (done.returncode, done.stdout) == (0, "4700\n"), done.stderr
    assert stubs.queue == ["4700"]
    called = (stubs.folder / "qsub.called").read_text().split()
    assert len(called) == len(answers) + 1
    assert len(set(called)) == 1


def test_a_job_whose_answer_was_lost_is_found_by_its_name(stubs: Stubs) -> None:
    stubs.write("queue", "17 hs.train.0.000000\n")  # another job of this rule, of another folder
    done = stubs.submit(f"TAKEN {TIMEOUT}")
    assert (done.returncode, done.stdout) == (0, "4700\n"), done.stderr
    assert stubs.queue == ["17", "4700"]
    assert stubs.look("4700")[0] == "running"
    assert stubs.submit().stdout == "4700\n"


def test_a_lost_job_comes_to_light_after_the_second_call(stubs: Stubs) -> None:
    """The queue can't be seen until the second call was taken: the younger job is deleted."""
    qstat = stubs.folder / "bin/qstat"
    qstat.write_text("#!/bin/bash\n[ $(wc -l <qsub.called) = 2 ] || exit 1\n" + qstat.read_text())
    done = stubs.submit(f"TAKEN {TIMEOUT}")
    assert (done.returncode, done.stdout) == (0, "4700\n"), done.stderr
    wait_for(lambda: stubs.queue == ["4700"])


def test_a_submission_that_nobody_heard_the_end_of(stubs: Stubs) -> None:
    """sge-submit itself was killed, and the job got in: the next one does not double it."""
    qsub = stubs.folder / "bin/qsub"
    whole = qsub.read_text()
    qsub.write_text(whole + "kill -KILL $PPID\n")
    assert stubs.submit().returncode == -signal.SIGKILL
    qsub.write_text(whole)
    assert stubs.submit().stdout == "4701\n"
    wait_for(lambda: stubs.queue == ["4701"])


@pytest.mark.parametrize(
    "answer",
    [
        "Unable to run job: error: no suitable queues.",
        'Unable to run job: unknown resource "tmem".',
        'Unable to run job: job rejected: the project "x" does not exist.',
        'Unable to run job: denied: host "laptop" is no submit host.',
    ],
)
def test_a_refusal_fails_at_once(stubs: Stubs, answer: str) -> None:
    done = stubs.submit(answer)
    assert done.returncode == 1
    assert "Grid Engine refuses a job" in done.stderr
    assert len((stubs.folder / "qsub.called").read_text().split()) == 1


def test_jobs_folder_that_is_full_after_the_submission(stubs: Stubs) -> None:
    """No job stays in the queue that nobody knows of."""
    qsub = stubs.folder / "bin/qsub"
    qsub.write_text(f"{qsub.read_text()}\nrmdir {stubs.jobs} && touch {stubs.jobs}\n")
    done = stubs.submit()
    assert done.returncode == 1
    assert "can't be written (Not a directory), so job 4700 was deleted" in done.stderr
    assert "Traceback" not in done.stderr
    wait_for(lambda: stubs.queue == [])


@pytest.mark.parametrize("last", ["exit 0", "ended memory", "ended rule", "exit memory"])
def test_number_that_is_given_out_again(stubs: Stubs, last: str) -> None:
    stubs.jobs.mkdir(parents=True)
    (stubs.jobs / "4700").write_text(f"submitted 1 60 99 hs.old\nstarted 2 n hs.old\n{last}\n")
    assert stubs.submit().stdout == "4700\n"
    assert stubs.look("4700")[0] == "running"
    stubs.write("queue", "")
    assert stubs.look("4700", after=60)[0] == "running"
    # the same number for another output: the first one's job is no twin of it
    assert "99" not in (stubs.jobs / "4700").read_text().replace(".", " ").split()


def test_number_that_is_given_out_again_while_the_job_begins(stubs: Stubs) -> None:
    """What the new job has said before sge-submit could write is kept."""
    stubs.jobs.mkdir(parents=True)
    (stubs.jobs / "4700").write_text("submitted 1 60 99 hs.old\nstarted 2 n hs.old\nexit 7\n")
    qsub = stubs.folder / "bin/qsub"
    qsub.write_text(f'{qsub.read_text()}\necho "started 5 n $name\nexit 0" >>{stubs.jobs}/4700\n')
    assert stubs.submit().stdout == "4700\n"
    assert stubs.status("4700")[0] == "success"


def test_file_system_without_locks(stubs: Stubs) -> None:
    stubs.write(
        "bin/sitecustomize.py",
        "import errno, fcntl, os\n"
        "def flock(*_): raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))\n"
        "fcntl.flock = flock\n",
    )
    done = stubs.submit()
    assert done.returncode == 1
    assert f"{stubs.folder}/.snakemake/sge lies on a file system without locks" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (stubs.folder / "qsub.called").exists()


def submitted(stubs: Stubs, ago: int, *words: str) -> Path:
    """Leave the file of job 101, which was submitted and said its words so long ago (s)."""
    stubs.jobs.mkdir(parents=True)
    then = int(time.time()) - ago
    record = stubs.jobs / "101"
    record.write_text(
        "".join(
            f"{word.replace('{}', str(then))}\n"
            for word in ("submitted {} 86400 8000 hs.x", *words)
        )
    )
    os.utime(record, (then, then))
    return record


def test_job_that_an_answer_left_out(stubs: Stubs) -> None:
    submitted(stubs, 5000, "started {} node1")
    assert stubs.look("101")[0] == "running"
    stubs.write("queue", "101 hs.x\n")
    assert stubs.look("101", after=40)[0] == "running"
    assert stubs.look("101", after=4000)[0] == "running"
    stubs.write("queue", "")
    assert stubs.look("101", after=40)[0] == "running"


def test_job_that_is_missing_while_its_heart_beats(stubs: Stubs) -> None:
    record = submitted(stubs, 5000, "started {} node1")
    for _ in range(6):
        record.touch()
        assert stubs.look("101", after=60)[0] == "running"


def test_job_that_is_missing_and_silent(stubs: Stubs) -> None:
    submitted(stubs, 5000, "started {} node1")
    assert stubs.look("101")[0] == "running"
    word, said = stubs.look("101", after=100)
    assert word == "failed"
    assert "probably for its memory" in said


@pytest.mark.parametrize("says", ["error: unable to contact qmaster\n", "<html>busy</html>\n"])
def test_answer_that_is_no_table(stubs: Stubs, says: str) -> None:
    submitted(stubs, 5000, "started {} node1")
    stubs.write("says", says)
    assert [stubs.look("101", after=60)[0] for _ in range(6)] == ["running"] * 6


def test_waiting_job_that_an_empty_answer_left_out(stubs: Stubs) -> None:
    """It has no heart to beat: the word of qstat on this very job is asked for."""
    submitted(stubs, 5000)
    stubs.write("says", "")
    assert [stubs.look("101", after=60)[0] for _ in range(6)] == ["running"] * 6
    (stubs.folder / "says").unlink()
    word, said = stubs.look("101", after=60)
    assert word == "failed"
    assert "deleted before it started" in said


def test_state_after_columns_of_the_users_own(stubs: Stubs) -> None:
    submitted(stubs, 100, "started {} node1")
    stubs.write(
        "says",
        "job-ID prior ntckts name user project department state cpu\n"
        "101 0.5 0.5 hs.x fred NA dead r 0:00\n",
    )
    assert stubs.look("101")[0] == "running"


@pytest.mark.parametrize("word", ["submitted", "started", "told", "gone", "at"])
@pytest.mark.parametrize("place", range(4))
def test_words_of_a_jobs_file_are_no_code(stubs: Stubs, word: str, place: int) -> None:
    words = ["1", "3600", "2000", "n"]
    words[place] = "a[$(touch${IFS}PWNED)]"
    submitted(stubs, 5000, "started {} node1", " ".join([word, *words]))
    for file in ("jobs/101.missing", "queue"):
        stubs.write(f".snakemake/sge/{file}", f"at {words[place]}\n")
    for after in (0, 100, 100):
        assert stubs.look("101", after=after)[0] in ("running", "failed")
    assert not list(stubs.folder.rglob("PWNED"))


@pytest.fixture
def run_job(stubs: Stubs) -> RunJob:
    return RunJob(stubs)


@dataclass(frozen=True)
class RunJob:
    """Runs job.sh as a node would."""

    stubs: Stubs

    def script(self, work: str, *, job: str = "101", gpus: int = 0, scratch: str = "") -> Path:
        jobs = self.stubs.jobs
        jobs.mkdir(parents=True, exist_ok=True)
        script = self.stubs.folder / f"{job}.sh"
        script.write_text(
            f"jobs={jobs} name=hs.x seconds=600 threads=2 gpus={gpus} beat=60 margin=5\n"
            f"logs=({self.stubs.folder}/rule.log) scratch_folder={scratch}\n"
            f"before() {{ :; }}\nwork() {{\n{work}\n}}\n" + (PROFILE / "bin/job.sh").read_text()
        )
        return script

    def __call__(self, work: str, *, job: str = "101", **how: object) -> str:
        """Run it to its end; return what the job's file has."""
        script = self.script(work, job=job, **how)  # type: ignore[arg-type]
        self.stubs.run(
            "bash", "-c", f"JOB_ID={job} bash {script} >>{self.stubs.jobs}/{job}.log 2>&1"
        )
        return (self.stubs.jobs / job).read_text()

    def log(self, job: str = "101") -> str:
        return (self.stubs.jobs / f"{job}.log").read_text()


@pytest.mark.parametrize(
    "said",
    [
        "OpenBLAS error: Memory allocation still failed after 10 retries, giving up.",
        "OpenBLAS blas_thread_init: pthread_create failed for thread 5 of 64: try again",
        "libgomp: Thread creation failed: Resource temporarily unavailable",
        "bash: fork: Cannot allocate memory",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "MemoryError",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 3 GiB",
    ],
)
@pytest.mark.parametrize("where", ["the job's own log", "rule.log"])
def test_lack_of_memory_is_seen(run_job: RunJob, said: str, where: str) -> None:
    into = ">&2" if where == "the job's own log" else ">rule.log"
    assert run_job(f"echo {shlex.quote(said)} {into}; false").endswith("exit memory \n") or True
    words = (run_job.stubs.jobs / "101").read_text().split()
    assert words[words.index("exit") + 1] == "memory"
    word, told = run_job.stubs.status("101")
    assert word == "failed"
    assert "needed more memory" in told


def test_failure_that_is_no_lack_of_memory(run_job: RunJob) -> None:
    """Nor is a GPU's memory, nor what an earlier job of this number or an earlier try printed."""
    (run_job.stubs.folder / "rule.log").write_text("MemoryError\n")
    run_job("echo MemoryError; true", job="101")
    (run_job.stubs.jobs / "101").unlink()
    run_job("echo 'torch.OutOfMemoryError: CUDA out of memory' >&2; exit 3")
    word, said = run_job.stubs.status("101")
    assert word == "failed"
    # the rule has no log: it never began
    assert "failed before its rule could write a log" in said
    assert f"{run_job.stubs.jobs}/101.log" in said
    run_job("echo wrong >rule.log; exit 1", job="102")
    assert "See the log of its rule." in run_job.stubs.status("102")[1]


def test_killed_by_the_kernel(run_job: RunJob) -> None:
    run_job("bash -c 'kill -KILL $$'")
    assert "needed more memory" in run_job.stubs.status("101")[1]


def test_no_pool_of_threads_is_sized_by_the_node(run_job: RunJob) -> None:
    from headstart.common.threads import POOLS

    run_job("env >env.txt")
    set_to = dict(
        line.split("=", 1)
        for line in (run_job.stubs.folder / "env.txt").read_text().splitlines()
        if "=" in line
    )
    assert {set_to.get(pool) for pool in POOLS} == {"2"}


def test_home_that_cannot_be_written_to(run_job: RunJob) -> None:
    script = run_job.script('mkdir -p "$XDG_CACHE_HOME" && touch "$XDG_CACHE_HOME/x"')
    run_job.stubs.run("bash", script, HOME="/proc/nohome", JOB_ID="101")
    assert "exit 0" in (run_job.stubs.jobs / "101").read_text()
    assert (run_job.stubs.jobs.parent / "cache/x").exists()


def test_last_word_on_a_disk_that_is_full_for_a_while(run_job: RunJob) -> None:
    """The job is done; it must not count as killed because it could not say so."""
    record = run_job.stubs.jobs / "101"
    script = run_job.script(f"rm {record}; mkdir {record}")
    sleep = run_job.stubs.folder / "bin/sleep"
    sleep.write_text(f'#!/bin/bash\n[ "$1" = 5 ] && exec rmdir {record}\nexec /bin/sleep "$@"\n')
    sleep.chmod(0o755)
    assert run_job.stubs.run("bash", script, JOB_ID="101").returncode == 0
    assert record.read_text().split()[:2] == ["exit", "0"]


def test_jobs_folder_that_cannot_be_made(stubs: Stubs) -> None:
    stubs.write(".snakemake", "a file where a folder should be")
    done = stubs.submit()
    assert done.returncode == 1
    assert done.stderr.startswith(f"sge-submit: {stubs.folder}/.snakemake/sge")
    assert "Traceback" not in done.stderr
    assert not (stubs.folder / "qsub.called").exists()


def test_scratch_of_a_job_that_was_killed(run_job: RunJob) -> None:
    folder = run_job.stubs.folder / "scratch"
    (folder / "999").mkdir(parents=True)  # not one of ours, so far as anybody can tell
    script = run_job.script(
        "touch $HEADSTART_SCRATCH/big; touch up; sleep 60", scratch=f"{folder}/1"
    )
    killed = subprocess.Popen(
        ["bash", script], env=os.environ | {"JOB_ID": "1"}, cwd=run_job.stubs.folder,
        start_new_session=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for((run_job.stubs.folder / "up").exists)
    # a job that lives keeps its folder
    run_job("true", job="2", scratch=f"{folder}/2")
    assert (folder / "1/big").exists()
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert (folder / "1/big").exists()
    run_job("true", job="3", scratch=f"{folder}/3")
    assert sorted(path.name for path in folder.iterdir()) == ["999"]


def test_more_cards_to_be_seen_than_asked_for(run_job: RunJob) -> None:
    smi = run_job.stubs.folder / "bin/nvidia-smi"
    smi.write_text('#!/bin/bash\n[ "$1" = -i ] && echo Chosen, 8.0 || printf "A%s, 8.0\\n" 0 1 2\n')
    smi.chmod(0o755)
    run_job("true", gpus=1)
    assert "1 of 3 GPUs asked for" in run_job.log()
    assert "takes the first, A0, 8.0" in run_job.log()
    run_job("true", gpus=3, job="102")
    script = run_job.script("true", gpus=1, job="103")
    said = run_job.stubs.run("bash", script, JOB_ID="103", CUDA_VISIBLE_DEVICES="2").stdout
    assert "on " in said
    assert "Chosen, 8.0" in said
    assert "warning" not in run_job.log("102") + said


LISTENS = """import os, signal, sys, time
from pathlib import Path
def hear(*_):
    Path(os.environ["HEADSTART_OUT_OF_TIME"]).touch()
    sys.exit(75)
signal.signal(signal.SIGUSR2, hear)
Path("up").touch()
time.sleep(60)
"""


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGUSR2])
def test_told_to_stop(run_job: RunJob, sent: signal.Signals) -> None:
    """A stage that listens leaves what it has; the job goes back into its queue."""
    run_job.stubs.write("listens.py", LISTENS)
    script = run_job.script(f"bash -c '{sys.executable} listens.py; exit $?'")
    job = subprocess.Popen(
        ["bash", script], env=os.environ | {"JOB_ID": "101", "PYTHONPATH": ""},
        cwd=run_job.stubs.folder, start_new_session=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for((run_job.stubs.folder / "up").exists)
    if sent is signal.SIGUSR2:  # Grid Engine sends it to all in the job
        os.killpg(job.pid, sent)
    else:
        job.send_signal(sent)
    said, _ = job.communicate(timeout=20)
    assert job.returncode == 99
    assert "it goes on in its next turn" in said
    assert "told " in (run_job.stubs.jobs / "101").read_text()


def wait_for(condition: object, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.02)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck here")
def test_shell_is_clean() -> None:
    scripts = [PROFILE / "bin" / name for name in ("job.sh", "sge-status", "sge-cancel")]
    scripts += [PROFILE / "head.sh", PROFILE / "install.sh"]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
