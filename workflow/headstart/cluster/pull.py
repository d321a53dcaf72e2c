"""Figures and reports copied home through a gateway: whole, checked, and only what is new."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from pathlib import PurePosixPath

from headstart.cluster.ssh import LOCAL
from headstart.cluster.ssh import Account
from headstart.cluster.ssh import Connection
from headstart.cluster.ssh import Route
from headstart.common import files
from headstart.common import study_paths
from headstart.common.errors import UserError
from headstart.common.strict_yaml import read_study

KEYS = ("gateway", "gateway_user", "host", "user", "folder", "into", "way", "tunnel_port")
WAYS = ("jump", "tunnel")
HOST = re.compile(r"(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*)(?::(?P<port>[0-9]{1,5}))?")
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")
TRIES = 4  # readings of a file that is replaced while it is copied
PAUSE = 1.0  # seconds between them
PAGE = study_paths.REPORT
# Both are run in the results root. What a manifest lists is written before it: the figures of a
# folder, and a study's report.
LIST = """
cd -- {folder} 2>/dev/null || {{ answer missing; exit; }}
set --
for list in ./{study}/figures/*/manifest.json ./{study}/manifest.json
do if [ -e "$list" ]; then set -- "$@" "$list"; fi; done
[ $# -gt 0 ] || {{ answer none; ls -p | sed -n 's|/$||p'; exit; }}
answer manifests
exec tar -chf - "$@"
"""
FETCH = """
cd -- {folder} || exit
answer files
tar -chf - {paths} || true  # a file that is missing or changes is noticed by its sha256
"""


class NotYetError(UserError):
    """What was requested isn't there yet; waiting may help."""


@dataclass(frozen=True)
class PullSettings:
    """What pull.yaml says.

    Attributes:
        route: The way to the cluster.
        folder: Results root there, absolute or from the user's home.
        into: Local folder.
    """

    route: Route
    folder: str
    into: Path


@dataclass(frozen=True)
class Manifest:
    """The list of the figures of one folder, or of a report and what belongs to it.

    Attributes:
        folder: Relative to the results root, e.g. `ixi/figures/age`.
        content: The file as it is on the cluster.
        files: Name and sha256 of each file that it lists.
    """

    folder: PurePosixPath
    content: bytes
    files: dict[str, str]


@dataclass(frozen=True)
class Pulled:
    """The result of a pull: local paths of the new files, and how many the cluster has."""

    new: list[Path]
    files: int


def pull(*, connection: Connection, folder: str, into: Path, study: str | None = None) -> Pulled:
    """Fetch the figures and reports that are new or have changed, each whole or not at all.

    A local file is up to date if it has the sha256 that its manifest names. Nothing is deleted.
    A file that is replaced while it is copied doesn't fit its manifest: both are read again.

    Args:
        connection: To the cluster.
        folder: Results root there, absolute or from the user's home.
        into: Local folder; what is `FOLDER/STUDY/…` there is `INTO/STUDY/…` here.
        study: One study; None: all.

    Returns:
        What came.

    Raises:
        NotYetError: If there is no manifest yet, or a file never fits its manifest.
        UserError: If the folder isn't there, the connection is lost, or the disk is full.
    """
    new: list[Path] = []
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE)
        manifests = _manifests(connection, folder, study)
        wanted = {
            str(manifest.folder / name): digest
            for manifest in manifests
            for name, digest in manifest.files.items()
            if not _is_here(into / manifest.folder / name, digest)
        }
        arrived = _fetch(connection, folder, into, wanted) if wanted else []
        new += arrived
        missing = [path for path in wanted if into / path not in arrived]
        if not missing:
            _keep(manifests, into)
            return Pulled(new, sum(len(manifest.files) for manifest in manifests))
    raise NotYetError(
        f"{missing[0]}: is missing on the cluster, or other than its manifest says; it is "
        "perhaps being written just now: pull again in a minute, or run the workflow there again"
    )


def watch(
    *, seconds: float, connection: Connection, folder: str, into: Path, study: str | None = None
) -> Iterator[Pulled]:
    """Pull repeatedly, for ever; yield each pull that brought something.

    Args:
        seconds: Time between two pulls.
        connection: As for `pull`, and so are the others.
        folder: Results root on the cluster.
        into: Local folder.
        study: One study; None: all.

    Raises:
        UserError: As `pull`, but it waits for what isn't there yet.
    """
    said = ""
    while True:
        try:
            pulled = pull(connection=connection, folder=folder, into=into, study=study)
            if pulled.new:
                yield pulled
        except NotYetError as error:
            if str(error) != said:
                said = str(error)
                print(f"waiting: {said}", file=sys.stderr, flush=True)
        time.sleep(seconds)


def read_pull_settings(path: Path, *, way: str | None = None) -> PullSettings:
    """Read pull.yaml.

    Args:
        path: The file.
        way: jump or tunnel, instead of what the file says.

    Raises:
        UserError: If a value is missing or can't be what it stands for.
    """
    values = dict.fromkeys(KEYS, "") | _texts(path)
    for key in ("gateway", "host", "user", "folder", "into"):
        if not values[key]:
            raise UserError(f"{path}: `{key}` is empty; the lines above it say what to write")
    way = way or values["way"] or "jump"
    if way not in WAYS:
        raise UserError(f"{path}: way: '{way}' is none; write jump or tunnel")
    port = values["tunnel_port"] or "2222"
    if not re.fullmatch("[0-9]{1,5}", port) or not 1024 <= int(port) <= 65535:
        raise UserError(f"{path}: tunnel_port: '{port}' is no port; write 1024 to 65535")
    gateway = _account(
        path, values, "gateway_user" if values["gateway_user"] else "user", "gateway"
    )
    cluster = _account(path, values, "user", "host")
    return PullSettings(
        route=Route(gateway, cluster, int(port) if way == "tunnel" else None),
        folder=values["folder"].removeprefix("~/"),
        into=Path(values["into"]).expanduser(),
    )


def _texts(path: Path) -> dict[str, str]:
    """Read the values of pull.yaml, each as text."""
    values = {}
    for key, value in read_study(path).items():
        if key not in KEYS:
            raise UserError(f"{path}: unknown key '{key}'; allowed: {', '.join(KEYS)}")
        if not isinstance(value, str | None) and key != "tunnel_port":
            raise UserError(f"{path}: {key}: {value} is not taken for text; put it in 'quotes'")
        values[key] = "" if value is None else str(value)
    return values


def by_hand(settings: PullSettings, study: str | None = None) -> list[str]:
    """Return commands that copy figures and reports without this program, and without its checks.

    Args:
        settings: What pull.yaml says.
        study: One study, by scp; None: all, by ssh and tar.
    """
    route = settings.route
    into = settings.into / study if study else settings.into
    lines = [shlex.join(["mkdir", "-p", str(into)])]
    if route.tunnel_port is None:
        return [*lines, _copy_by_hand(settings, study, into, ["-J", str(route.gateway)])]
    socket = ["-S", "~/.ssh/headstart-tunnel"]
    opens = ["ssh", "-f", "-N", "-M", *socket, "-o", "ExitOnForwardFailure=yes"]
    alias = ["-o", f"HostKeyAlias={route.cluster.known_as}"]
    return [
        *lines,
        shlex.join([*opens, "-L", route.forward, *route.gateway.address]),
        _copy_by_hand(settings, study, into, alias),
        shlex.join(["ssh", *socket, "-O", "exit", *route.gateway.address]),
    ]


def _copy_by_hand(settings: PullSettings, study: str | None, into: Path, options: list[str]) -> str:
    cluster = settings.route.cluster
    if settings.route.tunnel_port is not None:
        cluster = Account(cluster.user, LOCAL, settings.route.tunnel_port)
    if study is None:
        remote = f"cd {shlex.quote(settings.folder)} && tar -chf - */figures */{PAGE}"
        sends = shlex.join(["ssh", *options, *cluster.address, remote])
        return f"{sends} | {shlex.join(['tar', '-xf', '-', '-C', str(into)])}"
    # Escaped for the cluster's shell (scp -O, or before OpenSSH 9) and for sftp's globbing alike.
    path = re.sub(r"([^\w@%+=:,./-])", r"\\\1", f"{settings.folder}/{study}")
    port = [] if cluster.port is None else ["-P", str(cluster.port)]
    there = f"{cluster.user}@{cluster.host}:{path}"
    sources = [f"{there}/figures", f"{there}/{PAGE}"]
    return shlex.join(["scp", "-r", *port, *options, *sources, f"{into}/"])


