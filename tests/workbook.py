"""A spreadsheet as Excel writes it, in the least that is one."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape
from zipfile import ZipFile

MAIN = "http://schemas.openxmlformats.org"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
LINK = f"{MAIN}/officeDocument/2006/relationships"
RELATION = f'<Relationships xmlns="{MAIN}/package/2006/relationships">'


def write_xlsx(
    path: Path, sheets: Mapping[str, Sequence[Sequence[str]]], merged: Sequence[str] = ()
) -> None:
    """Write sheets, by name, of rows of cells.

    Args:
        path: The file.
        sheets: A cell that is empty is left out, as Excel does.
        merged: Ranges of merged cells of the first sheet, e.g. A1:B1.
    """
    names = [f"s{number}.xml" for number in range(1, len(sheets) + 1)]
    with ZipFile(path, "w") as book:
        parts = "".join(
            f'<Override PartName="/xl/{name}" ContentType="{KIND}.worksheet+xml"/>'
            for name in names
        )
        book.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{MAIN}/package/2006/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/>'
            f"{parts}</Types>",
        )
        book.writestr(
            "_rels/.rels",
            f'{RELATION}<Relationship Id="r1" Type="{LINK}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        targets = "".join(
            f'<Relationship Id="r{number}" Type="{LINK}/worksheet" Target="{name}"/>'
            for number, name in enumerate(names, start=1)
        )
        book.writestr("xl/_rels/workbook.xml.rels", f"{RELATION}{targets}</Relationships>")
        listed = "".join(
            f'<sheet name="{escape(name)}" sheetId="{number}" r:id="r{number}"/>'
            for number, name in enumerate(sheets, start=1)
        )
        book.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{MAIN}/spreadsheetml/2006/main" xmlns:r="{LINK}"><sheets>{listed}'
            "</sheets></workbook>",
        )
        for place, (name, rows) in enumerate(zip(names, sheets.values(), strict=True)):
            book.writestr(f"xl/{name}", _sheet(rows, merged if place == 0 else ()))


def _sheet(rows: Sequence[Sequence[str]], merged: Sequence[str]) -> str:
    lines = "".join(
        f'<row r="{number}">'
        + "".join(
            f'<c r="{chr(65 + column)}{number}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
            for column, cell in enumerate(row)
            if cell
        )
        + "</row>"
        for number, row in enumerate(rows, start=1)
    )
    ranges = "".join(f'<mergeCell ref="{one}"/>' for one in merged)
    cells = f'<mergeCells count="{len(merged)}">{ranges}</mergeCells>' if merged else ""
    return (
        f'<worksheet xmlns="{MAIN}/spreadsheetml/2006/main"><sheetData>{lines}</sheetData>{cells}'
        "</worksheet>"
    )
