"""toy.py MODE SECONDS OUTPUT: what a job of the toy workflow does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

mode, seconds, output = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
runs = Path("runs") / output
runs.parent.mkdir(parents=True, exist_ok=True)
with runs.open("a") as file:  # one line for each time that the job was started
    file.write(f"{time.time():.1f} {os.environ.get('JOB_ID')} {os.uname().nodename}\n")

if mode in ("wait", "wait-and-fail"):
    while not Path(f"../go-{output.parent}").exists():
        time.sleep(0.1)
if mode in ("fail", "wait-and-fail"):
    sys.exit("the test asked for a failure")
if mode == "eat":
    eaten = []
    while True:
        eaten.append(bytearray(os.urandom(1000)) * 50_000)
        time.sleep(0.02)
if mode == "crash":
    os.kill(os.getpid(), signal.SIGKILL)
if mode == "rounds":
    # a training: a line of history per epoch, kept in the run store, until time is up
    history = runs.with_suffix(".history")
    while True:
        epochs = len(history.read_text().splitlines()) if history.exists() else 0
        if epochs >= seconds:
            break
        if time.time() > float(os.environ["HEADSTART_DEADLINE"]):
            Path(os.environ["HEADSTART_OUT_OF_TIME"]).touch()
            sys.exit("out of time")
        time.sleep(1)
        with history.open("a") as file:
            file.write(f"epoch {epochs + 1}\n")
    output.write_text(history.read_text())
    sys.exit()
if mode == "script":
    code = subprocess.call(["/bin/bash", "../script.sh"])
    if code:
        sys.exit(code)
    seconds = 0
if mode == "listen":
    signal.signal(signal.SIGUSR2, lambda *_: (runs.with_suffix(".heard").touch(), sys.exit(1)))

until = time.monotonic() + seconds
while time.monotonic() < until:
    time.sleep(0.1)
output.parent.mkdir(exist_ok=True)
kept = ("TMPDIR", "CUDA_VISIBLE_DEVICES", "HEADSTART_DEVICE", "HEADSTART_SCRATCH")
told = "".join(f"{name}={os.environ.get(name)}\n" for name in kept)
home = " ".join(path.name for path in Path.home().iterdir())
output.write_text(f"{told}home: {home}\n")
