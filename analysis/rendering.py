"""From a chart to bytes, without a browser and without the network."""

import os
from functools import cache
from pathlib import Path

import altair as alt
import vl_convert

VEGA_LITE = "6.4"
"""The version that altair 6.3 speaks and vl-convert 1.9 carries."""
LATIN = "Liberation Sans, Arial, Helvetica, sans-serif"
CJK = {
    "NotoSansCJK": "Noto Sans CJK SC",
    "NotoSansSC": "Noto Sans SC",
    "SourceHanSans": "Source Han Sans SC",
    "wqy-microhei": "WenQuanYi Micro Hei",
    "wqy-zenhei": "WenQuanYi Zen Hei",
    "PingFang": "PingFang SC",
    "msyh": "Microsoft YaHei",
}
"""Beginning of a font's file name -> its family, the best first."""


@cache
def font_list() -> str:
    """Returns the font families for charts, in order of preference.

    A font with Chinese, Japanese and Korean faces comes first when one is installed: as
    a mere fallback a renderer picks an unfitting face or draws boxes.
    """
    files = [path.name for folder in _font_folders() for path in folder.rglob("*.[to]t[fc]")]
    for start, family in CJK.items():
        if any(name.startswith(start) for name in files):
            return f"{family}, {LATIN}"
    return LATIN


def _font_folders() -> list[Path]:
    """Returns the folders in which the platform's conventions keep fonts."""
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    own = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    folders = [Path(root) / "fonts" for root in [*shared.split(":"), own] if root]
    folders += [Path.home() / ".fonts", Path("/System/Library/Fonts"), Path("/Library/Fonts")]
    if windows := os.environ.get("WINDIR"):
        folders.append(Path(windows) / "Fonts")
    return [folder for folder in folders if folder.is_dir()]


def svg(chart: alt.TopLevelMixin) -> bytes:
    """Returns the chart as SVG in UTF-8; text stays text."""
    text: str = vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=VEGA_LITE)
    return text.encode()


def png(picture: bytes, *, scale: float = 2.0) -> bytes:
    """Returns an SVG as PNG.

    The SVG is drawn, not the chart anew: that takes a third of the time, and all three
    formats are one picture.

    Args:
        picture: What `svg` returned.
        scale: Pixels of the image for each pixel of the chart.
    """
    data: bytes = vl_convert.svg_to_png(picture.decode(), scale=scale)
    return data


def pdf(picture: bytes) -> bytes:
    """Returns an SVG as PDF, with vector graphics and embedded fonts."""
    data: bytes = vl_convert.svg_to_pdf(picture.decode())
    return data
