"""Check a proof of reconciliation: `verify_reconciliation.py PROOF.json [--head HASH]`.

Standard library only. --head: the hash kept apart from the file; without it, a proof chained anew shows only where it
contradicts itself. Exit 0: holds; 1: does not, and why; 2: cannot be read. recount_reconciliation.py reads the inputs.
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from hashlib import sha256
from math import exp, lgamma, log, log1p
from pathlib import Path
from typing import Any

FORMAT = "countersign-reconciliation-proof/1"
SLOTS = ("movement", "forward", "open", "suggested", "closed", "lines")
ORDER = ["head", "evidence", "input", "quarantined", "statement", "decision", "match", "open", "account", "end"]


class Checker:
    """What was read so far, and what is wrong with it."""

    def __init__(self) -> None:
        self.where, self.at, self.rank = "the file", "", 0
        self.wrong, self.decided = list[str](), dict[int, tuple[str, str]]()
        self.all, self.sum = defaultdict[Any, list[Any]](list), Counter[Any]()
        self.seen = {"bank": bytearray(), "book": bytearray()}

    def _is(self, so: Any, problem: str) -> None:
        self.wrong += [] if so else [f"{self.where}: {problem}"]

    def _entry(self, one: dict[str, Any]) -> None:
        kind, self.where, before = one["entry"], f"{one['entry']} {one['n']}", self.rank
        self.rank, lines = ORDER.index(kind), one.get("lines", [])
        whole = {"open": len(lines) == 1, "match": len(lines) > 0}.get(kind, not lines)
        self._is(one["n"] == self.sum["n", kind], "its number is not the next: one was dropped, doubled or moved")
        self._is(before <= self.rank and whole, "stands in the wrong place, or has too few or too many lines")
        self.sum["n", kind] = one["n"] + 1
        self.all[kind] += [one] * (kind not in {"match", "open", "decision"})
        if kind in {"quarantined", "statement"}:
            self.sum.update({("read", one["input"]): one["bookings"], kind: one["bookings"]})
            self.all[one.get("side"), one.get("account"), one.get("currency")].append(one)
        for line in lines:
            self._line(line, "open" if kind == "open" else "closed" if one["closed"] else "suggested")
        getattr(self, f"_{kind}", len)(one)

    def _line(self, line: dict[str, Any], state: str) -> None:
        side, at, of, amount = line["side"], line["line"], line["statement"], line["amount"]
        self.seen[side].extend(bytes(max(0, at + 1 - len(self.seen[side]))))
        self._is(at >= 0 and not self.seen[side][at], f"{side} line {at} stands in two places")
        self.seen[side][at], key = 1, (side, line["account"], line["currency"])
        home, place = (self.all["statement"][of], "movement") if of >= 0 else (line, "forward")
        self._is((home["side"], home["account"]) == key[:2], f"{side} line {at} is not of its statement")
        self.sum.update({(*key, place): amount, (*key, state): amount, ("movement", of): amount})
        self.sum.update({(*key, "lines"): 1, ("lines", of): 1, state: 1})

    def _head(self, one: dict[str, Any]) -> None:
        told, text = (one["definition"][name] for name in ("sha256", "text"))
        self._is(sha256(text.encode()).hexdigest() == told, "the definition is not that of its hash")
        self._is(0.5 < float(one["confidence"]) < 1, f"a confidence of {one['confidence']} proves nothing")

    def _evidence(self, one: dict[str, Any]) -> None:
        of, p, k, n = self.all["head"][0] | one, float(one["bound"]), one["wrong"], one["reviewed"]
        ways = (lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) for i in range((k + 1) * (p < 1)))
        odds = sum(exp(way + i * log(p) + (n - i) * log1p(-p)) for i, way in enumerate(ways))
        self._is(0 <= k <= n and odds <= 1.0001 - float(of["confidence"]) < 0.5001, f"{k} wrong of {n} prove no {p}")
        self._is(p <= float(of["limit"]) or not one["closes"], f"closes over the limit {of['limit']}")

    def _decision(self, one: dict[str, Any]) -> None:
        self._is(one["at"] >= self.at, "is earlier than the decision before")
        what, who, self.at = one["what"], one["who"], one["at"]
        by = "person" if what in {"confirm", "match", "approve"} else ""
        self._is(what != "approve" or self.decided.get(one["match"], ("", ""))[1] != who, f"{who} is no second person")
        self.decided.update({} if what == "note" or one["match"] is None else {one["match"]: (by, who)})

    def _match(self, one: dict[str, Any]) -> None:
        of = slice(None) if (at := one.get("evidence")) is None else slice(at, at + 1)  # before 0.5: any of its kind
        able = one["closed"] and any(e["kind"] == one["kind"] and e["closes"] for e in self.all["evidence"][of])
        by = self.decided.get(one["n"], ("", ""))[0] or ("evidence" if able else "")
        self._is(one["closed"] == by, f"closed by {one['closed']!r}: neither evidence nor decisions say so")
        sides, currencies = ({line[name] for line in one["lines"]} for name in ("side", "currency"))
        left = sum(line["amount"] if line["side"] == "bank" else -line["amount"] for line in one["lines"])
        self._is(left == one["difference"] or (len(sides), len(currencies)) != (2, 1), f"its lines leave {left}")

    def _account(self, one: dict[str, Any]) -> None:
        ends: list[Any] = []
        self.sum["account", one["account"], one["currency"]] += 1
        for side in self.seen:
            key = (side, one["account"], one["currency"])
            ends += [self.all[key][0]["opening"], self.all[key][-1]["closing"]] if self.all[key] else [None, None]
            has = {slot: self.sum[*key, slot] for slot in SLOTS} | {"opening": ends[-2], "closing": ends[-1]}
            self._is(one[side] == has, f"{side} is {has}")
            self._is(None in ends[-2:] or ends[-2] + has["movement"] == ends[-1], f"{side} does not add up")
        known, net = None not in ends, {slot: one["bank"][slot] - one["book"][slot] for slot in SLOTS}
        left = ends[0] - ends[2] - net["forward"] if known else None
        listed = not known or left + net["open"] + net["suggested"] + net["closed"] == ends[1] - ends[3]
        self._is(listed and one["unexplained"] == left, "the listed items do not explain the difference")
        self._is(one["proven"] == ("balances" if known else "movements"), f"NOT PROVEN: {one['why']}")

    def _end(self, one: dict[str, Any]) -> None:
        seen = {side: sum(lines) if all(lines) else -1 for side, lines in self.seen.items()}
        states = {state: self.sum[state] for state in ("closed", "suggested", "open", "quarantined")}
        told = {side: sum(of[side]["lines"] for of in self.all["account"]) for side in seen}
        right = one["total"] == seen == told and one["states"] == states and len(self.all["head"]) == 1
        self._is(right, f"lines or accounts are missing: it holds {seen}, in accounts {told}, in states {states}")
        for n, of in enumerate(self.all["statement"]):
            tied = None in (of["opening"], of["closing"]) or of["opening"] + self.sum["movement", n] == of["closing"]
            whole = of["count"] == self.sum["lines", n] and self.sum["account", of["account"], of["currency"]] == 1
            self._is(tied and whole, f"statement {n}, its lines and its account do not add up")
        for n, of in enumerate(self.all["input"]):
            self._is(of["bookings"] in {None, self.sum["read", n]}, f"input {n} has not its {of['bookings']} bookings")

    def read(self, path: Path, kept: str | None) -> None:
        """Read a proof entry by entry: each is one line of the file."""
        with path.open("rb") as file:
            head, last, first = sha256(FORMAT.encode()).hexdigest(), b",\n", file.readline()
            while (raw := file.readline())[:1] == b"[":
                told, text = raw[2:66].decode("latin-1"), raw[68:].rstrip(b",\n")[:-1]
                right, head = sha256(f"{head}\n".encode() + text).hexdigest(), told
                self._entry(one := json.loads(text, parse_float=int, parse_constant=int))  # there are no fractions
                again = json.dumps([told, one], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
                whole, last = last == b",\n" and raw.startswith(again), raw[len(again) :]
                self._is(told == right and whole, "the chain breaks: something was changed here")
            rest, frame = first + last + raw + file.read(), f'{{"format":"{FORMAT}","log":[\n\n],"head":"{head}"}}\n'
        self._is(rest == frame.encode() and self.where == "end 0", f"no whole {FORMAT}: it is cut off, or goes on")
        self._is(kept in {None, head}, f"the head is {head}, not the one that was kept: the proof was changed")


def main(arguments: list[str] | None = None) -> int:
    """Check one proof and say what does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("proof", type=Path)
    parser.add_argument("--head")
    asked, checker = parser.parse_args(arguments), Checker()
    try:
        checker.read(asked.proof, asked.head)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, MemoryError) as error:
        checker.wrong.append(f"{checker.where}: what follows it cannot be understood: {error!r}")
    print(*(f"FAILED: {problem}" for problem in checker.wrong[:50]), sep="\n", end="\n" * bool(checker.wrong))
    print(f"{len(checker.wrong) or 'holds: no'} problems; {checker.sum['quarantined']} bookings held back;", end=" ")
    print("the" if asked.head else "NO", "kept head was compared")
    return 1 if checker.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
