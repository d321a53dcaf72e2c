"""The config for its readers: a JSON schema, the tables in config/README.md, TorchIO's names."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Iterator
from types import UnionType
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from headstart.common.schema import sections_in
from headstart.imaging.rejection_codes import REASONS
from headstart.study.config import Config

CODES = """## Codes of rejected scans

`reason` in check/rejected.csv, and `reason` and `also` in check/summary.csv, the worst first. What
is acceptable may be kept by hand with `check.accept`: one scan by its `subject`, or all by the
`code`."""
BEGIN = "<!-- the keys, written by `headstart schema --write` -->"


def schema() -> str:
    """Return the JSON schema of the config as text."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def with_keys(readme: str) -> str:
    """Return config/README.md with the tables of keys and of codes made again after its marker."""
    lines = [BEGIN, "", "| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{key}` | {kind} | {default} | {meaning} |" for key, kind, default, meaning in _keys()
    ]
    lines += ["", CODES, "", "| code | meaning | fix | acceptable |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{code}` | {one.meaning} | {one.fix} | {'yes' if one.acceptable else 'no'} |"
        for code, one in REASONS.items()
    ]
    return readme.split(BEGIN)[0] + "\n".join(lines) + "\n"


def torchio_transforms() -> dict[str, list[str]]:
    """Return the arguments of each of TorchIO's random transforms by class name."""
    import torchio
    from torchio.transforms.augmentation.random_transform import RandomTransform

    found = {}
    for name, value in sorted(vars(torchio).items()):
        # RandomLabelsToImage makes an image from a mask: no augmentation of a scan
        if not inspect.isclass(value) or name in ("RandomTransform", "RandomLabelsToImage"):
            continue
        if issubclass(value, RandomTransform):
            own = inspect.signature(value.__init__).parameters.values()
            named = [p.name for p in own if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
            found[name] = [*(argument for argument in named if argument != "self"), "p"]
    return found


def _keys(
    section: type[BaseModel] = Config, prefix: str = ""
) -> Iterator[tuple[str, str, str, str]]:
    for name, field in section.model_fields.items():
        key, kind = f"{prefix}{field.alias or name}", _kind(field.annotation)
        yield key, kind, _default(field), (field.description or "").replace("|", "\\|")
        below = key + {"names": ".NAME.", "list": "[]."}.get(kind, ".")
        for subsection in sections_in(field.annotation):
            yield from _keys(subsection, below)


def _kind(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    words = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    if annotation in words:
        return words[annotation]
    if origin is typing.Annotated:
        return _kind(typing.get_args(annotation)[0])
    if origin is typing.Literal:
        return " or ".join(f"`{choice}`" for choice in typing.get_args(annotation))
    if origin in (typing.Union, UnionType):
        kinds = [_kind(a) for a in typing.get_args(annotation) if a is not type(None)]
        return " or ".join(dict.fromkeys(kinds))
    if origin is tuple:
        arguments = typing.get_args(annotation)
        return "list" if arguments[-1] is Ellipsis else f"list of {len(arguments)}"
    return "names" if origin is dict else "section"


def _default(field: Any) -> str:
    if field.default is PydanticUndefined:
        return "must be given"
    if isinstance(field.default, BaseModel):
        return "below"
    if field.default is None or field.default in ((), {}, ""):
        return ""
    return f"`{json.dumps(field.default)}`"
