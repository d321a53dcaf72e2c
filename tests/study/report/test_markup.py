"""HTML in which what comes from data is text."""

from __future__ import annotations

from html_seen import Seen
from hypothesis import given
from hypothesis import strategies as st

from headstart.study.report.markup import Html
from headstart.study.report.markup import folded
from headstart.study.report.markup import table
from headstart.study.report.markup import tag
from headstart.study.report.markup import with_code

ANY = st.text(alphabet=st.sampled_from("<>&\"'/=; scriptonx"), max_size=20)


@given(ANY, ANY)
def test_no_text_becomes_markup(text, value):
    seen = Seen(tag("p", text, title=f"x{value}"))
    assert seen.tags == ["p"]
    assert seen.attributes == [("title", f"x{value}")]
    assert seen.text == text


@given(ANY)
def test_no_cell_becomes_markup(text):
    seen = Seen(table(text, [text], [[text, text]]))
    expected = ["div", "table", "caption", "thead", "tr", "th", "tbody", "tr", "th", "td"]
    assert seen.tags == expected
    assert seen.text == 4 * text


def test_what_is_typed_looks_like_it():
    assert with_code("`a: 1` in <b>") == "<code>a: 1</code> in &lt;b&gt;"


def test_html_stays_html_and_nothing_is_left_of_none():
    inner = tag("b", "a & b")
    assert tag("p", inner, None, " < c") == "<p><b>a &amp; b</b> &lt; c</p>"
    assert isinstance(inner, Html)
    assert tag("input", type="checkbox", checked=True, disabled=None, data_x="1") == (
        '<input type="checkbox" checked data-x="1">'
    )
    assert folded("more", inner).startswith("<details><summary>more</summary><b>")


def test_headers_of_a_table_say_what_they_head():
    told = table("Ages", ["who", "age"], [["a", "1"]])
    assert '<th scope="col">age</th>' in told
    assert '<th scope="row">a</th><td>1</td>' in told
    assert "<caption>Ages</caption>" in told
