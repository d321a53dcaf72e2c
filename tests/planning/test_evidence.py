"""What init says of a folder that it could not read, and what it offers to write by hand."""

from __future__ import annotations

import pytest

from headstart.planning.evidence import saw


@pytest.mark.parametrize("word", ["les", "seg", "mask", "lesion", "roi"])
def test_no_mask_is_offered_as_a_channel(word: str) -> None:
    masks = [f"rater{k}/pat{n}_{word}.nii.gz" for k in (1, 2) for n in range(1, 13)]
    images = [f"img/pat{n}.nii.gz" for n in range(1, 13)]
    last = [*saw([*masks, *images], [])][-1]
    assert "T1: 'img/" in last
    assert "{subject}" in last
    assert word not in [*saw(masks, [])][-1]
