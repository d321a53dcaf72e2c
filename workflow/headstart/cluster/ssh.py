"""A connection to a cluster behind its gateway, through the system's ssh.

Two ssh masters are opened, one to the gateway and one through it to the cluster, so that each
password is asked for once; everything after runs as a session of the second master. The user's
own ssh config holds for both (keys, agents, ports), but host keys are checked whatever it says.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import IO

from headstart.common.errors import UserError

CONNECT_SECONDS = 15  # to reach a host; typing a password takes as long as it takes
ALIVE_SECONDS = 10  # a silent line counts as lost after three times this
LOCAL = "127.0.0.1"  # not `localhost`: that is two addresses, and another tunnel may hold one
# The system's temporary folder may have a long name (macOS), and the name of a socket is limited
# to about 100 bytes. The folder made in it is ours alone.
SHORT = "/tmp"  # noqa: S108


@dataclass(frozen=True)
class Account:
    """A user on a host; without a port, ssh's config or 22 decides."""

    user: str
    host: str
    port: int | None = None

    @property
    def address(self) -> list[str]:
        """The arguments by which ssh reaches it."""
        port = [] if self.port is None else ["-p", str(self.port)]
        return [*port, f"{self.user}@{self.host}"]

    @property
    def known_as(self) -> str:
        """Its name in known_hosts."""
        return self.host if self.port in (None, 22) else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        """Write it as in `ssh -J`."""
        return f"{self.user}@{self.host}" + ("" if self.port is None else f":{self.port}")


@dataclass(frozen=True)
class Route:
    """The way to the cluster.

    Attributes:
        gateway: The host that is reached from everywhere.
        cluster: The host behind it.
        tunnel_port: Local port of an `ssh -L` tunnel; None: jump (ProxyJump), which needs none.
    """

    gateway: Account
    cluster: Account
    tunnel_port: int | None = None

    @property
    def forward(self) -> str:
        """The tunnel's two ends, as `ssh -L` wants them."""
        return f"{LOCAL}:{self.tunnel_port}:{self.cluster.host}:{self.cluster.port or 22}"

    def by_hand(self, account: Account) -> str:
        """Return the ssh command that logs in to one of the two hosts."""
        jump = [] if account == self.gateway else ["-J", str(self.gateway)]
        return shlex.join(["ssh", *jump, *account.address])


@contextmanager
def connect(route: Route, *, idle: int) -> Iterator[Connection]:
    """Open the way to the cluster, and close it at the end.

    ssh asks for passwords itself, on the terminal or by SSH_ASKPASS: once for each host.

    Args:
        route: The way.
        idle: Seconds without a session after which ssh hangs up by itself, so that nothing stays
            behind if this process is killed.

    Yields:
        The connection.

    Raises:
        UserError: If a host can't be reached, is not the one that known_hosts knows, or turns
            the user away; or if the tunnel's port is taken. The message says what to do.
    """
    with tempfile.TemporaryDirectory(prefix="headstart-", dir=SHORT) as folder:
        gateway = _Master(route, route.gateway, Path(folder, "gateway"))
        cluster = _Master(route, route.cluster, Path(folder, "cluster"))
        try:
            gateway.open(idle, route.gateway.address)
            if route.tunnel_port is None:
                # What ProxyJump does, but over the gateway's open connection.
                proxy = shlex.join([*gateway.session, "-W", "[%h]:%p", *route.gateway.address])
                cluster.open(idle, route.cluster.address, f"ProxyCommand={proxy}")
            else:
                gateway.forward(route.forward)
                cluster.open(
                    idle,
                    replace(route.cluster, port=route.tunnel_port).address,
                    f"HostName={LOCAL}",
                    # Every cluster would else be known as 127.0.0.1.
                    f"HostKeyAlias={route.cluster.known_as}",
                    "ProxyCommand=none",
                )
            yield Connection(route, cluster.session)
        finally:
            cluster.close()
            gateway.close()


