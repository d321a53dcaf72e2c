"""The reader of flat settings: what it takes is YAML with the same meaning."""

from __future__ import annotations

import yaml
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from headstart.parts.errors import UserError
from headstart.parts.flat import parse_flat

KEYS = ("a", "b", "c")

signs = st.text(st.sampled_from("ab1 :#'\"\\-?&*!|>%@`,[]{}~=<.é\t\r"), max_size=12)


@given(st.lists(st.tuples(st.sampled_from(["a:", "b: ", "# ", "", " ", "c :"]), signs), max_size=4))
@example([("b: ", "a: b")])
@example([("b: ", "a #b")])
def test_every_line_that_is_taken_is_yaml(lines: list[tuple[str, str]]) -> None:
    text = "\n".join(begin + rest for begin, rest in lines)
    try:
        values = parse_flat(text, KEYS, name="x")
    except UserError:
        return
    assert values == (yaml.load(text, Loader=yaml.BaseLoader) or {})


@given(st.dictionaries(st.sampled_from(KEYS), st.text()))
def test_every_value_can_be_written(values: dict[str, str]) -> None:
    values = {key: value for key, value in values.items() if value.isprintable()}
    lines = [
        f"{key}: '{value.replace(chr(39), chr(39) * 2)}' # ''" for key, value in values.items()
    ]
    assert parse_flat("\n".join(lines), KEYS, name="x") == values
