"""A gateway and a cluster host with a real sshd each, and `headstart pull` as their client.

As root they are three network namespaces, with users and passwords of their own; the client's has
no route to the cluster. Elsewhere they are two ports of the loopback, and the user logs in as
himself with a key. Nothing of the machine is changed, and all ends with the process that made it.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import headstart

HERE = Path(__file__).parent
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
GATEWAY_PASSWORD = "one for the gateway"
CLUSTER_PASSWORD = "two for the cluster"
SHADOW = (
    "gwen:$6$headstartgw$UlBZ.sqCy2HM7HXWxsHHyyUe6roWZ5ThB5S6idLsM6uxAyQnykgdDSjbJBFY8EPiAgwSIx4GaZPhQi47zvPcW.:20000::::::\n"
    "nora:$6$headstartgw$UlBZ.sqCy2HM7HXWxsHHyyUe6roWZ5ThB5S6idLsM6uxAyQnykgdDSjbJBFY8EPiAgwSIx4GaZPhQi47zvPcW.:20000::::::\n"
    "carl:$6$headstartcl$ay3Pxk884.zMdRmfa4PwNpzBnDWc1j6IOEN6d1vj7fPzI/P6AdVtX2/bpgBtQbRqE12c/ddP9ZVMJu9VInzqF/:20000::::::\n"
)
PASSWD = (
    "gwen:x:2001:2001::/srv/gwen:/bin/sh\n"
    "nora:x:2003:2003::/srv/gwen:/bin/sh\n"  # may log in to the gateway, but not go through
    "carl:x:2002:2002::/srv/carl:/bin/bash\n"
)
HOSTS = (
    "127.0.0.1 localhost\n10.88.1.2 gateway.test\n10.88.2.2 cluster.test other.test\n"
    "10.88.1.99 mute-gateway.test\n10.88.2.99 mute-cluster.test\n"
)
SSHD = """\
HostKey {folder}/{name}-key
AuthorizedKeysFile {authorized}
StrictModes no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PidFile none
UseDNS no
PrintMotd no
Subsystem sftp internal-sftp
SetEnv PATH={bin}:/usr/bin:/bin
"""
# Stands in for tar on the cluster, so that a test can do something while figures are copied.
TAR = """\
#!/bin/sh
case "$*" in *.pdf*) [ ! -x {hook} ] || exec {hook} "$@" ;; esac
exec /usr/bin/tar "$@"
"""
CLIENT = '#!/bin/sh\nexec {program} -F "$TEST_SSH_CONFIG" "$@"\n'


@dataclass
class World:
    """Where the hosts are, and how to be their client."""

    folder: Path
    isolated: bool
    settings: dict[str, str]
    home: Path
    prefix: list[str] = field(default_factory=list)
    holder: Any = None

    @property
    def results(self) -> Path:
        """The results root on the cluster, as seen from the test."""
        return self.home / "results"

    @property
    def seen_home(self) -> Path:
        """The home on the cluster, as seen from there."""
        return Path("/srv/carl") if self.isolated else self.home

    @property
    def hook(self) -> Path:
        """A program that the cluster runs instead of tar when figures are copied."""
        return self.folder / "home" / "hook"

    def reset(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self.home.chmod(0o777)
        self.hook.unlink(missing_ok=True)

    def on_tar(self, script: str) -> None:
        """Let the cluster run a script instead of tar when figures are copied."""
        self.hook.write_text(f"#!/bin/sh\n{script}\n")
        self.hook.chmod(0o755)

    def draw(self, figures: Mapping[str, bytes], *, results: Path | None = None) -> None:
        """Write figures (`STUDY/figures/EXPERIMENT/NAME`) and their manifests as `plot` does."""
        folders: dict[Path, dict[str, bytes]] = {}
        for path, content in figures.items():
            place = (results or self.results) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            folders.setdefault(place.parent, {})[place.name] = content
        for place, files in folders.items():
            entries = [
                {"file": name, "bytes": len(b), "sha256": hashlib.sha256(b).hexdigest()}
                for name, b in files.items()
            ]
            text = json.dumps({"study": place.parts[-3], "files": entries})
            (place / "manifest.json").write_text(text)
        subprocess.run(["chmod", "-R", "a+rwX", str(self.home)], check=True)  # another user's

    def config(self, path: Path, **changes: str) -> Path:
        """Write a pull.yaml."""
        values = {**self.settings, "into": str(path / "here"), **changes}
        lines = [f"{key}: '{value.replace(chr(39), chr(39) * 2)}'" for key, value in values.items()]
        config = path / "pull.yaml"
        config.write_text("\n".join(lines))
        return config

    def known(self, gateway: str = "gateway", cluster: str = "cluster") -> str:
        """Return known_hosts with the named keys; '' leaves a host out."""
        names = {"gateway": self.settings["gateway"], "host": self.settings["host"]}
        lines = ""
        for name, key in ((names["gateway"], gateway), (names["host"], cluster)):
            host, _, port = name.partition(":")
            if key:
                public = (self.folder / f"{key}-key.pub").read_text()
                lines += f"{f'[{host}]:{port}' if port else host} {public}"
        return lines

    def environment(
        self, path: Path, *, known: str | None = None, key: bool = True, more: str = ""
    ) -> dict[str, str]:
        """Return the client's environment; its ssh reads a config that the test made."""
        (path / "known_hosts").write_text(self.known() if known is None else known)
        (path / "ssh_config").write_text(
            f"{more}\nHost *\nUserKnownHostsFile {path}/known_hosts\nGlobalKnownHostsFile none\n"
            f"IdentityAgent none\nIdentitiesOnly yes\nUpdateHostKeys no\n"
            f"IdentityFile {self.folder / 'key' if key else 'none'}\n"
        )
        package = Path(headstart.__file__).parent.parent
        return {
            "PATH": f"{self.folder}/bin:{PATH}",
            "HOME": str(path),
            "PYTHONPATH": str(package),
            "TEST_SSH_CONFIG": str(path / "ssh_config"),
        }

    def command(self, *words: str, seconds: tuple[int, int] | None = None) -> list[str]:
        """Return the client's `headstart pull`; seconds: to connect, and between signs of life."""
        begin = [sys.executable, "-m", "headstart"]
        if seconds:
            begin = [
                sys.executable,
                "-c",
                "import sys; from headstart.cluster import ssh as tunnel; "
                f"tunnel.CONNECT_SECONDS, tunnel.ALIVE_SECONDS = {seconds}; "
                "from headstart.cli import main; sys.exit(main())",
            ]
        return [*self.prefix, *begin, "pull", *words]

    def root(self, command: str) -> None:
        """Run a command as root in the client's namespaces."""
        self.holder.stdin.write(f"{command}\n")
        self.holder.stdin.flush()
        assert self.holder.stdout.readline() == "done\n"


