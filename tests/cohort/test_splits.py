"""The split as it lies on disk: what nobody can train by is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.cohort.splits import SplitRow
from headstart.cohort.splits import read_splits
from headstart.cohort.splits import write_splits
from headstart.common.errors import UserError

WHOLE = "subject,test,fold,validation\na,0,0,0\nb,0,1,1\nt,1,,0\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "splits.csv"
    path.write_text(text)
    return path


def test_a_split_is_read(tmp_path: Path) -> None:
    assert read_splits(write(tmp_path, WHOLE)) == [
        SplitRow("a", test=False, fold=0, validation=False),
        SplitRow("b", test=False, fold=1, validation=True),
        SplitRow("t", test=True, fold=None, validation=False),
    ]


IN_TEST = st.builds(
    SplitRow, st.text("ab_1é", min_size=1), st.just(True), st.none(), st.just(False)
)
IN_FOLD = st.builds(
    SplitRow, st.text("ab_1é", min_size=1), st.just(False), st.integers(0, 99), st.booleans()
)


@given(st.lists(IN_TEST | IN_FOLD, unique_by=lambda row: row.subject))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, splits) -> None:
    path = tmp_path_factory.mktemp("split") / "splits.csv"
    write_splits(path, splits)
    assert read_splits(path) == splits


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a,0,1,0\n", "subject a is there twice"),
        ("c,0,1.0,0\n", "fold '1.0' in line 5 is no whole number"),
        ("c,0,-1,0\n", "subject c has test 0, fold -1"),
        ("c,0,\u0661,0\n", "fold '\u0661' in line 5 is no whole number"),
        ("c,0,,0\n", "subject c has test 0, fold None"),
        ("c,1,0,0\n", "subject c has test 1, fold 0"),
        ("c,True,,0\n", "test 'True' in line 5 is not 0 or 1"),
        ("c,,0,0\n", "test '' in line 5 is not 0 or 1"),
        ("c,0,0,2\n", "validation '2' in line 5 is not 0 or 1"),
        ("c,1,,1\n", "subject c has test 1 and validation 1"),
        (",0,0,0\n", "has no name"),
    ],
)
def test_a_strange_row_is_named(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(UserError, match="split makes it again") as caught:
        read_splits(write(tmp_path, WHOLE + rows))
    assert said in str(caught.value)
