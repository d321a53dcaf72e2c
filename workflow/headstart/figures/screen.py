"""The pages of a figure for the screen: SVG, one below the other in one file."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from headstart.common.errors import UserError

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}pt" height="{height:g}pt">'
PAGE = re.compile(
    r'<svg y="[\d.e+]+pt" (?P<rest>.*?)<title>(?P<title>.*?)</title>\n<desc>(?P<note>.*?)</desc>'
    r"\n(?P<drawn>.*?)\n</svg><!-- page -->",
    re.DOTALL,
)
PICTURE = re.compile(r"(data:image/png;base64,)\s*([A-Za-z0-9+/=\s]+)")
SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')


@dataclass(frozen=True)
class ScreenPage:
    """One page.

    Attributes:
        title: What it shows.
        note: How to read it; "" if there is nothing to say.
        svg: The drawing, a complete SVG.
    """

    title: str
    note: str
    svg: str

    @property
    def size(self) -> tuple[float, float]:
        """Width and height, pt."""
        width, height = SIZE.findall(self.svg)[0]
        return float(width), float(height)


def lean(svg: str) -> str:
    """Return a drawing whose grey pictures are kept in grey; matplotlib has four colours in all."""
    return PICTURE.sub(lambda found: f"{found[1]}{_in_grey(found[2])}", svg)


def _in_grey(packed: str) -> str:
    picture = Image.open(io.BytesIO(base64.b64decode(packed)))
    pixels = np.asarray(picture.convert("RGBA"))
    if (pixels[..., 3] < 255).any() or (pixels[..., :3] != pixels[..., :1]).any():
        return packed
    written = io.BytesIO()
    Image.fromarray(pixels[..., 0]).save(written, format="png", optimize=True)
    return base64.b64encode(written.getvalue()).decode()


def stack(pages: Sequence[ScreenPage]) -> str:
    """Put pages below one another, each with its title and note as SVG has them."""
    heights = [page.size[1] for page in pages]
    width = max((page.size[0] for page in pages), default=0.0)
    parts = [HEAD.format(width=width, height=sum(heights))]
    for number, page in enumerate(pages):
        # of the XML declaration, one is enough
        rest, drawn = page.svg[page.svg.index("<svg ") + 5 :].split(">", 1)
        above = sum(heights[:number])
        parts.append(
            f'<svg y="{above:g}pt" {rest}><title>{html.escape(page.title)}</title>\n'
            f"<desc>{html.escape(page.note)}</desc>\n{drawn.strip()}<!-- page -->"
        )
    return "\n".join([*parts, "</svg>", ""])


def read_pages(path: Path) -> list[ScreenPage]:
    """Read the pages of a figure.

    Args:
        path: The file that stands beside its PDF.

    Raises:
        UserError: If it is another file.
    """
    text = path.read_text(encoding="utf-8")
    if not text.startswith("<svg "):
        raise UserError(f"{path}: is no figure of headstart; delete it and run the study again")
    return [
        ScreenPage(
            title=html.unescape(found["title"]),
            note=html.unescape(found["note"]),
            svg=f"<svg {found['rest']}\n{found['drawn']}\n</svg>\n",
        )
        for found in PAGE.finditer(text)
    ]
