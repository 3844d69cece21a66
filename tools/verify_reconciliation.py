"""Check a proof of reconciliation: `verify_reconciliation.py PROOF.json [--head HASH] [--input FILE]...`.

Standard library only. --head: the hash kept apart from the file; without it, a proof chained anew shows only where it
contradicts itself. --input: a reconciled file, counted again. Exit 0: holds; 1: does not, and why; 2: cannot be read.
"""

import argparse
import hashlib
import json
import re
import sys
from collections import Counter, defaultdict
from math import exp, lgamma, log, log1p
from pathlib import Path
from typing import Any

FORMAT = "countersign-reconciliation-proof/1"
MARKS = {"mt940": rb"(?m)^:61:", "camt": rb"<(?:[\w.-]+:)?Ntry[\s>]", "ofx": rb"(?i)<STMTTRN[\s>]"}
SLOTS = ("movement", "forward", "open", "suggested", "closed", "lines")


class Checker:
    """What was read so far, and what is wrong with it."""

    def __init__(self) -> None:
        self.where, self.at = "the file", ""
        self.wrong: list[str] = []
        self.all: dict[Any, list[Any]] = defaultdict(list)
        self.sum: Counter[Any] = Counter()
        self.decided: dict[int, str] = {}
        self.seen = {"bank": bytearray(), "book": bytearray()}

    def must(self, holds: Any, problem: str) -> None:
        """Note a problem unless it holds."""
        self.wrong += [] if holds else [f"{self.where}: {problem}"]

    def entry(self, one: dict[str, Any]) -> None:
        """Check one entry, and that it follows the one before."""
        kind, self.where = one["entry"], f"{one['entry']} {one['n']}"
        self.must(one["n"] == self.sum["n", kind], "its number is not the next: one was dropped, doubled or moved")
        self.sum["n", kind] = one["n"] + 1
        if kind == "decision":
            self.must(one["at"] >= self.at, "is earlier than the decision before")
            self.at, self.decided[one["match"]] = one["at"], one["what"]
        elif kind not in {"match", "open"}:
            self.all[kind].append(one)
        if kind in {"quarantined", "statement"}:
            self.sum.update({("read", one["input"]): one["bookings"], kind: one["bookings"]})
            self.all[one.get("side"), one.get("account"), one.get("currency")].append(one)
        for line in one.get("lines", []):
            self.line(line, "open" if kind == "open" else "closed" if one["closed"] else "suggested")
        getattr(self, f"_{kind}", len)(one)

    def line(self, line: dict[str, Any], state: str) -> None:
        """Count a line once: in its state, its account, its statement."""
        side, at, of, amount = line["side"], line["line"], line["statement"], line["amount"]
        self.seen[side].extend(bytes(max(0, at + 1 - len(self.seen[side]))))
        self.must(not self.seen[side][at], f"{side} line {at} stands in two places")
        self.seen[side][at], key = 1, (side, line["account"], line["currency"])
        home, place = (self.all["statement"][of], "movement") if of >= 0 else (line, "forward")
        self.must((home["side"], home["account"]) == key[:2], f"{side} line {at} is not of its statement")
        sums = ((*key, place), amount), ((*key, state), amount), (("movement", of), amount), ((*key, "lines"), 1)
        for name, much in (*sums, (("lines", of), 1), (state, 1)):
            self.sum[name] += much

    def _evidence(self, one: dict[str, Any]) -> None:
        head, p, k, n = self.all["head"][0], float(one["bound"]), one["wrong"], one["reviewed"]
        ways = (lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) for i in range((k + 1) * (p < 1)))
        chance = sum(exp(way + i * log(p) + (n - i) * log1p(-p)) for i, way in enumerate(ways))
        self.must(chance <= 1.0001 - float(head["confidence"]), f"{k} wrong of {n} do not prove {p}")
        self.must(p <= float(head["limit"]) or not one["closes"], f"closes over the limit {head['limit']}")

    def _match(self, one: dict[str, Any]) -> None:
        able = one["closed"] and any(e["kind"] == one["kind"] and e["closes"] for e in self.all["evidence"])
        by = "person" if self.decided.get(one["n"]) in {"confirm", "match", "approve"} else "evidence" if able else ""
        self.must(one["closed"] == by, f"closed by {one['closed']!r}: neither evidence nor decisions say so")
        sides, currencies = ({line[name] for line in one["lines"]} for name in ("side", "currency"))
        left = sum(line["amount"] if line["side"] == "bank" else -line["amount"] for line in one["lines"])
        self.must(left == one["difference"] or (len(sides), len(currencies)) != (2, 1), f"its lines leave {left}")

    def _account(self, one: dict[str, Any]) -> None:
        ends: list[Any] = []
        for side in self.seen:
            key = (side, one["account"], one["currency"])
            ends += [self.all[key][0]["opening"], self.all[key][-1]["closing"]] if self.all[key] else [None, None]
            has = {slot: self.sum[*key, slot] for slot in SLOTS} | {"opening": ends[-2], "closing": ends[-1]}
            self.must(one[side] == has, f"{side} is {has}")
            self.must(None in ends[-2:] or ends[-2] + has["movement"] == ends[-1], f"{side} does not add up")
        known, net = None not in ends, {slot: one["bank"][slot] - one["book"][slot] for slot in SLOTS}
        left = ends[0] - ends[2] - net["forward"] if known else None
        listed = not known or left + net["open"] + net["suggested"] + net["closed"] == ends[1] - ends[3]
        self.must(listed and one["unexplained"] == left, "the listed items do not explain the difference")
        self.must(one["proven"] == ("balances" if known else "movements"), f"NOT PROVEN: {one['why']}")

    def _end(self, one: dict[str, Any]) -> None:
        seen = {side: sum(lines) if all(lines) else -1 for side, lines in self.seen.items()}
        states = {state: self.sum[state] for state in ("closed", "suggested", "open", "quarantined")}
        told = {side: sum(of[side]["lines"] for of in self.all["account"]) for side in seen}
        right = one["total"] == seen == told and one["states"] == states
        self.must(right, f"lines or accounts are missing: it holds {seen}, in accounts {told}, in states {states}")
        for n, of in enumerate(self.all["statement"]):
            tied = None in (of["opening"], of["closing"]) or of["opening"] + self.sum["movement", n] == of["closing"]
            self.must(tied and of["count"] == self.sum["lines", n], f"statement {n} and its lines do not add up")
        for n, of in enumerate(self.all["input"]):
            self.must(of["bookings"] in {None, self.sum["read", n]}, f"input {n} has not its {of['bookings']} bookings")

    def read(self, path: Path, kept: str | None) -> None:
        """Read a proof entry by entry: each is one line of the file."""
        head = hashlib.sha256(FORMAT.encode()).hexdigest()
        with path.open("rb") as file:
            first = file.readline()
            while (raw := file.readline())[:1] == b"[":
                told, text = raw[2:66].decode("latin-1"), raw[68:].rstrip(b",\n")[:-1]
                right, head = hashlib.sha256(f"{head}\n".encode() + text).hexdigest(), told
                self.entry(one := json.loads(text))
                again = json.dumps([told, one], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
                self.must(told == right and raw.rstrip(b",\n") == again, "the chain breaks: something was changed here")
            whole = first + raw + file.read() == f'{{"format":"{FORMAT}","log":[\n],"head":"{head}"}}\n'.encode()
        self.must(whole and self.where == "end 0", f"the file is no whole {FORMAT}: it is cut off, or goes on")
        self.must(kept in {None, head}, f"the head is {head}, not the one that was kept: the proof was changed")


def main(arguments: list[str] | None = None) -> int:
    """Check one proof and say what does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("proof", type=Path)
    parser.add_argument("--head")
    parser.add_argument("--input", type=Path, action="append", default=[])
    asked, checker = parser.parse_args(arguments), Checker()
    try:
        checker.read(asked.proof, asked.head)
        for path in asked.input:
            data, checker.where = path.read_bytes(), str(path)
            same = [of for of in checker.all["input"] if of["sha256"] == hashlib.sha256(data).hexdigest()]
            checker.must(same, "is none of the reconciled files: no input has its hash")
            for of in [of for of in same if of["format"] in MARKS]:
                marks = len(re.findall(MARKS[of["format"]], data))
                checker.must(of["bookings"] in {None, marks}, f"holds {marks} bookings, not {of['bookings']}")
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        checker.must(not error, f"what follows it cannot be understood: {error!r}")
    print(*(f"FAILED: {problem}" for problem in checker.wrong[:50]), sep="\n", end="\n" * bool(checker.wrong))
    print(len(checker.wrong) or "holds: no", "problems;", "the" if asked.head else "NO", "kept head was compared")
    return 1 if checker.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
