"""Cells of a worksheet that hold what a model wrote, safely."""

import math
import re
from collections.abc import Collection, Iterable, Sequence
from copy import copy
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from openpyxl.styles import Alignment, Border, Font, NamedStyle, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

LIMIT = 32_767
"""Characters that a cell can hold, in UTF-16 units as Excel counts."""
CUT = " […cut]"
Value = str | int | float | datetime | None

_FORMULA = ("=", "+", "-", "@")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NOT_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")
# A spreadsheet reads such as `_x0041_` for the character of that number.
_CODED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")
_TITLE = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
_FONT = Font(name="Calibri", size=11)
_HEADER_FONT = Font(name="Calibri", size=11, bold=True, color="FFFFFF")
_HEADER_FILL = PatternFill("solid", fgColor="1F4E79")
_WARNING_FONT = Font(name="Calibri", size=11, bold=True, color="8A4B00")
_WARNING_FILL = PatternFill("solid", fgColor="FFF4E0")
_BAND = PatternFill("solid", fgColor="F3F6F9")
_LINE = Border(bottom=Side(style="hair", color="C9D1D9"))
_STYLES: WeakKeyDictionary[Any, dict[tuple[str, str, bool, bool], Any]] = WeakKeyDictionary()
_WIDEST, _NARROWEST, _MOST_LINES = 60, 9, 14
_MARGIN_INCHES = 0.4
_PAGE_WIDTH = 215.0
"""Characters across a page at which print is still legible: two thirds of its size on A4."""


