"""Workbooks of bookings: XLSX, XLS and ODS."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from datetime import date

from lxml import etree
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, WorksheetNotFound

from bots.reconciliation.lines import Found
from bots.reconciliation.readers.cells import EPOCH
from bots.reconciliation.readers.heads import HEAD, Row, head_of
from bots.reconciliation.readers.tables import TableSpec, read_table
from bots.reconciliation.readers.text import Unclear, Unreadable

_PACKING = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What unpacking may raise; a RuntimeError for a password or a way of packing that is not known."""
_SHEETS = ("xl/worksheets/", "xl/sharedStrings", "content.xml")
_HEAD_BYTES = 1 << 16
_EPOCH_1904 = date(1904, 1, 1)
MOST_UNPACKED = 1 << 30
"""Bytes that a packed workbook may come to when it is unpacked."""


def read_workbook(data: bytes, found: Found, spec: TableSpec) -> None:
    """Read the one sheet of a workbook that holds bookings.

    Raises:
        Unreadable: it is no workbook, or no sheet has headings that tell of dates and amounts.
    """
    try:
        epoch = EPOCH
        if zipfile.is_zipfile(io.BytesIO(data)):
            _check_parts(data)
            epoch = _epoch(data)
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        names = [spec.sheet] if spec.sheet else book.sheet_names
        headed = [name for name in names if spec.sheet or _is_headed(book.get_sheet_by_name(name), spec)]
        if len(headed) > 1:
            raise Unclear(f"several sheets have headings of bookings: {', '.join(headed)}", "sheet", headed)
        if headed:
            if len(book.sheet_names) > 1:
                found.said.append(f"its sheet {headed[0]!r} of {len(book.sheet_names)} is read")
            read_table(_rows(book.get_sheet_by_name(headed[0])), found, spec, epoch)
            return
    except WorksheetNotFound as error:
        said = f"it has no sheet {spec.sheet!r}; its sheets are {', '.join(book.sheet_names)}"
        raise Unclear(said, "sheet", book.sheet_names) from error
    except (CalamineError, etree.XMLSyntaxError, *_PACKING) as error:
        raise Unreadable(f"the workbook cannot be read: {error}") from error
    raise Unclear(f"no sheet has headings that tell of dates and amounts ({', '.join(names)})", "columns")


def _is_headed(sheet: CalamineSheet, spec: TableSpec) -> bool:
    return head_of(_rows(sheet, HEAD), spec.columns) is not None


def _rows(sheet: CalamineSheet, most: int | None = None) -> list[Row]:
    cells = sheet.to_python(skip_empty_area=False, nrows=most)
    return [Row(number, tuple(row)) for number, row in enumerate(cells, start=1)]


def _epoch(data: bytes) -> date:
    """Return the day from which a workbook counts days."""
    with zipfile.ZipFile(io.BytesIO(data)) as parts:
        if "xl/workbook.xml" in parts.namelist():
            with parts.open("xl/workbook.xml") as file:
                since_1904 = re.search(rb"date1904=\"(1|true)\"", file.read(_HEAD_BYTES))
                return _EPOCH_1904 if since_1904 else EPOCH
    return EPOCH


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
