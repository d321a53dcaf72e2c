"""The key `start`: weights that a training begins from in place of random ones."""

from __future__ import annotations

from pathlib import Path
from pathlib import PurePath
from typing import Annotated
from typing import Any
from typing import Literal

from pydantic import BeforeValidator
from pydantic import ConfigDict
from pydantic import Field

from headstart.common import files
from headstart.common.errors import UserError
from headstart.common.ordered import Ordered
from headstart.common.schema import Once
from headstart.common.schema import Section

# What files of weights are called.
ENDINGS = (".safetensors", ".pt", ".pth", ".p", ".ckpt")
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Start(Section):
    """Where a training begins; a name alone is short for `{from: NAME}`."""

    model_config = ConfigDict(serialize_by_alias=True)

    origin: str = Field(
        alias="from",
        min_length=1,
        description="an experiment of this study, whose network of the same fold and seed is "
        "trained first and has seen nobody of the held-out fold; a file of weights, "
        f"{', '.join(ENDINGS[:3])}, whose path starts at the project's folder; or a name in the "
        "catalogue of weights, workflow/headstart/training/weights.yaml. A network that has seen "
        "a held-out or test subject is refused",
    )
    sha256: Sha256 | None = Field(
        None,
        description="sha256 of the weights' file, 64 hex digits; asked for where the catalogue has "
        "none, else another file than this one is refused",
    )
    freeze: Annotated[tuple[str, ...], Once] = Field(
        (),
        description="modules whose weights and batch-norm statistics stay as they are, by name or "
        "pattern, e.g. [features] or ['layer[12]']; for a few dozen scans freeze all but the last "
        "blocks",
    )
    rate: Ordered[str, Annotated[float, Field(gt=0, le=1000)]] = Field(
        {},
        description="factor of the learning rate, above 0, at most 1000, by module, e.g. "
        "{features: 0.1}; the others have 1",
    )

    @property
    def is_file(self) -> bool:
        """Whether it names a file of weights."""
        return PurePath(self.origin).suffix in ENDINGS

    def digest(self, path: Path, key: str) -> str:
        """Digest its weights.

        Args:
            path: Their file.
            key: Key of the config that names it, for the message.

        Raises:
            UserError: If the file is not there, or another one than the study says.
        """
        if not path.is_file():
            raise UserError(f"{key}: {path} is not there; its path starts at the project's folder")
        sha256 = files.sha256(path)
        if self.sha256 not in (None, sha256):
            raise UserError(
                f"{key}: {path} has the sha256 {sha256}, not {self.sha256}; put the right file "
                "there, or state the new sha256 once you trust it"
            )
        return sha256


def _start(value: Any) -> Any:
    return {"from": value} if isinstance(value, str) else value


AnyStart = Annotated[Start, BeforeValidator(_start, json_schema_input_type=str | Start)]


class StartCard(Section):
    """What a network began from, for its model card.

    Attributes:
        kind: Whether it is a network of the study's own, a file, or one of the catalogue.
        name: The experiment, the file, or the name in the catalogue.
        weights_sha256: Digest of the weights.
        share: Share of the network's weights that it took over, but for those of another output.
        taken: How many tensors it took over.
        adapted: Those of them that were adapted, and how.
        new: Tensors that stayed random, and why.
        left_out: Tensors that it had no place for.
        frozen: Modules that stayed as they were.
        known: Whether it is known which scans its weights have seen.
        seen: Digests of the scans that they have seen.
        cohorts: Whom they were trained on, in words; "" if that is not known.
        licence: Their licence, where the catalogue has it.
        cite: What to cite for them, likewise.
    """

    kind: Literal["experiment", "file", "catalogue"]
    name: str
    weights_sha256: str
    share: float
    taken: int
    adapted: dict[str, str]
    new: dict[str, str]
    left_out: tuple[str, ...]
    frozen: tuple[str, ...]
    known: bool
    seen: tuple[str, ...]
    cohorts: str = ""
    licence: str = ""
    cite: str = ""
