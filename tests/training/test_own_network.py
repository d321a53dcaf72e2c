"""The user's own network: its file, and what it imports."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.common.errors import UserError
from headstart.training import own_network


def test_own_network_file(tmp_path):
    (tmp_path / "my_net.py").touch()
    assert own_network.own_network_file("unet", tmp_path) is None
    assert own_network.own_network_file("my_net.py:Net", tmp_path) == tmp_path / "my_net.py"
    with pytest.raises(UserError, match="is not there"):
        own_network.own_network_file("other.py:Net", tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "nets/my_net.py": "import os\nimport torch\nimport blocks\nfrom parts.deep import Deep\n",
        "nets/blocks.py": "from shapes import SIDE\n",
        "nets/shapes.py": "import blocks\nSIDE = 2\n",
        "nets/parts/__init__.py": "",
        "nets/parts/deep.py": "from . import layers\nfrom ...far import away\n",
        "nets/parts/layers.py": "broken(\n",
        "nets/unused.py": "",
        "blocks.py": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_what_it_imports_from_its_folder_belongs_to_it(project: Path) -> None:
    found = own_network.own_files("nets/my_net.py:Net", project)
    names = ("blocks", "my_net", "parts/__init__", "parts/deep", "parts/layers", "shapes")
    assert found == [project / f"nets/{name}.py" for name in names]
    assert own_network.own_files("unet", project) == []


@pytest.mark.parametrize(
    ("file", "counts"),
    [("nets/shapes.py", True), ("nets/parts/layers.py", True), ("nets/unused.py", False)],
)
def test_an_edit_of_any_of_them_counts(file: str, counts: bool, project: Path) -> None:
    before = own_network.digest("nets/my_net.py:Net", project)
    (project / file).write_text("SIDE = 3\n")
    assert (own_network.digest("nets/my_net.py:Net", project) != before) == counts


@pytest.mark.parametrize("helper", ["random.py", "types.py", "email/blocks.py"])
def test_a_helper_that_python_would_not_find_is_to_be_renamed(helper: str, project: Path) -> None:
    path = project / "nets" / helper
    path.parent.mkdir(exist_ok=True)
    path.write_text("WIDTH = 3\n")
    own_network.own_files("nets/my_net.py:Net", project)  # nobody imports it
    module = helper.removesuffix(".py").replace("/", ".")
    (project / "nets/blocks.py").write_text(f"from {module} import WIDTH\n")
    with pytest.raises(UserError, match=rf"nets/{helper}: Python has .* rename"):
        own_network.own_files("nets/my_net.py:Net", project)


def test_a_network_may_be_called_like_a_module_of_python(project: Path) -> None:
    (project / "nets/test.py").write_text("import blocks\n")
    assert project / "nets/test.py" in own_network.own_files("nets/test.py:Net", project)


def test_the_copy_holds_its_files_and_no_others(project: Path, tmp_path: Path) -> None:
    own_network.copy("nets/my_net.py:Net", project, tmp_path / "copy")
    own_network.copy("unet", project, tmp_path / "copy")
    copied = {path.relative_to(tmp_path / "copy") for path in (tmp_path / "copy").rglob("*.py")}
    own = own_network.own_files("nets/my_net.py:Net", project)
    assert copied == {path.relative_to(project) for path in own}


def test_a_loss_is_told_of_by_its_own_key(project: Path) -> None:
    for name, said in (("../my.py:Loss", "leads out of"), ("my.py:Loss", "is not there")):
        with pytest.raises(UserError, match=rf"^train\.loss: .*{said}"):
            own_network.digest(name, project, own_network.LOSS)
    (project / "nets/random.py").touch()
    (project / "nets/blocks.py").write_text("import random\n")
    with pytest.raises(UserError, match=r"^train\.loss: .*Python has a module random"):
        own_network.digest("nets/my_net.py:Net", project, own_network.LOSS)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        *[(name, True) for name in ("my.py:Loss", "a/my.py:_L2")],
        *[(name, False) for name in ("l1", "", "my:Loss", "my.py:2", "my.py:L()", "a:my.py:Loss")],
    ],
)
def test_what_is_code_of_ones_own(name: str, own: bool) -> None:
    assert own_network.is_own(name) == own
