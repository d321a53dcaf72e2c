"""What every section of the config is made of: types, checks, and one sentence for each mistake."""

from __future__ import annotations

import difflib
import json
import re
import reprlib
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from functools import cache
from typing import Annotated
from typing import Any
from typing import Literal
from typing import TypeVar
from typing import get_args

from pydantic import AfterValidator
from pydantic import BaseModel
from pydantic import BeforeValidator
from pydantic import ConfigDict
from pydantic import Discriminator
from pydantic import Field
from pydantic import StringConstraints
from pydantic import Tag
from pydantic import ValidationError
from pydantic import ValidationInfo
from pydantic import field_validator
from pydantic_core import InitErrorDetails

from headstart.common.errors import UserError
from headstart.common.ordered import without_order

KEY = "[key]"  # pydantic's word behind a key that is wrong itself
NAME = r"^[a-z0-9][a-z0-9-]*$"
COLUMN = r"^[A-Za-z][A-Za-z0-9_]*$"
SPELLINGS = {
    NAME: "must be small letters, digits and hyphens, with a letter or digit first, e.g. my-study",
    COLUMN: "must be letters, digits and underscores, with a letter first, e.g. grey_matter",
}
# A folder has this name, and its path is to stay below what a file system takes.
Name = Annotated[str, Field(pattern=NAME, max_length=100)]
Column = Annotated[str, Field(pattern=COLUMN)]
Positive = Annotated[float, Field(gt=0)]
Length = Annotated[int, Field(gt=0)]
# mm: finer than any microscope of whole brains, coarser than any head has voxels.
Edge = Annotated[float, Field(ge=0.01, le=100)]
Edges = tuple[Edge, Edge, Edge]
Window = tuple[Length, Length, Length]
# Where a word stands for a value of another kind: the tags of the two, which no message shows.
WORD, VALUE = Tag("<word>"), Tag("<value>")


def word_or(word: str, otherwise: str) -> Discriminator:
    """Tell a word from a value of another kind, which one of WORD and VALUE stands for each.

    Args:
        word: The word.
        otherwise: What else it may be, for the message about another word.
    """

    def kind(value: Any) -> str | None:
        if value == word:
            return WORD.tag
        return None if isinstance(value, str) else VALUE.tag

    return Discriminator(
        kind, custom_error_type="word", custom_error_message=f"must be {word}, or {otherwise}"
    )


# Edges of voxels, or those that each scan has.
EdgesOrOwn = Annotated[
    Annotated[Literal["own"], WORD] | Annotated[Edges, VALUE],
    word_or("own", "a list of three lengths in mm, e.g. [2, 2, 2]"),
]
# Voxels of a volume, or each at its own size.
WindowOrOwn = Annotated[
    Annotated[Literal["own"], WORD] | Annotated[Window, VALUE],
    word_or("own", "a list of three lengths, e.g. [96, 112, 96]"),
]


def _relative(path: str) -> str:
    if path.startswith(("/", "~")) or ".." in path.split("/"):
        raise ValueError("must lie inside the data root: a relative path without '..'")
    return path


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError("must be the least, then the most")
    return ends


def is_none(value: Any) -> bool:
    """For `exclude_if`: leave out a key that says nothing, as older records did not have it."""
    return value is None


def once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a list in which nothing is twice; a ValueError says what is."""
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"has {twice[0]!r} twice; keep one")
    return values


Once = AfterValidator(once)

Range = Annotated[tuple[Positive, Positive], AfterValidator(_rising)]
# Why somebody decided so, in words: blanks are none.
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3)]
RelativePath = Annotated[str, AfterValidator(_relative)]


class Section(BaseModel):
    """A part of the config: unknown keys are errors, numbers written as text are understood."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse `yes`, `on` and `true` where a number is due: pydantic takes them for 1."""
        kind = _number_kind(cls, info.field_name or "")
        places = list(_truths(value)) if kind else []
        if places:
            mistakes: list[InitErrorDetails] = [
                {"type": f"{kind}_type", "loc": place, "input": truth} for place, truth in places
            ]
            raise ValidationError.from_exception_data(cls.__name__, mistakes)
        return value


AnySection = TypeVar("AnySection", bound=Section)
# A value of another kind than it must be, in our words; by pydantic's name for the mistake.
KINDS = (
    ("int_", "must be a whole number"),
    ("float_", "must be a number"),
    ("bool_", "must be true or false"),
    ("string_type", "must be text; put it in quotes"),
    ("list_type", "must be a list, e.g. [a, b]"),
    ("tuple_type", "must be a list, e.g. [a, b]"),
    ("dict_type", "must be a section of `key: value` lines"),
    ("mapping_type", "must be a section of `key: value` lines"),
    ("model_type", "must be a section of `key: value` lines"),
)


@cache
def _number_kind(section: type[BaseModel], name: str) -> str:
    """Say whether a field holds whole numbers, `int`, or others, `float`; "" if truths fit too."""
    kinds = set(_leaves(section.model_fields[name].annotation))
    numbers = [kind.__name__ for kind in (int, float) if kind in kinds]
    return numbers[0] if numbers and bool not in kinds else ""


def _leaves(annotation: Any) -> Iterator[Any]:
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for part in inner:
        yield from _leaves(part)


