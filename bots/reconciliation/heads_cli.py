"""`reconciliation heads`: the heads of proofs that the ledger keeps, and whether a file still has one of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.text import Text

from bots.reconciliation.ports import Heads
from bots.reconciliation.wording import visible
from engine.errors import UserError
from engine.kept_heads import KeptHead

EXIT_CHANGED = 1


class HeadsDesk(Protocol):
    """What the verb needs of the one who runs it; the runner provides it."""

    @property
    def console(self) -> Console:
        """Standard output."""
        ...

    def heads(self) -> Heads:
        """Return the heads that the ledger keeps."""
        ...


def add_heads(app: typer.Typer, open_desk: Callable[[], HeadsDesk]) -> None:
    """Add `heads` over a desk that is opened when it runs."""

    @app.command()
    def heads(
        proof: Annotated[Path | None, typer.Argument(metavar="PROOF.json", help="A proof: is its head kept?")] = None,
        limit: Annotated[int, typer.Option(min=1, help="At most so many rows.")] = 50,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
    ) -> None:
        """List the heads of proofs that are kept, newest first; with a proof, say whether its head is one of them."""
        desk = open_desk()
        found = list(desk.heads())
        if proof is None:
            if as_json:
                _print([_as_data(one) for one in found[:limit]])
            else:
                told = [_line(one) for one in found[:limit]] or ["no proof was made with this ledger yet"]
                desk.console.print(Text("\n".join(told)), soft_wrap=True)
            return
        head, name = _head_of(proof)
        kept = next((one for one in found if one.head == head), None)
        if as_json:
            _print({"head": head, "kept": None if kept is None else _as_data(kept)})
        else:
            desk.console.print(Text(_said(proof, head, name, kept, found)), soft_wrap=True)
        if kept is None:
            raise typer.Exit(EXIT_CHANGED)


def _head_of(path: Path) -> tuple[str, str]:
    from bots.reconciliation.proof_log import entries, head_of  # noqa: PLC0415 - for this verb alone

    try:
        return head_of(path), str(next(entries(path), {}).get("name", ""))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def _said(path: Path, head: str, name: str, kept: KeptHead | None, found: Sequence[KeptHead]) -> str:
    if kept is not None:
        return f"{path}: its head {head} is kept since {kept.at:%Y-%m-%d %H:%M:%S} UTC, by {visible(kept.by)}"
    same = [one for one in found if one.name == name]
    listed = "".join(f"\n  {one.head} {one.at:%Y-%m-%d %H:%M:%S} {visible(one.by)}" for one in same[:5])
    known = f"; kept of {visible(name)}, newest first:{listed}" if same else f"; no head of {visible(name)} is kept"
    return f"{path}: its head {head} is not kept: it was changed, or made with another ledger{known}"


def _line(one: KeptHead) -> str:
    """Return one head in two lines, whole: a head that is cut off is none."""
    told = f"{one.at:%Y-%m-%d %H:%M:%S} UTC  {visible(one.name)} as of {one.asof}, {visible(one.file)}"
    return f"{told}, by {visible(one.by)}\n  {one.head}"


def _as_data(one: KeptHead) -> dict[str, object]:
    return asdict(one) | {"at": one.at.isoformat()}


def _print(data: object) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=2)
    typer.echo(text.encode("utf-8", "backslashreplace"))
