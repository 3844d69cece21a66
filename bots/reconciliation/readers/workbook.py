"""Workbooks of bookings: XLSX, XLS and ODS."""

from __future__ import annotations

import io
import zipfile
import zlib

from lxml import etree
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from bots.reconciliation.lines import Found
from bots.reconciliation.readers.columns import is_heading
from bots.reconciliation.readers.tables import HEAD, Row, TableSpec, read_table
from bots.reconciliation.readers.text import Unreadable

_PACKING = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What unpacking may raise; a RuntimeError for a password or a way of packing that is not known."""
_SHEETS = ("xl/worksheets/", "xl/sharedStrings", "content.xml")
MOST_UNPACKED = 1 << 30
"""Bytes that a packed workbook may come to when it is unpacked."""


def read_workbook(data: bytes, found: Found, spec: TableSpec) -> None:
    """Read the one sheet of a workbook that holds bookings.

    Raises:
        Unreadable: it is no workbook, or no sheet has headings that tell of dates and amounts.
    """
    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            _check_parts(data)
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        names = [spec.sheet] if spec.sheet else book.sheet_names
        for rows in map(_rows, (book.get_sheet_by_name(name) for name in names)):
            if spec.columns or any(is_heading([str(cell) for cell in row.cells]) for row in rows[:HEAD]):
                read_table(rows, found, spec)
                return
    except (CalamineError, etree.XMLSyntaxError, *_PACKING) as error:
        raise Unreadable(f"the workbook cannot be read: {error}") from error
    raise Unreadable(f"no sheet has headings that tell of dates and amounts ({', '.join(names)}): declare the columns")


def _rows(sheet: CalamineSheet) -> list[Row]:
    cells = sheet.to_python(skip_empty_area=False)
    return [Row(number, tuple(row)) for number, row in enumerate(cells, start=1)]


class _Nothing:
    """Takes the parts of an XML text and keeps none of them."""

    def close(self) -> None:
        """End."""


def _check_parts(data: bytes) -> None:
    """Refuse a workbook that unpacks to too much, or with a sheet that is no well-formed XML and read in part only.

    Raises:
        Unreadable: it does.
        XMLSyntaxError: a part of it is no XML.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > MOST_UNPACKED:
            raise Unreadable(f"it unpacks to {unpacked} bytes, more than the {MOST_UNPACKED} that are read: split it")
        for part in parts.infolist():
            if part.filename.endswith(".xml") and part.filename.startswith(_SHEETS):
                with parts.open(part) as file:
                    etree.parse(file, _parser())


def _parser() -> etree.XMLParser:
    return etree.XMLParser(target=_Nothing(), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
