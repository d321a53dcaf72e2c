"""The methods as Markdown and as BibTeX: what the text says, and no markup of its own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from headstart.study.methods.bibtex import as_bibtex
from headstart.study.methods.chapters import Chapter
from headstart.study.methods.chapters import Points
from headstart.study.methods.chapters import TextTable
from headstart.study.methods.chapters import as_markdown

WORDS = st.text(alphabet=st.sampled_from("ab1 *_`|<>[]()#-+.!\\~&;=:/\n"), max_size=30)


def read(markdown: str) -> str:
    """Return what a reader sees of Markdown, without spaces."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    seen = [part for token in tokens for part in token.children or []]
    assert {part.type for part in seen} <= {"text", "text_special", "softbreak"}, seen
    return re.sub(r"\s", "", "".join(part.content for part in seen))


@given(WORDS, WORDS, WORDS)
def test_markdown_says_the_words_and_nothing_else(one, two, three):
    table = TextTable("t", ["h"], [[two]])
    told = as_markdown([Chapter("Title", [one, table, Points((three,))])])
    assert read(told) == re.sub(r"\s", "", f"Title{one}h{two}{three}")


def test_chapters_and_tables_are_those_of_markdown():
    told = as_markdown([Chapter("Results", ["age:", TextTable("t", ["a", "b"], [["1|2", "3"]])])])
    assert told == "## Results\n\nage:\n\n| a | b |\n| --- | --- |\n| 1\\|2 | 3 |\n"


def test_a_citation_becomes_an_entry():
    told = as_bibtex(
        ["Mölder et al. 2021, Snakemake, https://doi.org/10.12688/f1000research.29032.2"]
    )
    assert told == (
        "@misc{molder2021,\n  author = {Mölder and others},\n  title = {Snakemake},\n"
        "  year = {2021},\n  doi = {10.12688/f1000research.29032.2},\n}\n"
    )
    two = as_bibtex(
        ["Field and Welsh 2007, A, B & C, https://x.org/a_b", "Field 2007, D, https://y"]
    )
    assert "author = {Field and Welsh}" in two
    assert r"title = {A, B \& C}" in two
    assert "url = {https://x.org/a_b}" in two
    assert "@misc{field2007,\n" in two
    assert "@misc{field2007a,\n" in two


@pytest.mark.parametrize("cite", ["own: [your data: their paper]", "100 % {of} $x_1$"])
def test_what_is_no_citation_stays_as_a_note(cite):
    told = as_bibtex([cite])
    note = told.split("note = {")[1].rsplit("},", 1)[0]
    assert re.sub(r"\\(.)", r"\1", note) == cite
    assert "author" not in told
