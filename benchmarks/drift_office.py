"""Ordinary traffic for the drift benchmark: parties in batches, new ones now and then, a little of everything wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from engine.ledger.drift_facts import Entered, Worked

TODAY = date(2026, 3, 2)


@dataclass(frozen=True)
class Record:
    """One record on its way: what the source gave, what the bot did, what the model and an auditor said."""

    entered: Entered
    worked: Worked
    audited: bool | None
    """Whether an auditor found it wrong; None if nobody looked."""


class Office:
    """Ordinary traffic: parties in batches, new ones now and then, a little of everything going wrong."""

    def __init__(self, seed: int) -> None:
        """Draw the parties."""
        self.rng = Random(seed)  # noqa: S311 - repeatable
        self.parties = [self._party() for _ in range(25)]
        self.party, self.left, self.number = self.parties[0], 0, 0

    def _party(self) -> dict[str, str]:
        letters = "".join(self.rng.choices("ABCDEFGHKLMNPRST", k=self.rng.choice((2, 3))))
        return {
            "name": " ".join(word.capitalize() for word in self.rng.sample(("nord", "metall", "papier", "rossi"), 2)),
            "invoice": self.rng.choice((letters + "-{}", letters + "/2026/{}", "RE{}", "2026-{}")),
            "iban": "DE" + "".join(self.rng.choices("0123456789", k=20)),
            "currency": self.rng.choices(("EUR", "USD", "GBP", "CHF"), (80, 10, 6, 4))[0],
        }

    def record(self) -> Record:
        """Return the next record."""
        rng = self.rng
        self.number += 1
        if not self.left:
            if rng.random() < 0.02:
                self.parties[rng.randrange(len(self.parties))] = self._party()
            self.party, self.left = rng.choice(self.parties), rng.randint(1, 8)
        self.left -= 1
        payload = {
            "supplier": self.party["name"],
            "invoice_no": self.party["invoice"].format(rng.randint(1000, 99999)),
            "invoice_date": (TODAY - timedelta(days=rng.randint(0, 40))).isoformat(),
            "iban": self.party["iban"],
            "currency": self.party["currency"],
            "total": f"{rng.lognormvariate(6, 1.3):.2f}",
            "note": None if rng.random() < 0.6 else "net 30",
        }
        wrong = rng.random() < 0.01
        findings = [{"check": "read_back", "field": "total", "code": "not_equal"}] if rng.random() < 0.005 else []
        failed = rng.random() < 0.015
        worked = Worked(
            attempt_id=self.number,
            first=True,
            worker=rng.choice(("w1", "w2", "w3")),
            bot_version="0.3.0",
            error_kind="system" if failed else None,
            error_code="timeout" if failed else None,
            step="3 commit",
            payload=payload,
            read_back=None if failed else dict(payload),
            findings=findings,
            probability=None if failed else min(0.99, rng.betavariate(0.6, 14) + (0.4 if wrong else 0)),
            model="entry-quality",
            model_version="7",
            pins={"application_version": "4.2"},
            day=TODAY,
        )
        entered = Entered(1, self.number / 1e7, payload, ("total",) if rng.random() < 0.005 else None, TODAY)
        return Record(entered, worked, wrong if rng.random() < 0.3 else None)