def poll_interval(text: str) -> float:
    """Read a number of seconds from a command line."""
    seconds = float(text)
    if not 1 <= seconds <= 86400:
        raise argparse.ArgumentTypeError("must be between 1 and 86400 seconds")
    return seconds


def _account(path: Path, values: dict[str, str], user_key: str, host_key: str) -> Account:
    user, host = values[user_key], HOST.fullmatch(values[host_key])
    if not USER.fullmatch(user):
        raise UserError(f"{path}: {user_key}: '{user}' is no account's name")
    if host is None:
        raise UserError(
            f"{path}: {host_key}: '{values[host_key]}' is no host; write name or name:port"
        )
    return Account(user, host["host"], int(host["port"]) if host["port"] else None)


def report(pulled: Pulled, into: Path) -> None:
    """Print how many files came, and where they are."""
    print(f"{len(pulled.new)} new of {pulled.files} files, in {into}", flush=True)


def _manifests(connection: Connection, folder: str, study: str | None) -> list[Manifest]:
    there = f"{connection.route.cluster}:{folder}"
    script = LIST.format(folder=shlex.quote(folder), study=shlex.quote(study) if study else "*")
    with connection.session(script) as session:
        if session.word == "missing":
            raise UserError(
                f"{there}: no such folder, or you may not enter it; set `folder` in pull.yaml to "
                "the results root on the cluster"
            )
        if session.word == "none":
            studies = session.lines()
            if study is not None and study not in studies:
                raise NotYetError(
                    f"{there}: holds no study '{study}'; it holds {', '.join(studies) or 'none'}"
                )
            raise NotYetError(
                f"{there}: no figures yet; they come with the first experiment that is done: pull "
                "again then, or let --watch 60 wait for them"
            )
        manifests = [_manifest(name, content) for name, content in session.members()]
    return sorted(manifests, key=lambda manifest: manifest.folder)