@dataclass(frozen=True)
class _Master:
    """An ssh connection that others share: its socket, and its log, which says what went wrong."""

    route: Route
    account: Account
    socket: Path

    @property
    def log(self) -> Path:
        return self.socket.with_suffix(".log")

    @property
    def session(self) -> list[str]:
        """Begin a command over this connection; it fails if that is gone, and opens no other."""
        fail = ["-o", "BatchMode=yes", "-o", "ProxyCommand=false"]
        # -F none: what the user's config asks of a session (a tty, RemoteCommand) is not for us.
        return ["ssh", "-F", "none", "-S", str(self.socket), *fail]

    def open(self, idle: int, address: list[str], *options: str) -> None:
        print(f"connecting to {self.account.host}", file=sys.stderr, flush=True)
        options = (
            *options,
            f"ControlPersist={idle}",
            "StrictHostKeyChecking=yes",
            "NoHostAuthenticationForLocalhost=no",
            f"ConnectTimeout={CONNECT_SECONDS}",
            f"ServerAliveInterval={ALIVE_SECONDS}",
            "ServerAliveCountMax=3",
            "ClearAllForwardings=yes",
            "LogLevel=INFO",
        )
        words = ["ssh", "-f", "-N", "-M", "-a", "-x", "-S", str(self.socket), "-E", str(self.log)]
        for option in options:
            words += ["-o", option]
        self._run([*words, *address])

    def forward(self, ends: str) -> None:
        self._run([*self.session, "-O", "forward", "-L", ends, self.account.host])

    def close(self) -> None:
        if self.socket.exists():
            self._run([*self.session, "-O", "exit", self.account.host], check=False)

    def _run(self, words: list[str], *, check: bool = True) -> None:
        with self.log.open("ab") as log:
            code = _call(words, log).wait()
        if check and code != 0:
            raise UserError(_sentence(self.route, self.account, self._logs()))

    def _logs(self) -> str:
        """Read all logs: the gateway's says why the cluster was not reached."""
        paths = sorted(self.socket.parent.glob("*.log"))
        return "".join(path.read_text(encoding="utf-8", errors="replace") for path in paths)