def clean(text: str) -> str:
    """Returns text that a workbook can hold and show.

    Control characters become their visible pictures, lone surrogates and non-characters
    the replacement character, what is too long is cut with a mark, and what a spreadsheet
    would take for the code of a character is escaped as such.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub(lambda m: "␡" if m[0] == "\x7f" else chr(0x2400 + ord(m[0])), text)
    text = _NOT_XML.sub("�", text)
    units = text.encode("utf-16-le")
    if len(units) > 2 * LIMIT:
        # Half of a surrogate pair at the cut is dropped.
        text = units[: 2 * (LIMIT - len(CUT))].decode("utf-16-le", errors="ignore") + CUT
    return _CODED.sub("_x005F_", text)


def put(
    sheet: Worksheet,
    row: int,
    column: int,
    value: Value,
    *,
    number_format: str = "General",
    band: bool = False,
) -> None:
    """Writes one cell; text stays text whatever it begins with.

    Args:
        sheet: The sheet.
        row: Row, from 1.
        column: Column, from 1.
        value: The value; a time with a zone is written in UTC.
        number_format: Excel's format of a number.
        band: Whether the row has the darker ground.
    """
    cell: Any = sheet.cell(row=row, column=column)
    if isinstance(value, datetime):
        cell.value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        _dress(cell, sheet, "right", "yyyy-mm-dd hh:mm:ss", band=band)
    elif isinstance(value, str):
        text = clean(value)
        cell.value = text
        # Told after the value, or openpyxl takes "=" for a formula and "#N/A" for an error.
        cell.data_type = "s"
        wrap = len(text) > _WIDEST or "\n" in text
        _dress(cell, sheet, "left", "General", band=band, wrap=wrap)
        # Excel would read such text as a formula once somebody edits the cell.
        if text.startswith(_FORMULA):
            cell.quotePrefix = True
    else:
        cell.value = value
        _dress(cell, sheet, "right", number_format, band=band)


def _dress(
    cell: Any, sheet: Worksheet, side: str, number_format: str, *, band: bool, wrap: bool = False
) -> None:
    """Gives a cell one of the styles of the sheet's workbook, which is made if need be.

    The numbers behind a style are copied from the first cell that has it: to style each by
    its parts, or to look a style up by its name, takes most of the time of a large workbook.
    """
    book: Any = sheet.parent
    known = _STYLES.setdefault(book, {})
    key = (side, number_format, band, wrap)
    if key in known:
        cell._style = copy(known[key])  # noqa: SLF001 - as openpyxl's own manual does
        return
    flags = f"{' wrapped' if wrap else ''}{' band' if band else ''}"
    style = NamedStyle(
        name=f"league {side} {number_format}{flags}",
        font=_FONT,
        border=_LINE,
        alignment=Alignment(horizontal=side, vertical="top", indent=1, wrap_text=wrap),
        number_format=number_format,
    )
    if band:
        style.fill = _BAND
    cell.style = style
    known[key] = copy(cell._style)  # noqa: SLF001


def table(
    sheet: Worksheet,
    headers: Sequence[str],
    rows: Iterable[Sequence[Value]],
    *,
    formats: Sequence[str] = (),
    frozen: int = 1,
    above: Sequence[str] = (),
) -> None:
    """Writes a table with a header that stays in sight, banded rows and fitting widths.

    Args:
        sheet: An empty sheet.
        headers: Names of the columns.
        rows: The rows.
        formats: Number format of each column; missing ones are general.
        frozen: Columns that stay in sight on the left.
        above: Sentences above the header, a row each; they stay in sight with it.
    """
    top = len(above) + 1
    # Headers wrap, and leave room for the arrow of the filter.
    widths = [_header_width(header) for header in headers]
    numeric = {column for column, number_format in enumerate(formats, 1) if number_format}
    last = top
    for last, row in enumerate(rows, top + 1):
        for column, value in enumerate(row, 1):
            given = formats[column - 1] if column <= len(formats) else ""
            put(sheet, last, column, value, number_format=given or "General", band=last % 2 == 1)
            widths[column - 1] = max(widths[column - 1], _width(value))
            if isinstance(value, int | float):
                numeric.add(column)
        _fit_height(sheet, last, row)
    for number, sentence in enumerate(above, 1):
        _sentence(sheet, number, sentence)
    _header(sheet, top, headers, numeric)
    for column, width in enumerate(widths, 1):
        letter = get_column_letter(column)
        sheet.column_dimensions[letter].width = min(_WIDEST, max(_NARROWEST, width + 4))
    wraps = any(_header_width(header) < len(header) for header in headers)
    sheet.row_dimensions[top].height = 36 if wraps else 24
    sheet.freeze_panes = f"{get_column_letter(frozen + 1)}{top + 1}"
    if last > top:
        sheet.auto_filter.ref = f"A{top}:{get_column_letter(len(headers))}{last}"
    print_fitted(sheet, top, frozen)


def _sentence(sheet: Worksheet, row: int, sentence: str) -> None:
    """Writes a warning above a table; it runs on over the empty cells beside it."""
    put(sheet, row, 1, sentence)
    cell: Any = sheet.cell(row=row, column=1)
    cell.font, cell.fill = _WARNING_FONT, _WARNING_FILL
    cell.alignment = Alignment(horizontal="left", vertical="center", wrap_text=False)


def _header(sheet: Worksheet, row: int, headers: Sequence[str], numeric: Collection[int]) -> None:
    """Writes the header; over numbers it stands on their side."""
    for column, header in enumerate(headers, 1):
        put(sheet, row, column, header)
        cell: Any = sheet.cell(row=row, column=column)
        cell.font, cell.fill = _HEADER_FONT, _HEADER_FILL
        side = "right" if column in numeric else "left"
        cell.alignment = Alignment(horizontal=side, indent=1, wrap_text=True, vertical="center")


def _fit_height(sheet: Worksheet, row: int, values: Sequence[Value]) -> None:
    """Gives a row with long text some lines, and no more than a screen can show."""
    lines = max(
        (
            sum(1 + len(line) // _WIDEST for line in value[:4000].splitlines())
            for value in values
            if isinstance(value, str)
        ),
        default=1,
    )
    if lines > 1:
        sheet.row_dimensions[row].height = 15.0 * min(lines, _MOST_LINES)


def _width(value: Value) -> int:
    """Returns the characters that a value takes on its longest line."""
    if isinstance(value, str):
        # A Chinese, Japanese or Korean character is as wide as two Latin ones.
        wide = 0x2E80
        lines = value[:400].splitlines() or [""]
        return max(sum(2 if ord(c) >= wide else 1 for c in line) for line in lines)
    if isinstance(value, float):
        return 9
    return 19 if isinstance(value, datetime) else len(str(value if value is not None else ""))


def _header_width(header: str) -> int:
    """Returns the characters of the longer of two lines that a header wraps into."""
    words = header.split()
    halves = [
        max(len(" ".join(words[:cut])), len(" ".join(words[cut:]))) for cut in range(len(words) + 1)
    ]
    return min(halves)


def print_fitted(sheet: Worksheet, top: int, frozen: int) -> None:
    """Makes the sheet print across as many pages as keep it legible, with its header on each.

    Args:
        sheet: The sheet, its columns as wide as they will be.
        top: Row of its header.
        frozen: Columns on the left that each page repeats.
    """
    wide = [
        sheet.column_dimensions[get_column_letter(n)].width for n in range(1, sheet.max_column + 1)
    ]
    repeated = sum(wide[:frozen])
    # The first page has them once; all others spend as much of their room on them.
    pages = max(1, math.ceil((sum(wide) - repeated) / max(_PAGE_WIDTH - repeated, _PAGE_WIDTH / 4)))
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = "9"
    sheet.page_setup.fitToWidth = pages
    sheet.page_setup.fitToHeight = 0
    sheet.page_margins.left = sheet.page_margins.right = _MARGIN_INCHES
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    sheet.print_title_rows = f"1:{top}"
    if pages > 1:
        sheet.print_title_cols = f"A:{get_column_letter(frozen)}"


def sheet_title(wanted: str, taken: Iterable[str]) -> str:
    """Returns a title of at most 31 characters that no other sheet has.

    Excel compares titles without regard to case and refuses some characters.
    """
    length = 31
    base = _TITLE.sub(" ", clean(wanted)).strip(" '")[:length].strip(" '") or "Sheet"
    used = {title.casefold() for title in taken}
    title, number = base, 2
    while title.casefold() in used:
        ending = f" ({number})"
        title, number = base[: length - len(ending)] + ending, number + 1
    return title
