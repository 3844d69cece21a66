"""The executor's only way to the ledger: the commit protocol's writes about one claimed item, off the event loop."""

from __future__ import annotations

from engine.definition import Commits
from engine.ledger import protocol
from engine.ledger.database import Database
from engine.ledger.queue import Claim, Intent
from engine.patience import patiently


class Journal:
    """Fenced writes about one item; each returns when it is durable, and waits for a ledger that is away."""

    def __init__(self, database: Database, claimed: Claim) -> None:
        """Bind the journal to a claim."""
        self._database = database
        self._claimed = claimed
        self.intents: list[Intent] = list(claimed.intents)

    async def gate(self, segment: int, commits: Commits) -> Intent:
        """Write the intent to commit a segment; see `protocol.gate`."""
        intent = await patiently(protocol.gate, self._database, self._claimed, segment, commits)
        self.intents.append(intent)
        return intent

    async def decide(
        self, intent: Intent, outcome: protocol.IntentOutcome, *, url: str | None = None, app_id: str | None = None
    ) -> Intent:
        """Write what became of an intent; see `protocol.decide`."""
        decided = await patiently(
            protocol.decide, self._database, self._claimed, intent, outcome, url=url, app_id=app_id
        )
        self.intents = [decided if known.id == intent.id else known for known in self.intents]
        return decided

    def of(self, segment: int) -> list[Intent]:
        """Return a segment's intents, oldest first, without those that provably never left."""
        return [i for i in self.intents if i.segment == segment and i.outcome != "not_clicked"]

    def sent_in_vain(self, segment: int) -> int:
        """Count a segment's commits that were sent and never arrived, since a person last saw the item."""
        seen = self._claimed.seen_fence
        return sum(1 for i in self.intents if i.segment == segment and i.outcome == "absent" and i.fence > seen)

    @property
    def undecided(self) -> Intent | None:
        """Return the intent whose outcome nobody knows, if there is one."""
        return next((intent for intent in self.intents if intent.outcome is None), None)