@contextmanager
def make_world(folder: Path) -> Iterator[World]:
    """Start both hosts; they end with the block."""
    sshd = shutil.which("sshd", path=PATH)
    if sshd is None:
        raise FileNotFoundError(
            "sshd: install openssh-server (sudo apt-get install openssh-server)"
        )
    home = folder / "home"
    (home / "bin").mkdir(parents=True)
    (folder / "bin").mkdir()
    for path in (folder, home, home / "bin"):
        path.chmod(0o755)
    for name in ("gateway-key", "cluster-key", "stranger-key", "key"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True)
    shutil.copy(folder / "key.pub", home / "authorized_keys")
    for name in ("ssh", "scp", "sftp"):
        _program(folder / "bin" / name, CLIENT.format(program=shutil.which(name)))
    isolated = _can_isolate()
    seen = Path("/srv") if isolated else home  # where the hosts see `home`
    _program(home / "bin" / "tar", TAR.format(hook=seen / "hook"))
    for name in ("gateway", "cluster"):
        text = SSHD.format(
            folder=folder, name=name, authorized=seen / "authorized_keys", bin=seen / "bin"
        )
        (folder / f"{name}.conf").write_text(text)
    with _isolated(folder, sshd) if isolated else _loopback(folder, sshd) as world:
        yield world


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _can_isolate() -> bool:
    if os.environ.get("HEADSTART_LOOPBACK") or os.geteuid() != 0:
        return False
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "ip", "netns", "list"]
    try:
        return subprocess.run(words, capture_output=True, env={"PATH": PATH}).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def _isolated(folder: Path, sshd: str) -> Iterator[World]:
    (folder / "passwd").write_text(Path("/etc/passwd").read_text() + PASSWD)
    (folder / "shadow").write_text(SHADOW)
    (folder / "hosts").write_text(HOSTS)
    with (folder / "gateway.conf").open("a") as file:
        file.write("ListenAddress 10.88.1.2\nMatch User nora\nAllowTcpForwarding no\n")
    with (folder / "cluster.conf").open("a") as file:
        file.write("ListenAddress 10.88.2.2\n")
    for user in ("gwen", "carl"):
        (folder / "home" / user).mkdir()
    words = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
    holder = subprocess.Popen(
        [*words, "sh", str(HERE / "hosts.sh"), str(folder), sshd],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": PATH},
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n", "the hosts did not start"
        nsenter = str(shutil.which("nsenter"))
        inner = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0]
        yield World(
            folder=folder,
            isolated=True,
            settings={
                "gateway": "gateway.test",
                "gateway_user": "gwen",
                "host": "cluster.test",
                "user": "carl",
                "folder": "results",
            },
            home=folder / "home" / "carl",
            # Without a fork, so that signals and exit codes are the client's own.
            prefix=[nsenter, "--target", inner, "--net", "--mount", "--pid", "--no-fork"],
            holder=holder,
        )


@contextmanager
def _loopback(folder: Path, sshd: str) -> Iterator[World]:
    ports = {"gateway": free_port(), "cluster": free_port()}
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    servers = []
    try:
        for name, port in ports.items():
            conf = folder / f"{name}.conf"
            with conf.open("a") as file:
                file.write(f"ListenAddress 127.0.0.1:{port}\n")
            with (folder / f"{name}.log").open("w") as log:
                servers.append(subprocess.Popen([sshd, "-D", "-e", "-f", str(conf)], stderr=log))
            wait_for(lambda name=name: "listening" in (folder / f"{name}.log").read_text())
        home = folder / "home" / "carl"
        yield World(
            folder=folder,
            isolated=False,
            settings={
                "gateway": f"127.0.0.1:{ports['gateway']}",
                "host": f"127.0.0.1:{ports['cluster']}",
                "user": getpass.getuser(),
                "folder": str(home / "results"),
                "tunnel_port": str(free_port()),
            },
            home=home,
        )
    finally:
        for server in servers:
            server.terminate()
            server.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(condition: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def on_terminal(
    words: list[str], environment: dict[str, str], answers: Mapping[str, str]
) -> tuple[int, str, list[str]]:
    """Run a command on a terminal of its own and type passwords.

    Returns the exit code, all it showed, and the prompts that were answered.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.execvpe(words[0], words, environment)
    shown, prompts, seen = "", [], 0
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # Linux's way to say that the other end has closed
            break
        if not piece:
            break
        shown += piece.decode()
        if shown[seen:].rstrip(" ").endswith("password:"):
            prompts.append(shown[seen:].strip().splitlines()[-1])
            answer = next(word for name, word in answers.items() if name in prompts[-1])
            seen = len(shown)
            os.write(terminal, f"{answer}\n".encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown, prompts