def _truths(value: Any, *place: int) -> Iterator[tuple[tuple[int, ...], bool]]:
    """Yield each truth value among numbers, and where in their list it stands."""
    if isinstance(value, bool):
        yield place, value
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from _truths(part, *place, number)


def _number(value: Any) -> Any:
    """Turn text that is a number into one, at any depth: `--config` and YAML's 1e-3 give text."""
    if isinstance(value, Mapping):
        return {key: _number(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_number(inner) for inner in value]
    if isinstance(value, str) and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", value):
        return float(value) if re.search(r"[.eE]", value) else int(value)
    return value


# Keyword arguments come by name: their order may change nothing, so none is kept.
Arguments = Annotated[dict[str, Any], BeforeValidator(_number), AfterValidator(without_order)]


def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a regular expression; a ValueError says what is wrong with it."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"is not a regular expression ({error})") from error


def _many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


OneOrMany = Annotated[tuple[str, ...], BeforeValidator(_many)]


def validated(section: type[AnySection], raw: Any) -> AnySection:
    """Check a section, and fill in its defaults.

    Raises:
        UserError: If a key is unknown, missing or out of range; one line for each, with the key
            and what is allowed.
    """
    try:
        return section.model_validate(raw)
    except ValidationError as error:
        raise UserError("\n".join(_sentences(error, section))) from None


def read_settings(section: type[AnySection], text: str) -> AnySection:
    """Read the settings that a job's command is given.

    Args:
        section: What the command takes.
        text: Its `--settings`: JSON, as `settings_text` writes it.

    Raises:
        UserError: If it is no JSON, or not what the command takes.
    """
    try:
        return validated(section, json.loads(text))
    except json.JSONDecodeError as error:
        raise UserError(f"--settings: is no JSON ({error})") from None
    except UserError as error:
        raise UserError(
            "\n".join(f"--settings: {line}" for line in str(error).split("\n"))
        ) from None


def settings_text(section: Section) -> str:
    """Write a job's settings as canonical JSON, for its command and to be compared."""
    return canonical_json(section.model_dump(mode="json"))


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same value always gives the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _sentences(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """One sentence per mistake: the key, what is wrong, what is allowed."""
    sentences = []
    mistakes = error.errors()
    for mistake in mistakes:
        if mistake["type"] == "too_short" and len(mistakes) > 1:
            continue  # a list whose entries are wrong is also called too short
        key = _dotted(mistake["loc"]) or "config"
        if mistake["type"] == "extra_forbidden":
            sentences.append(_unknown_key(mistake["loc"], root))
        elif mistake["type"] == "missing" and isinstance(mistake["loc"][-1], int):
            above = mistake["loc"][:-1]
            length = 1 + max(int(one["loc"][-1]) for one in mistakes if one["loc"][:-1] == above)
            told = f"{reprlib.repr(mistake['input'])} is not allowed: must be a list of {length}"
            sentences.append(f"{_dotted(above)}: {told}")
        elif mistake["type"] == "missing":
            sentences.append(f"{key}: this key is missing; see config/README.md")
        elif mistake["type"] == "value_error":
            message = str(mistake["ctx"]["error"])
            sentences.append(message if key == "config" else f"{key}: {message}")
        elif mistake["type"] == "string_pattern_mismatch":
            pattern = mistake["ctx"]["pattern"]
            shown = reprlib.repr(str(mistake["input"]))
            told = SPELLINGS.get(pattern, f"must match {pattern}")
            sentences.append(f"{key}: {shown} is not allowed: {told}")
        else:
            message = mistake["msg"][0].lower() + mistake["msg"][1:]
            message = next((told for kind, told in KINDS if kind in mistake["type"]), message)
            shown = reprlib.repr(mistake["input"])
            told = re.sub(r"^\w+ should", "must", message).replace(" after validation", "")
            sentences.append(f"{key}: {shown} is not allowed: {told}")
    return list(dict.fromkeys(sentences))


def _unknown_key(location: tuple[int | str, ...], root: type[BaseModel]) -> str:
    section = _section_at(location[:-1], root)
    allowed = [field.alias or name for name, field in section.model_fields.items()]
    wanted = str(location[-1])
    near = [f"{name}.{wanted}" for name in allowed if wanted in _keys_below(section, name)]
    near = near or difflib.get_close_matches(wanted, allowed, n=1)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return f"{_dotted(location)}: unknown key; {hint}allowed: {', '.join(allowed)}"


def _keys_below(section: type[BaseModel], key: str) -> set[str]:
    """Return the keys of the section that a key holds, if it holds one."""
    field = section.model_fields.get(key)
    annotation = None if field is None else field.annotation
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return set()
    return set(annotation.model_fields)


def _dotted(location: Sequence[int | str]) -> str:
    """Write where a key stands: `data[0].source`."""
    told = [part for part in location if part not in (WORD.tag, VALUE.tag, KEY)]
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in told]
    return "".join(parts).removeprefix(".")


def _section_at(location: tuple[int | str, ...], root: type[BaseModel]) -> type[BaseModel]:
    """Return the section that holds a key; names and list positions on the way are passed over."""
    section = root
    for part in location:
        field = section.model_fields.get(str(part))
        if field is not None:
            section = next(sections_in(field.annotation), section)
    return section


def sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections that a key's type holds, e.g. Source for a list of sources."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from sections_in(inner)
