"""The one reader of study files: what it refuses, and in which line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headstart.common.errors import UserError
from headstart.common.strict_yaml import load
from headstart.common.strict_yaml import overlay
from headstart.common.strict_yaml import read_study

CODE = 'study: ?__import__("os").system("touch RAN")\n'
SELF = "a: &a [1, *a]\n"
SCALARS = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner), max_leaves=9
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("study: a\nsplit: {}\nstudy: b\n", "line 3: 'study' is there already, in line 1"),
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", "line 4: 'b' is there already, in line 2"),
        ("a: {b: 1,\n  b: 2}\n", "line 2: 'b' is there already, in line 1"),
        ('classes:\n  "1": grey\n  1: white\n', "line 3: '1' is there already, in line 2"),
        ('{"a": 1,\n "a": 2}', "line 2: 'a' is there already, in line 1"),
        ("- x\n- a: 1\n  a: 2\n", "line 3: 'a' is there already, in line 2"),
        ("a:\n\tb: 1\n", "line 2: not YAML"),
        ("a:\n\tb: 1\n", "indent with spaces, not with tabs"),
        ("a: [1,\nb: 2}\n", "line 2: not YAML"),
        ("a: 1\n---\nb: 2\n", "line 2: not YAML"),
        ("a: !!python/object:os.system x", "line 1: not YAML"),
        ("{[a]: b}", "line 1: not YAML"),
        ("{1: grey,\n 1.0: white}", "line 2: '1.0' is there already, in line 1"),
        ("{0.5: a,\n .50: b}", "line 2: '.50' is there already, in line 1"),
        ("a: 1\nb: {1: grey, 01: white}", "line 2: '01' is the number 1 to YAML; put it in quotes"),
        ("{010: a, 8: b}", "line 1: '010' is the number 8 to YAML; put it in quotes, or write 8"),
        ("{0x1F: a}", "line 1: '0x1F' is the number 31 to YAML"),
        ("{0b11: a}", "line 1: '0b11' is the number 3 to YAML"),
        ("{12:30: a}", "line 1: '12:30' is the number 750 to YAML"),
        ("{1:30.5: a}", "line 1: '1:30.5' is the number 90.5 to YAML"),
        ("{-017: a}", "line 1: '-017' is the number -15 to YAML"),
        ("exclude:\n- subject: 0012", "line 2: '0012' is the number 10 to YAML"),
        ("a: 12:30:45", "line 1: '12:30:45' is the number 45045 to YAML"),
        ("a: [1, 007]", "line 1: '007' is the number 7 to YAML"),
        ("a: !!int '010'", "line 1: '010' is the number 8 to YAML"),
        ("{yes: a}", "line 1: the key 'yes' is no text to YAML; put it in quotes"),
        ("{Off: a}", "line 1: the key 'Off' is no text"),
        ("{null: a}", "line 1: the key 'null' is no text"),
        ("{~: a}", "line 1: the key '~' is no text"),
        ("{2020-01-02: a}", "line 1: the key '2020-01-02' is no text"),
        ("{.nan: a}", "line 1: the key '.nan' is no text"),
        ("a: \0", "not YAML"),
        ("a: 1\nb: 2020-13-45\n", "line 2: '2020-13-45' can't be read: month must be in 1..12"),
        ("a: 1\nb: !!bool x\n", "line 2: 'x' can't be read: no bool"),
        ("a: !!timestamp x\n", "line 1: 'x' can't be read: no timestamp"),
        ("a: !!int ''\n", "line 1: '' can't be read"),
        ('"\\e[2J": 1\n"\\e[2J": 2\n', "line 2: '\\x1b[2J' is there already, in line 1"),
        (f"a: 1\nb: {'9' * 5000}\n", "line 2: '9999999999"),
        (f'{{"a": {"9" * 5000}}}', "line 1: '9999999999"),
        ("[" * 9000, "more than 50 levels"),
        ("[" * 9000 + "]" * 9000, "more than 50 levels"),
        ("a: " * 1 + "[" * 60 + "]" * 60, "more than 50 levels"),
        (SELF, "more than 50 levels"),
        ("a: &a {b: *a}\n", "more than 50 levels"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_line(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        load(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_keys_are_what_they_look_like() -> None:
    text = "{1: a, -2: b, 0: c, 0.5: d, 1e-3: e, '01': f, '1:30': g, 'yes': h, 1.0e+3: i, 1_0: j}"
    wanted = [1, -2, 0, 0.5, "1e-3", "01", "1:30", "yes", 1000.0, 10]
    assert list(load(text)) == wanted
    assert load("a: [0, -0, +3, 1_000, 0009]")["a"] == [0, 0, 3, 1000, "0009"]


def test_merged_sections_may_be_overlaid() -> None:
    text = "x: &x {a: 1, b: 2}\nz:\n  y: &y\n    <<: *x\n    a: 3\nq: {<<: *y, b: 4}\n"
    assert load(text)["z"]["y"] == {"a": 3, "b": 2}
    assert load(text)["q"] == {"a": 3, "b": 4}


def test_a_bomb_of_shared_lists_is_read_at_once() -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    assert load("\n".join(lines))["a0"] == ["x", "x"]


def test_a_number_of_json_is_one() -> None:
    assert load('{"rate": 1e-5}') == {"rate": 1e-5}


@given(st.dictionaries(st.text("abc"), VALUES))
def test_what_was_written_is_read(value: dict[str, object]) -> None:
    assert load(json.dumps(value)) == value
    assert load(yaml.safe_dump(value)) == value


@given(st.text("abc:{}[]-,&*!<#|> \n\t\"'19."))
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    try:
        load(text)
    except UserError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_files_that_are_no_study(tmp_path: Path) -> None:
    def said(path: Path) -> str:
        with pytest.raises(UserError) as caught:
            read_study(path)
        assert str(path) in str(caught.value)
        return str(caught.value)

    path = tmp_path / "my.yaml"
    assert "is not there; name your study's file" in said(path)
    path.write_text("")
    assert "is empty" in said(path)
    assert f"there are: {path}" in said(tmp_path / "mine.yaml")
    assert "snakemake TARGET --configfile FILE" in said(tmp_path / "cohort")
    assert "is not there" in said(path / "below")
    path.write_text("# nothing\n")
    assert "is empty" in said(path)
    path.write_text("- a\n")
    assert "is not a list of `key: value` lines" in said(path)
    path.write_bytes(b"study: a\nroot: /gr\xf6\xdfe\n")
    assert "line 2: is not text in UTF-8" in said(path)
    assert "can't be read (Is a directory)" in said(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        f"__use_yte__: true\n{CODE}",
        f"{CODE}__use_yte__: false\n",
        f'"__use\\x5fyte__": true\n{CODE}',
        f"a: &key __use_yte__\n*key : 1\n{CODE}",
        f"\N{BYTE ORDER MARK}__use_yte__: 1\n{CODE}",
    ],
)
def test_a_file_with_code_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "gift.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="__use_yte__"):
        read_study(path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("study: a\n", encoding="utf-8-sig")
    assert read_study(path) == {"study": "a"}


def test_overlay() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert overlay(base, {"a": {"c": [3]}, "e": 2}) == {"a": {"b": 1, "c": [3]}, "d": 1, "e": 2}
    assert overlay(base, 5) == 5
