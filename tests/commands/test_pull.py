"""Pull: through a real gateway to a real sshd, both ways, with everything that can go wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sshd.world import CLUSTER_PASSWORD
from sshd.world import GATEWAY_PASSWORD
from sshd.world import PATH
from sshd.world import World
from sshd.world import make_world
from sshd.world import on_terminal
from sshd.world import wait_for

from headstart.cluster.pull import KEYS
from headstart.cluster.pull import read_pull_settings
from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.strict_yaml import load
from headstart.figures.manifest import manifest

PROJECT = Path(__file__).parents[2]
PASSWORDS = {"gwen": GATEWAY_PASSWORD, "carl": CLUSTER_PASSWORD}
AGE = "ixi/figures/age/curves.pdf"
FLOW = "ixi/figures/cohort/flow.pdf"
PAGE = "ixi/report.html"
FIGURES = {
    AGE: b"%PDF age" * 900,
    FLOW: b"%PDF flow" * 9,
    PAGE: b"<!DOCTYPE html>",
    "demo/figures/sex/curves.pdf": b"%PDF",
}
NASTY = """Anna's "big" $HOME `id` \\ *; é"""

pytestmark = pytest.mark.slow

both_ways = pytest.mark.parametrize("way", ["jump", "tunnel"])


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if shutil.which("sshd", path=PATH) is None and "CI" not in os.environ:
        pytest.skip("needs sshd: sudo apt-get install openssh-server")
    with make_world(tmp_path_factory.mktemp("hosts")) as world:
        yield world


@pytest.fixture
def world(hosts: World) -> World:
    hosts.reset()
    return hosts


@pytest.fixture
def isolated(world: World) -> World:
    if not world.isolated:
        pytest.skip("needs network namespaces: run as root where `unshare --net` works")
    return world


def pull(
    world: World, path: Path, *words: str, seconds: tuple[int, int] | None = None, **changes: str
) -> subprocess.CompletedProcess[str]:
    config = world.config(path, **changes)
    return subprocess.run(
        world.command("--config", str(config), *words, seconds=seconds),
        env=world.environment(path),
        capture_output=True,
        text=True,
        timeout=60,
    )


