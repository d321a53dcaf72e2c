"""Tables of the project that were damaged: one sentence, never a table that is another one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.common import files
from headstart.common.errors import UserError

TABLE = "subject,test,fold,validation\nmüller,0,1,0\ns2,1,,0\n"
DAMAGES = {
    "semicolons": TABLE.replace(",", ";").encode(),
    "tabs": TABLE.replace(",", "\t").encode(),
    "nothing": b"",
    "a line only": b"\n",
    "cut in a row": TABLE.encode()[:-3],
    "cut in the names": b"subject,te",
    "NUL": TABLE.encode().replace(b"s2", b"s\0"),
    "NULs for a lost block": TABLE.encode() + b"\0" * 512,
    "latin-1": TABLE.encode("latin-1"),
    "UTF-16": TABLE.encode("utf-16"),
    "a column less": b"subject,test,fold\ns2,1,\n",
    "a longer row": TABLE.encode() + b"s3,0,0,0,1\n",
    "longer rows": b"subject,test,fold,validation\ns3,0,0,0,1\n",
    "an open quote": TABLE.encode() + b'"s3,0,0,0\n',
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_table_is_one_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "splits.csv"
    path.write_bytes(DAMAGES[damage])
    with pytest.raises(UserError) as caught:
        files.read_csv(path, ("subject", "test", "fold", "validation"))
    said = str(caught.value)
    assert said.startswith(f"{path}: is damaged, or no CSV with commas in UTF-8 (")
    assert said.endswith("; delete it and type the same command, which makes it again")
    assert "\n" not in said


@given(content=st.binary(max_size=60) | st.text("a,;\n\r\"0'", max_size=60).map(str.encode))
def test_any_bytes_are_a_whole_table_of_text_or_refused(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "any.csv"
    path.write_bytes(content)
    try:
        table = files.read_csv(path)
    except UserError:
        return
    assert all(isinstance(cell, str) for cell in table.to_numpy().ravel())


def test_a_missing_table_is_no_damage(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.read_csv(tmp_path / "none.csv")
