"""The user's own network or loss as code: run with the modules of its own folder."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from headstart.common.errors import UserError
from headstart.common.machine_errors import is_of_machine
from headstart.training import own_network


class OwnModules:
    """The modules of one network or loss of the user's own.

    Several may be at work in one process, each with another `helper.py` beside it. So
    modules of its folder can be imported only while its own code runs, and nobody else
    finds them.
    """

    def __init__(self, name: str, folder: Path, key: str = own_network.NETWORK) -> None:
        """Remember which one it is.

        Args:
            name: FILE.py:CLASS.
            folder: Where a relative FILE.py is looked up.
            key: Key of the config that names it, for messages.
        """
        self.name, self.key = name, key
        self.file, _, self.class_name = name.rpartition(":")
        self.path = (folder / self.file).resolve()
        self.helpers = own_network.helpers(name, folder)
        self.modules: dict[str, ModuleType] = {}

    def load(self) -> Any:
        """Run its file.

        Returns:
            The class that the name speaks of.

        Raises:
            UserError: If the file fails, or there is no such class.
        """
        for taken in sorted(self.helpers & sys.modules.keys()):
            raise UserError(
                f"{self.key}: {self.file} imports {taken}, which is also the name of a package "
                f"that is in use here; rename your {taken}"
            )
        module = ModuleType("own_network")
        module.__file__ = str(self.path)
        with self.at_work("can't be loaded"):
            sys.modules[module.__name__] = module
            exec(  # noqa: S102 the user's own code
                compile(self.path.read_bytes(), self.path, "exec"), module.__dict__
            )
        if not hasattr(module, self.class_name):
            raise UserError(f"{self.key}: {self.file} has no class {self.class_name}")
        return getattr(module, self.class_name)

    @contextmanager
    def at_work(self, fault: str) -> Iterator[None]:
        """Let the code find its modules, and say in one sentence how it fails.

        Args:
            fault: What it can't do if the block fails.

        Raises:
            UserError: If the block fails, unless the computer refused something.
        """
        others = set(sys.modules)
        folder = str(self.path.parent)
        # what was compiled counts as that of a file edited within the second, of the same size
        writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        sys.path.insert(0, folder)
        sys.modules.update(self.modules)
        try:
            yield
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            if is_of_machine(error):
                raise
            raise UserError(f"{self.key}: {self.name} {fault}: {self._said(error)}") from error
        finally:
            sys.dont_write_bytecode = writes
            if folder in sys.path:  # the network's code may change it too
                sys.path.remove(folder)
            own = {name for name in sys.modules.keys() - others if self._is_own(name)}
            self.modules |= {name: sys.modules.pop(name) for name in own}

    def _is_own(self, name: str) -> bool:
        """Whether a module lies in the network's folder; one below, .venv say, may hold others."""
        top = getattr(sys.modules.get(name.partition(".")[0]), "__dict__", {})
        places = list(top.get("__path__") or ()) or [top.get("__file__") or ""]
        return any(Path(place).parent == self.path.parent for place in places)

    def _said(self, error: BaseException) -> str:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        frames = traceback.extract_tb(error.__traceback__)
        lines = [
            f" ({Path(frame.filename).relative_to(self.path.parent)}, line {frame.lineno})"
            for frame in frames
            if Path(frame.filename).is_relative_to(self.path.parent)
        ]
        return words + "".join(lines[-1:]) + self._advice(error)

    def _advice(self, error: BaseException) -> str:
        if isinstance(error, ImportError):
            return (
                "; it can import the packages that are installed here, and files beside "
                f"{self.file} that are imported plainly at the top of a file (`import NAME`): no "
                "others are copied for a job"
            )
        if isinstance(error, FileNotFoundError):
            return (
                f"; if it lies beside {self.file}: a data file is not copied for a job; write its "
                "values into a .py file there, and import that"
            )
        return ""