def local(path: Path) -> dict[str, bytes]:
    """All local files but manifests."""
    here = path / "here"
    found = {str(p.relative_to(here)): p.read_bytes() for p in here.rglob("*") if p.is_file()}
    return {name: content for name, content in found.items() if "manifest.json" not in name}


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that tells of a fault."""
    assert done.returncode == 2, done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("connecting to")]
    assert len(said) == 1
    assert said[0].startswith("headstart: ")
    print("SAID", said[0])
    return said[0]


# -- what it fetches


@both_ways
def test_brings_what_is_new(world: World, tmp_path: Path, way: str) -> None:
    world.draw(FIGURES)
    assert pull(world, tmp_path, "--way", way).stdout.endswith(
        f"4 new of 4 files, in {tmp_path}/here\n"
    )
    assert local(tmp_path) == FIGURES
    there = (world.results / AGE).with_name("manifest.json").read_bytes()
    assert (tmp_path / "here" / AGE).with_name("manifest.json").read_bytes() == there
    assert pull(world, tmp_path, "--way", way).stdout.startswith("0 new of 4 files")

    world.draw({AGE: b"%PDF redrawn"})
    (tmp_path / "here" / FLOW).write_bytes(b"damaged")
    (tmp_path / "here" / "notes.txt").write_bytes(b"mine")
    done = pull(world, tmp_path, "--way", way)
    assert done.stdout.startswith(f"{AGE}  0 kB\n{FLOW}  0 kB\n2 new of 4"), done.stderr
    assert local(tmp_path) == {**FIGURES, AGE: b"%PDF redrawn", "notes.txt": b"mine"}


def test_one_study_only(world: World, tmp_path: Path) -> None:
    world.draw(FIGURES)
    assert "3 new of 3" in pull(world, tmp_path, "--study", "ixi").stdout
    assert set(local(tmp_path)) == {AGE, FLOW, PAGE}


@both_ways
def test_spaces_and_quotes(world: World, tmp_path: Path, way: str) -> None:
    figures = {f"ixi/figures/{NASTY}/{NASTY}.pdf": b"%PDF 1", "ixi/figures/-x/-y z.pdf": b"%PDF 2"}
    world.draw(figures, results=world.home / NASTY)
    there = str(world.home / NASTY) if not world.isolated else NASTY
    done = pull(world, tmp_path, "--way", way, folder=there, into=str(tmp_path / "here"))
    assert done.returncode == 0, done.stderr
    assert local(tmp_path) == figures


def test_greetings_of_the_login_shell(isolated: World, tmp_path: Path) -> None:
    isolated.draw(FIGURES)
    (isolated.home / ".bashrc").write_text("echo Welcome; printf 'no newline'; echo odd >&2\n")
    assert "4 new of 4" in pull(isolated, tmp_path).stdout


def test_reads_what_plot_writes(world: World, tmp_path: Path) -> None:
    world.draw(FIGURES)
    folder = (world.results / AGE).parent
    files.write_json(folder / "manifest.json", manifest("ixi", [folder / "curves.pdf"]))
    assert "4 new of 4" in pull(world, tmp_path).stdout


# -- passwords


@both_ways
def test_each_password_is_asked_for_once(isolated: World, tmp_path: Path, way: str) -> None:
    isolated.draw(FIGURES)
    config = isolated.config(tmp_path)
    code, shown, prompts = on_terminal(
        isolated.command("--config", str(config), "--way", way),
        isolated.environment(tmp_path, key=False),
        PASSWORDS,
    )
    assert code == 0, shown
    assert prompts == ["gwen@gateway.test's password:", "carl@cluster.test's password:"]
    assert local(tmp_path) == FIGURES


@both_ways
@pytest.mark.parametrize("wrong", ["gwen", "carl"])
def test_wrong_password(isolated: World, tmp_path: Path, way: str, wrong: str) -> None:
    isolated.draw(FIGURES)
    config = isolated.config(tmp_path)
    answers = tmp_path / "askpass"
    answers.write_text(
        f'#!/bin/sh\necho "$1" >> {tmp_path}/prompts\ncase $1 in\n*{wrong}*) echo wrong ;;\n'
        f"*gwen*) echo '{GATEWAY_PASSWORD}' ;;\n*) echo '{CLUSTER_PASSWORD}' ;;\nesac\n"
    )
    answers.chmod(0o755)
    environment = isolated.environment(tmp_path, key=False)
    done = subprocess.run(
        isolated.command("--config", str(config), "--way", way),
        env={**environment, "SSH_ASKPASS": str(answers), "SSH_ASKPASS_REQUIRE": "force"},
        capture_output=True,
        text=True,
    )
    host = {"gwen": "gateway.test", "carl": "cluster.test"}[wrong]
    assert sentence(done).startswith(f"headstart: {host}: does not let '{wrong}' in (wrong pass")
    prompts = (tmp_path / "prompts").read_text().splitlines()
    assert len(prompts) == (3 if wrong == "gwen" else 4)  # ssh gives three attempts


# -- faults before anything is copied: what changes in pull.yaml, and the sentence

KEY_FAULTS = {
    "gateway's key changed": (("stranger", "cluster"), "{gateway}: its host key is not the one"),
    "cluster's key changed": (("gateway", "stranger"), "{host}: its host key is not the one"),
    "gateway's key unknown": (("", "cluster"), "{gateway}: its host key is not known"),
    "cluster's key unknown": (("gateway", ""), "{host}: its host key is not known"),
}
FAULTS = {
    "no such gateway": ({"gateway": "no.invalid"}, "no.invalid: no host of this name is known; "),
    "no such host": ({"host": "no.invalid"}, "no.invalid: no host of this name is known from "),
    "gateway without sshd": ({"gateway": "{gateway}:9"}, "{gateway}: is there, but no ssh"),
    "host without sshd": ({"host": "{host}:9"}, "{host}: is there, but no ssh server answers fr"),
    "no such folder": ({"folder": "no/such"}, "no/such: no such folder, or you may not enter"),
}
ISOLATED_FAULTS = {
    "mute gateway": ({"gateway": "mute-gateway.test"}, "mute-gateway.test: gives no answer; check"),
    "mute host": ({"host": "mute-cluster.test"}, "mute-cluster.test: gives no answer from gat"),
    "gateway forbids": ({"gateway_user": "nora"}, "gateway.test: does not let connections thro"),
}


def names(world: World) -> dict[str, str]:
    return {key: world.settings[key].partition(":")[0] for key in ("gateway", "host")}


@both_ways
@pytest.mark.parametrize("fault", KEY_FAULTS)
def test_host_keys(world: World, tmp_path: Path, way: str, fault: str) -> None:
    keys, says = KEY_FAULTS[fault]
    # What the user's config allows is not allowed here.
    careless = "StrictHostKeyChecking no\nNoHostAuthenticationForLocalhost yes"
    environment = world.environment(tmp_path, known=world.known(*keys), more=careless)
    words = world.command("--config", str(world.config(tmp_path)), "--way", way)
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert says.format(**names(world)) in sentence(done)
    assert (tmp_path / "known_hosts").read_text() == world.known(*keys)


@both_ways
@pytest.mark.parametrize("fault", [*FAULTS, *ISOLATED_FAULTS])
def test_faults(
    world: World, tmp_path: Path, request: pytest.FixtureRequest, way: str, fault: str
) -> None:
    if fault in ISOLATED_FAULTS:
        request.getfixturevalue("isolated")
    changes, says = {**FAULTS, **ISOLATED_FAULTS}[fault]
    changes = {key: value.format(**names(world)) for key, value in changes.items()}
    done = pull(world, tmp_path, "--way", way, seconds=(2, 1), **changes)
    assert says.format(**names(world)) in sentence(done)


@both_ways
def test_no_figures_yet(world: World, tmp_path: Path, way: str) -> None:
    (world.results / "ixi").mkdir(parents=True)
    assert "no figures yet" in sentence(pull(world, tmp_path, "--way", way))
    said = sentence(pull(world, tmp_path, "--way", way, "--study", "oasis"))
    assert "holds no study 'oasis'; it holds ixi" in said


@both_ways
def test_no_ssh(world: World, tmp_path: Path, way: str) -> None:
    words = world.command("--config", str(world.config(tmp_path)), "--way", way)
    environment = {**world.environment(tmp_path), "PATH": str(tmp_path)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert "ssh: is not installed" in sentence(done)


def test_port_in_use(world: World, tmp_path: Path) -> None:
    port = world.settings.get("tunnel_port", "2222")
    listen = f"import socket; s = socket.create_server(('127.0.0.1', {port})); print(); input()"
    words = [*world.prefix, sys.executable, "-c", listen]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        said = sentence(pull(world, tmp_path, "--way", "tunnel"))
        other.communicate(b"\n")
    assert f"port {port} of this machine is in use" in said


def test_into_is_a_file(world: World, tmp_path: Path) -> None:
    world.draw(FIGURES)
    (tmp_path / "here").write_text("in the way")
    assert "see `into` in pull.yaml" in sentence(pull(world, tmp_path))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"files": [{}]}', '{"files": [{"file": "../../x.pdf", "sha256": "0"}]}']
)
def test_manifest_that_is_none(world: World, tmp_path: Path, text: str) -> None:
    world.draw(FIGURES)
    (world.results / "ixi/figures/age/manifest.json").write_text(text)
    said = sentence(pull(world, tmp_path))
    assert "headstart: ixi/figures/age/manifest.json: is no list of files" in said


# -- faults in mid-copy


@both_ways
def test_replaced_while_it_is_copied(world: World, tmp_path: Path, way: str) -> None:
    old, new = b"old" * 1_000_000, b"new" * 1_000_000
    world.draw({AGE: old, FLOW: FIGURES[FLOW]})
    world.draw({AGE: new}, results=world.home / "new")
    home = world.seen_home
    # The first time: the head of the old file, the tail of the new.
    world.on_tar(
        f'mkdir {home}/once || {{ mkdir {home}/again; exec /usr/bin/tar "$@"; }}\n'
        f'/usr/bin/tar "$@" | (head -c 500000; cp -r {home}/new/. {home}/results; cat)'
    )
    done = pull(world, tmp_path, "--way", way)
    assert done.returncode == 0, done.stderr
    assert local(tmp_path) == {AGE: new, FLOW: FIGURES[FLOW]}
    assert (world.home / "again").is_dir()


def test_never_fits_its_manifest(world: World, tmp_path: Path) -> None:
    world.draw(FIGURES)
    (world.results / AGE).write_bytes(b"%PDF of which no manifest knows")
    (world.results / FLOW).unlink()
    said = sentence(pull(world, tmp_path))
    assert f"{AGE}: is missing on the cluster, or other than its manifest says" in said
    assert set(local(tmp_path)) == {PAGE, "demo/figures/sex/curves.pdf"}


@both_ways
def test_connection_is_cut_in_mid_copy(world: World, tmp_path: Path, way: str) -> None:
    world.draw({**FIGURES, "ixi/figures/z/long.pdf": b"z" * 3_000_000})
    # Kill the sshd that serves this session: the parent of the script's shell.
    world.on_tar('/usr/bin/tar "$@" | head -c 900000; kill -9 $(cut -d" " -f4 /proc/$PPID/stat)')
    said = sentence(pull(world, tmp_path, "--way", way))
    assert "the connection was lost" in said
    assert local(tmp_path) == FIGURES  # whole ones only, no draft


@both_ways
def test_cable_is_cut_in_mid_copy(isolated: World, tmp_path: Path, way: str) -> None:
    isolated.draw({**FIGURES, "ixi/figures/z/long.pdf": b"z" * 3_000_000})
    isolated.on_tar('/usr/bin/tar "$@" | head -c 900000; sleep 60')
    words = isolated.command(
        "--config", str(isolated.config(tmp_path)), "--way", way, seconds=(5, 1)
    )
    environment = isolated.environment(tmp_path)
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: set(local(tmp_path)) == set(FIGURES))
        isolated.root("ip link set outside down")
        _, stderr = process.communicate(timeout=30)
        isolated.root("ip link set outside up")
        isolated.root("ip neigh replace 10.88.1.99 lladdr 02:00:00:00:00:99 dev outside nud perm")
    assert process.returncode == 2
    assert "the connection was lost" in stderr
    print("SAID", stderr.splitlines()[-1])
    assert local(tmp_path) == FIGURES


# -- watching


def processes(world: World) -> list[str]:
    """The programs that run in the client's process namespace."""
    words = [*world.prefix, "sh", "-c", "cat /proc/[0-9]*/stat"]
    stats = subprocess.run(words, capture_output=True, text=True).stdout.splitlines()
    return [stat.split()[1].strip("()") for stat in stats if stat.split()[2] != "Z"]


