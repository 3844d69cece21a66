"""What every page stands on; one of it an app, made by `create_app`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property

from console.web.board import Board, make_board
from console.web.fresh import Fresh, Memo
from engine.definition import Workflow
from engine.evidence import EvidenceStore
from engine.ledger.database import Database

LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class House:
    """The ledger and what belongs to it."""

    database: Database
    evidence: EvidenceStore
    definition: Callable[[str], Workflow]
    """The pinned definition of a hash."""
    hosts: Collection[str] = LOCAL
    """Names under which browsers may ask for the console."""
    https: bool = False
    """Whether browsers reach it through TLS: cookies are then sent through nothing else."""
    memo: Memo = field(default_factory=Memo)
    """What may be a few seconds old."""

    @cached_property
    def board(self) -> Fresh[Board]:
        """The figures of all workflows, worked out beside the requests that show them."""
        return Fresh(lambda before: make_board(self.database, self.definition, before))
