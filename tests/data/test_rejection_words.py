"""Every reason of a rejection has words."""

from __future__ import annotations

import re
from pathlib import Path

from headstart.data import rejection_words
from headstart.imaging.rejection_codes import REASONS

DATA = Path(rejection_words.__file__).parent


def test_each_code_of_label_and_of_check_is_told_in_few_words():
    text = "".join(path.read_text() for path in DATA.rglob("*.py"))
    of_label = set(re.findall(r'(?:reject\(|reason=)\s*"([a-z-]+)"', text))
    assert of_label >= {"no-row", "where", "bad-id", "no-image"}
    for code in {*REASONS, *of_label}:
        words = rejection_words.in_words(code)
        assert words != code
        assert len(words) < 30


def test_a_code_that_is_none_of_ours_stays():
    assert rejection_words.in_words("odd") == "odd"