@both_ways
def test_watch(world: World, tmp_path: Path, way: str) -> None:
    world.results.mkdir()
    config = str(world.config(tmp_path))
    with subprocess.Popen(
        world.command("--config", config, "--way", way, "--watch", "1"),
        env=world.environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        while "waiting: " not in (line := process.stderr.readline()):
            assert line
        world.draw(FIGURES)
        wait_for(lambda: local(tmp_path) == FIGURES)
        world.draw({AGE: b"%PDF redrawn"})
        wait_for(lambda: local(tmp_path)[AGE] == b"%PDF redrawn")
        os.killpg(process.pid, signal.SIGINT)  # Ctrl-C
        stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 0, stderr
    assert stderr == "stopped; every file that arrived is whole\n"
    assert "4 new of 4 files" in stdout
    if world.isolated:
        # it was told to close, which takes it a moment
        wait_for(lambda: "ssh" not in processes(world))


def test_kill_9(isolated: World, tmp_path: Path) -> None:
    config = isolated.config(tmp_path, way="tunnel")
    script = (
        "import os; from pathlib import Path; from headstart.cluster import ssh as tunnel; "
        f"from headstart.cluster.pull import read_pull_settings; tunnel.SHORT = {str(tmp_path)!r}\n"
        f"route = read_pull_settings(Path({str(config)!r})).route\n"
        "with tunnel.connect(route, idle=1): os.kill(os.getpid(), 9)"
    )
    words = [*isolated.prefix, sys.executable, "-c", script]
    # a process that entered another namespace without a fork can't start threads
    environment = isolated.environment(tmp_path) | {"OPENBLAS_NUM_THREADS": "1"}
    assert subprocess.run(words, env=environment).returncode in (-9, 137)
    assert "ssh" in processes(isolated)
    # Nothing stays behind for longer than `idle`.
    wait_for(lambda: "ssh" not in processes(isolated))


# -- by hand


@both_ways
@pytest.mark.parametrize("scp", ["scp", "scp -O", "ssh"])
def test_printed_lines_do_the_same(world: World, tmp_path: Path, way: str, scp: str) -> None:
    study = [] if scp == "ssh" else ["--study", "ixi"]
    folder = NASTY.replace("\\ *; ", "")
    world.draw(FIGURES, results=world.home / folder)
    there = folder if world.isolated else str(world.home / folder)
    printed = pull(world, tmp_path, "--way", way, "--print", *study, folder=there).stdout
    print(printed)
    lines = printed.replace("~/.ssh/headstart-tunnel", str(tmp_path / "socket"))
    assert "StrictHostKeyChecking" not in lines
    words = [*world.prefix, "sh", "-ec", lines.replace("scp -r", f"{scp} -r")]
    environment = world.environment(tmp_path)
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert local(tmp_path).items() >= {path: FIGURES[path] for path in (AGE, FLOW, PAGE)}.items()


# -- pull.yaml


def test_shipped_config(tmp_path: Path) -> None:
    text = (PROJECT / "config/pull.yaml").read_text()
    assert set(load(text)) == set(KEYS)
    with pytest.raises(UserError, match="`user` is empty"):
        read_pull_settings(PROJECT / "config/pull.yaml")
    filled = tmp_path / "pull.yaml"
    filled.write_text(text.replace("user:\n", "user: alice\n").replace("folder:", "folder: ~/r s"))
    settings = read_pull_settings(filled)
    assert str(settings.route.gateway) == "alice@knuckles.cs.ucl.ac.uk"
    assert str(settings.route.cluster) == "alice@comic.cs.ucl.ac.uk"
    assert settings.folder == "r s"
    assert settings.route.tunnel_port is None
    tunnel = read_pull_settings(filled, way="tunnel").route
    assert tunnel.forward == "127.0.0.1:2222:comic.cs.ucl.ac.uk:22"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("gateway: -oProxyCommand=id", "gateway: '-oProxyCommand=id' is no host"),
        ("gateway: '-oProxyCommand=id'", "gateway: '-oProxyCommand=id' is no host"),
        ("host: a b", "host: 'a b' is no host"),
        ("user: $(id)", "user: '$(id)' is no account"),
        ("way: fly", "way: 'fly' is none"),
        ("tunnel_port: 22", "tunnel_port: '22' is no port"),
        ("gatway: x", "unknown key 'gatway'; allowed: gateway, "),
        ("user: 83", "user: 83 is not taken for text; put it in 'quotes'"),
        ("user: 0123", "line 1: '0123' is the number 83 to YAML; put it in quotes"),
        ("folder: [a, b]", "folder: ['a', 'b'] is not taken for text"),
        ("folder: 'open", "not YAML"),
        ("- gateway", "not YAML"),
        ("host: other\nhost: h", "host"),
    ],
)
def test_mistakes_in_the_config(tmp_path: Path, line: str, says: str) -> None:
    right = {"gateway": "g", "host": "h", "user": "u", "folder": "f", "into": "i"}
    rest = [f"{key}: {value}" for key, value in right.items() if not line.startswith(f"{key}:")]
    path = tmp_path / "pull.yaml"
    path.write_text("\n".join([line, *rest]))
    with pytest.raises(UserError) as caught:
        read_pull_settings(path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_config_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not there"):
        read_pull_settings(tmp_path / "none.yaml")
