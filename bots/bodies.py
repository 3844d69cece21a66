"""Bodies of the requests that the guard holds: told apart, shown to people, and made whole where files are missing.

Chromium hands an intercepted request over without the bytes of files that lie on disk: the part is there, named and
empty. `restore` puts the bytes back, so that a guarded upload sends what the page would.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

READ_FILES = """async () => {
  const found = [];
  for (const input of document.querySelectorAll('input[type=file]')) {
    for (const file of input.files) {
      const bytes = file.size === 0 ? '' : await new Promise((done, failed) => {
        const reader = new FileReader();
        reader.onload = () => done(reader.result.slice(reader.result.indexOf(',') + 1));
        reader.onerror = () => failed(reader.error);
        reader.readAsDataURL(file);
      });
      found.push([input.name, bytes]);
    }
  }
  return found;
}"""
"""Script that lists `[field name, bytes in base64]` of every chosen file of a frame, in order."""

_SHOWN = 20_000
_BOUNDARY = re.compile(r'multipart/form-data\b.*?boundary="?([^";]+)', re.IGNORECASE)
_NAME = re.compile(rb'\bname="([^"]*)"')
_FILENAME = re.compile(rb'\bfilename="([^"]*)"')
_ESCAPED = {"%22": '"', "%0D": "\r", "%0A": "\n"}


@dataclass(frozen=True)
class Part:
    """One part of a multipart body; `filename` is None for plain fields."""

    head: bytes
    content: bytes
    field: str
    filename: str | None


def boundary_of(content_type: str) -> bytes | None:
    """Return the boundary of a multipart form, or None for any other content type."""
    found = _BOUNDARY.search(content_type)
    return found[1].encode() if found else None


def split(body: bytes, boundary: bytes) -> list[Part]:
    """Cut a multipart body into its parts, in order."""
    return [_part(piece) for piece in body.split(b"--" + boundary)[1:-1]]


def join(parts: list[Part], boundary: bytes) -> bytes:
    """Put parts together again; `join(split(body, b), b) == body` for what browsers send."""
    pieces = [b"--" + boundary + b"\r\n" + part.head + b"\r\n\r\n" + part.content + b"\r\n" for part in parts]
    return b"".join(pieces) + b"--" + boundary + b"--\r\n"


def hollow(parts: list[Part]) -> list[Part]:
    """Return the file parts that have a name and no bytes."""
    return [part for part in parts if part.filename and not part.content]


def fill(parts: list[Part], files: dict[str, list[bytes]]) -> list[Part] | None:
    """Put the bytes of each field's files, in order, into its parts; None unless numbers and known bytes agree.

    Names are not compared: a page that is not in UTF-8 sends them in another shape than the one scripts see.
    """
    left = {name: list(contents) for name, contents in files.items()}
    whole: list[Part] = []
    for part in parts:
        if not part.filename:
            whole.append(part)
            continue
        waiting = left.get(part.field)
        if not waiting or part.content not in (b"", waiting[0]):
            return None
        whole.append(replace(part, content=waiting.pop(0)))
    sent = {part.field for part in parts if part.filename}
    return None if any(left[name] for name in sent) else whole


def restore(body: bytes | None, content_type: str, files: dict[str, list[bytes]]) -> bytes | None:
    """Return the body with the bytes of files on disk put back; None if they cannot be had."""
    boundary = boundary_of(content_type)
    if body is None or boundary is None:
        return body
    parts = split(body, boundary)
    if not hollow(parts):
        return body
    filled = fill(parts, files)
    return None if filled is None else join(filled, boundary)


def fingerprint(method: str, url: str, body: bytes | None, content_type: str) -> str:
    """Return what makes two requests the same; the random boundary of a multipart form does not count."""
    boundary = boundary_of(content_type)
    plain = body or b""
    if boundary is not None:
        plain = plain.replace(boundary, b"")
    return hashlib.sha256(b"\0".join((method.encode(), url.encode(), plain))).hexdigest()


def show(body: bytes | None, content_type: str, scrub: Callable[[str], str]) -> str | None:
    """Return the body for people: files by name, size and SHA-256, all else as text, scrubbed, to 20,000 characters."""
    if body is None:
        return None
    boundary = boundary_of(content_type)
    if boundary is None:
        text = body.decode("utf-8", errors="replace")
    else:
        text = "\n".join(_shown(part) for part in split(body, boundary))
    text = scrub(text)  # before it is cut: half a secret would not be known as one
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def _part(piece: bytes) -> Part:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    name, filename = _NAME.search(head), _FILENAME.search(head)
    return Part(
        head=head,
        content=content.removesuffix(b"\r\n"),
        field=_plain(name[1]) if name else "",
        filename=_plain(filename[1]) if filename else None,
    )


def _plain(raw: bytes) -> str:
    text = raw.decode("utf-8", errors="replace")
    for escaped, character in _ESCAPED.items():
        text = text.replace(escaped, character)
    return text


def _shown(part: Part) -> str:
    if part.filename is None:
        return f"{part.field}={part.content.decode('utf-8', errors='replace')}"
    digest = hashlib.sha256(part.content).hexdigest()
    return f"{part.field}=<file {part.filename}, {len(part.content)} bytes, sha256 {digest}>"
