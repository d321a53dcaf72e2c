"""What a stage writes is what later stages read, for every table and card of a cohort."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from rows import any_row

from headstart.cohort.balance import BalanceRow
from headstart.cohort.mask_report import MaskRow
from headstart.cohort.outliers import SimilarityRow
from headstart.cohort.pairs import PairRow
from headstart.cohort.shards import RefusedScan
from headstart.cohort.shards import ShardCard
from headstart.cohort.shards import ShardScan
from headstart.common.records import read_rows
from headstart.common.records import write_rows
from headstart.data.found_scans import RejectedRow
from headstart.data.inventory import FileRow
from headstart.data.label_table import LabelRow
from headstart.imaging.channel_scale import ChannelScale
from headstart.imaging.config import Preparation
from headstart.imaging.scan_rows import CheckRow
from headstart.imaging.scan_rows import ScanFiles

KINDS = [ScanFiles, FileRow, LabelRow, RejectedRow, CheckRow, MaskRow]
KINDS += [PairRow, SimilarityRow, BalanceRow]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(data=st.data())
def test_rows_that_are_written_are_read(
    tmp_path_factory: pytest.TempPathFactory, kind, data
) -> None:
    rows = data.draw(st.lists(any_row(kind), max_size=5))
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    write_rows(path, kind, rows)
    assert read_rows(path, kind) == rows


FLOAT = st.floats(allow_nan=False, allow_infinity=False)
AFFINE = st.tuples(*[st.tuples(*[FLOAT] * 4)] * 4)
VOLUMES = st.dictionaries(st.text("ab"), FLOAT, max_size=2)
INTENSITY = st.builds(ChannelScale, mean=FLOAT, scale=FLOAT, air=FLOAT)
SCAN = st.builds(
    ShardScan,
    intensities=st.lists(INTENSITY, max_size=2),
    affine=AFFINE,
    source_affine=AFFINE,
    source_header=st.dictionaries(st.text("ab"), st.integers() | st.lists(FLOAT), max_size=3),
    millilitres=st.none() | st.tuples(VOLUMES, VOLUMES),
)
CARD = st.builds(
    ShardCard,
    prepare=st.builds(Preparation, normalise=st.sampled_from(["zscore", "percentile", "none"])),
    scans=st.lists(SCAN, max_size=3),
    refused=st.lists(st.builds(RefusedScan), max_size=2),
)


@settings(max_examples=20)
@given(CARD)
def test_a_card_that_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, card) -> None:
    path = tmp_path_factory.mktemp("card") / "shard-0.json"
    card.write(path)
    assert ShardCard.read(path) == card
