"""Files that are no statement in any format, and what to do with them: a page, a PDF, an archive, a locked workbook."""

from __future__ import annotations

import io
import zipfile

from bots.reconciliation.readers.text import beginning

_ARCHIVES = (b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"BZh", b"\xfd7zXZ")
_PAGES = ("<html", "<!doctype html", "<table", "<head", "<body", "<div")
_SHOWN = 5
_SAVE = "open it in a spreadsheet program and save it as XLSX"


def foreign(data: bytes) -> str:
    """Return what a file is that no reader reads, and what to do; empty if it may be one that is read."""
    text = beginning(data).lower()
    if text.startswith("%pdf"):
        return "it is a PDF, which is a picture of a statement: ask for CAMT, MT940, OFX, CSV or XLSX"
    if text.startswith(_PAGES):
        return f"it is a web page, whatever its name says: {_SAVE}"
    if "urn:schemas-microsoft-com:office:spreadsheet" in text:
        return f"it is a workbook of Excel 2003 in XML: {_SAVE}"
    if data.startswith(_ARCHIVES):
        return "it is an archive: unpack it and name the file in it"
    if data.startswith(b"PK\x03\x04"):
        return _archive(data)
    if data.startswith(b"\xd0\xcf\x11\xe0") and "EncryptedPackage".encode("utf-16-le") in data:
        return "it is a workbook that is locked with a password: save it without one"
    return ""


def _archive(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            names = [name for name in parts.namelist() if not name.endswith("/")]
    except zipfile.BadZipFile:
        return "it is a workbook or an archive that was cut off or damaged: fetch it again"
    if any(name.startswith(("xl/", "content.xml", "mimetype")) for name in names):
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"it is an archive of {', '.join(names[:_SHOWN])}{more}: unpack it and name one of its files"