@dataclass(frozen=True)
class Connection:
    """An open way to the cluster."""

    route: Route
    ssh: list[str]

    @contextmanager
    def session(self, script: str) -> Iterator[Session]:
        """Run a script on the cluster.

        It travels on stdin to `sh`, so that it reads the same under any login shell. Its output
        begins when it calls `answer WORD`; greetings of the login shell before that are dropped.

        Args:
            script: POSIX shell.

        Yields:
            The session, with the word that was answered.

        Raises:
            UserError: If the connection is lost, or the script gave no answer or failed.
        """
        mark = secrets.token_hex(8)
        script = f"answer() {{ printf '%s %s\\n' {mark} \"$1\"; }}\n{script}\n"
        words = [*self.ssh, "-T", self.route.cluster.host, "exec sh"]
        broken = False
        with (
            tempfile.TemporaryFile() as complaints,
            _call(words, complaints, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        ):
            assert process.stdin is not None  # noqa: S101 (for mypy)
            assert process.stdout is not None  # noqa: S101
            try:
                process.stdin.write(script.encode())
                process.stdin.close()
                yield Session(_answer(process.stdout, mark), process.stdout)
            except (BrokenPipeError, tarfile.ReadError, EOFError):
                broken = True
            code = process.wait()
            if code != 0 or broken:
                raise UserError(_broken(self.route, code, _last_line(complaints)))


@dataclass(frozen=True)
class Session:
    """The output of a script on the cluster.

    Attributes:
        word: The word after `answer`.
        stdout: What follows.
    """

    word: str
    stdout: IO[bytes]

    def lines(self) -> list[str]:
        """Read the rest of the output as lines of text."""
        return self.stdout.read().decode(errors="replace").splitlines()

    def members(self) -> Iterator[tuple[str, bytes]]:
        """Read the rest of the output as a tar stream: yield the name and bytes of each file."""
        with tarfile.open(fileobj=self.stdout, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is not None:
                    yield member.name, content.read()
        self.stdout.read()  # the padding


def _answer(stdout: IO[bytes], mark: str) -> str:
    for line in stdout:
        _, found, word = line.decode(errors="replace").partition(f"{mark} ")
        if found:
            return word.strip()
    raise EOFError


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _call(
    words: list[str],
    stderr: IO[bytes],
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    english = {**os.environ, "LC_ALL": "C"}
    try:
        return subprocess.Popen(  # noqa: S603 (hosts and users were checked)
            words, stdin=stdin, stdout=stdout, stderr=stderr, env=english
        )
    except FileNotFoundError as error:
        raise UserError(
            "ssh: is not installed on this machine; install the OpenSSH client "
            "(Debian, Ubuntu: sudo apt-get install openssh-client; macOS has it in /usr/bin)"
        ) from error


# What ssh says, and what we say. The first that fits is taken. {who} is the account, {host} its
# host, {known} its name in known_hosts, {login} the command to log in by hand.
FAULTS = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY",
        "{host}: its host key is not the one in your known_hosts, so it may be another machine, "
        "and no password was sent; ask its administrators for the new fingerprint, and only if "
        "they changed the key: ssh-keygen -R '{known}', then {login}",
    ),
    (
        r"No \S+ host key is known for",
        "{host}: its host key is not known on this machine yet; run {login} once, compare the "
        "fingerprint it shows with the one its administrators publish, answer yes, and pull again",
    ),
    (
        r"Too many authentication failures",
        "{host}: your ssh agent offered too many keys; name the right one in ~/.ssh/config "
        "(IdentityFile and IdentitiesOnly yes)",
    ),
    (
        r"Permission denied",
        "{host}: does not let '{user}' in (wrong password or key, or no such account); check "
        "`{user_key}` in pull.yaml and try {login} (gateway and cluster may have different "
        "passwords)",
    ),
    (
        r"Address already in use|forwarding request failed",
        "port {tunnel_port} of this machine is in use, perhaps by a tunnel of yours that is still "
        "open; close it (lsof -i :{tunnel_port} names it), or set another `tunnel_port` in "
        "pull.yaml",
    ),
    (
        r"Could not resolve hostname|name resolution|Name or service not known|nodename nor serv",
        "{host}: no host of this name is known{seen_from}; check `{host_key}` in pull.yaml and "
        "your network",
    ),
    (
        r"administratively prohibited",
        "{gateway}: does not let connections through to {host}; ask its administrators for a "
        "gateway that does, and set `gateway` in pull.yaml",
    ),
    (
        r"Connection refused",
        "{host}: is there, but no ssh server answers{seen_from}; check `{host_key}` in pull.yaml, "
        "or wait if the machine is being restarted",
    ),
    (
        r"(Connection|Operation) timed out|No route to host|Network is unreachable",
        "{host}: gives no answer{seen_from}; check your network or VPN, and `{host_key}` in "
        "pull.yaml",
    ),
)


def _sentence(route: Route, account: Account, log: str) -> str:
    inner = account == route.cluster
    words = {
        "host": account.host,
        "user": account.user,
        "known": account.known_as,
        "login": f"`{route.by_hand(account)}`",
        "gateway": route.gateway.host,
        "host_key": "host" if inner else "gateway",
        "user_key": "user" if inner else "gateway_user",
        "seen_from": f" from {route.gateway.host}" if inner else "",
        "tunnel_port": route.tunnel_port,
    }
    for pattern, sentence in FAULTS:
        if re.search(pattern, log):
            return sentence.format(**words)
    said = (log.strip().splitlines() or ["nothing"])[-1].strip()
    return "{host}: ssh could not connect (it said: {said}); try {login}".format(said=said, **words)


def _broken(route: Route, code: int, complaint: str) -> str:
    host, said = route.cluster.host, f" ({complaint})" if complaint else ""
    if code == 255:  # ssh's own
        return (
            f"{host}: the connection was lost{said}; every figure that arrived is whole, pull "
            "again for the others"
        )
    login = route.by_hand(route.cluster)
    return f"{host}: could not run sh and tar there{said}; see what `{login}` says"