def _manifest(name: str, content: bytes) -> Manifest:
    path = PurePosixPath(name)
    try:
        listed = {entry["file"]: entry["sha256"] for entry in json.loads(content)["files"]}
        for part in (*path.parts, *listed):
            # What the cluster says may name nothing outside of the local folder.
            if part in ("", "..") or "/" in part or not part.isprintable():
                raise ValueError(part)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: is no list of files; delete it on the cluster and run the workflow there "
            "again"
        ) from error
    return Manifest(path.parent, content, listed)


def _fetch(connection: Connection, folder: str, into: Path, wanted: dict[str, str]) -> list[Path]:
    """Copy files; leave out those that differ from their manifest."""
    new = []
    paths = shlex.join(f"./{path}" for path in wanted)
    with connection.session(FETCH.format(folder=shlex.quote(folder), paths=paths)) as session:
        for name, content in session.members():
            path = str(PurePosixPath(name))
            if hashlib.sha256(content).hexdigest() == wanted.get(path):
                _write(into / path, content)
                print(f"{path}  {len(content) / 1000:.0f} kB", flush=True)
                new.append(into / path)
    return new


def _keep(manifests: list[Manifest], into: Path) -> None:
    """Write the manifests beside what they list, which is all there."""
    for manifest in manifests:
        path = into / manifest.folder / "manifest.json"
        if not _is_here(path, hashlib.sha256(manifest.content).hexdigest()):
            _write(path, manifest.content)


def _is_here(path: Path, digest: str) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UserError(
            f"{path}: can't be read ({error.strerror}); see `into` in pull.yaml"
        ) from error


def _write(path: Path, content: bytes) -> None:
    try:
        with files.temporary(path) as draft:
            draft.write_bytes(content)
    except OSError as error:
        raise UserError(
            f"{path}: can't be written ({error.strerror}); see `into` in pull.yaml"
        ) from error
