"""Seven kinds of faults in a proof, and three hands that make them: naive, chaining anew, and mending every sum too."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

from bots.reconciliation.proof_log import FORMAT, ChainedLog

Entry = dict[str, Any]
Log = list[tuple[str, Entry]]
"""Hash as it stands in the file, and the entry."""
FORGERS = ("naive", "chains_anew", "mends_all")


def load(path: Path) -> Log:
    """Read a proof."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return [(digest, entry) for digest, entry in found["log"]]


def forge(path: Path, target: Path, fault: str, forger: str, rng: random.Random) -> None:
    """Write a proof with one fault in it; mending may undo a fault, then another is made."""
    before = load(path)
    given = [entry for _, entry in before]
    while True:
        log = FAULTS[fault](deepcopy(before), rng)
        entries = [entry for _, entry in log]
        if forger == "mends_all":
            entries = mended(entries)
        if entries != given:
            break
    if forger == "naive":
        _write_as_it_stands(log, target)
        return
    with target.open("wb") as handle:
        chained = ChainedLog(handle)
        own = {"entry", "n"} if forger == "mends_all" else {"entry"}  # who mends numbers anew, too
        for entry in entries:
            chained.add(entry["entry"], {name: entry[name] for name in entry if name not in own})
        chained.close()


def _write_as_it_stands(log: Log, target: Path) -> None:
    rows = ",\n".join(
        json.dumps([digest, entry], sort_keys=True, separators=(",", ":"), ensure_ascii=False) for digest, entry in log
    )
    text = f'{{"format":"{FORMAT}","log":[\n{rows}\n],"head":"{log[-1][0]}"}}\n'
    target.write_text(text, encoding="utf-8", newline="\n")


def _holders(log: Log) -> list[int]:
    return [at for at, (_, entry) in enumerate(log) if entry["entry"] in {"match", "open"}]


def _line(log: Log, rng: random.Random) -> Entry:
    entry = log[rng.choice(_holders(log))][1]
    found: Entry = rng.choice(entry["lines"])
    return found


def dropped(log: Log, rng: random.Random) -> Log:
    """Leave out an open line, a match, or a line of a match."""
    at = rng.choice(_holders(log))
    entry = log[at][1]
    if len(entry["lines"]) > 1 and rng.random() < 0.5:
        entry["lines"].pop(rng.randrange(len(entry["lines"])))
        return log
    return log[:at] + log[at + 1 :]


def doubled(log: Log, rng: random.Random) -> Log:
    """Let an open line, a match, or a line of a match stand twice."""
    at = rng.choice(_holders(log))
    entry = log[at][1]
    if entry["entry"] == "match" and rng.random() < 0.5:
        entry["lines"].append(deepcopy(rng.choice(entry["lines"])))
        return log
    return [*log[: at + 1], deepcopy(log[at]), *log[at + 1 :]]


def altered(log: Log, rng: random.Random) -> Log:
    """Change the amount, the day or a text of a line."""
    line = _line(log, rng)
    what = rng.choice(["amount", "booked", "reference", "name"])
    if what == "amount":
        line["amount"] += rng.choice([-1, 1, 9, -90, 10_000])
    elif what == "booked":
        line["booked"] = f"{line['booked'][:-2]}{rng.randint(1, 28):02}"
    else:
        line[what] = line.get(what, "") + rng.choice(["X", "7", "é"])
    return log


def sign_flip(log: Log, rng: random.Random) -> Log:
    """Turn money in into money out."""
    line = _line(log, rng)
    line["amount"] = -line["amount"]
    return log


def wrong_opening(log: Log, rng: random.Random) -> Log:
    """Change an opening balance, or claim one."""
    entry = rng.choice([entry for _, entry in log if entry["entry"] == "statement"])
    entry["opening"] = (entry["opening"] or 0) + rng.choice([-100, 1, 5_000])
    return log


def edited_match(log: Log, rng: random.Random) -> Log:
    """Close what was suggested, change evidence or difference, exchange lines, change who decided."""
    matches = [entry for _, entry in log if entry["entry"] == "match"]
    one, other = rng.choice(matches), rng.choice(matches)
    what = rng.randrange(5)
    if what == 0:
        one["closed"] = "" if one["closed"] else "evidence"
    elif what == 1:
        one["kind"] = "reference" if one["kind"] != "reference" else "amount"
    elif what == 2:
        one["difference"] += rng.choice([-1, 1, 250])
    elif what == 3:
        one["lines"][-1], other["lines"][-1] = other["lines"][-1], one["lines"][-1]
    else:
        decision = rng.choice([entry for _, entry in log if entry["entry"] == "decision"])
        decision["who"] = "eve"
    return log


def reordered(log: Log, rng: random.Random) -> Log:
    """Exchange two entries."""
    first, second = sorted(rng.sample(range(1, len(log) - 1), 2))
    log[first], log[second] = log[second], log[first]
    return log


FAULTS: dict[str, Callable[[Log, random.Random], Log]] = {
    "dropped": dropped,
    "doubled": doubled,
    "altered": altered,
    "sign_flip": sign_flip,
    "wrong_opening": wrong_opening,
    "edited_match": edited_match,
    "reordered": reordered,
}


def mended(entries: list[Entry]) -> list[Entry]:
    """Return the log with everything derived computed anew, so that it contradicts itself as little as possible."""
    of: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        of[entry["entry"]].append(entry)
    _renumber([line for entry in of["match"] + of["open"] for line in entry["lines"]])
    movement, count = Counter[int](), Counter[int]()
    for entry in of["match"]:
        entry["difference"] = sum(_signed(line) for line in entry["lines"])
    for line in _lines(of):
        movement[line["statement"]] += line["amount"]
        count[line["statement"]] += 1
    for number, one in enumerate(of["statement"]):
        lost = one["count"] - count[number]
        one["count"], one["bookings"] = count[number], one["bookings"] - lost
        of["input"][one["input"]]["bookings"] -= lost
        if one["closing"] is not None and one["opening"] is not None:
            one["closing"] = one["opening"] + movement[number]
    for side in ("bank", "book"):
        _chain([one for one in of["statement"] if one["side"] == side])
    of["decision"].sort(key=lambda one: one["at"])
    for one in of["account"]:
        _account(one, of)
    _end(of)
    kinds = ("head", "evidence", "input", "quarantined", "statement", "decision", "match", "open", "account", "end")
    return [entry for kind in kinds for entry in of[kind]]


def _lines(of: dict[str, list[Entry]]) -> Iterable[Entry]:
    return (line for entry in of["match"] + of["open"] for line in entry["lines"])


def _signed(line: Entry) -> int:
    return int(line["amount"] if line["side"] == "bank" else -line["amount"])


def _renumber(lines: list[Entry]) -> None:
    """Give every line a place of its own: 0, 1, 2 … on each side."""
    for side in ("bank", "book"):
        own = sorted((line for line in lines if line["side"] == side), key=lambda line: line["line"])
        for number, line in enumerate(own):
            line["line"] = number


def _chain(statements: list[Entry]) -> None:
    by_account: dict[tuple[str, str], Entry] = {}
    for one in statements:
        before = by_account.get((one["account"], one["currency"]))
        if before and None not in (before["closing"], one["opening"], one["closing"]):
            moved = before["closing"] - one["opening"]
            one["opening"], one["closing"] = one["opening"] + moved, one["closing"] + moved
        by_account[one["account"], one["currency"]] = one


def _account(one: Entry, of: dict[str, list[Entry]]) -> None:
    key = one["account"], one["currency"]
    for side in ("bank", "book"):
        sums: Counter[str] = Counter()
        for entry in of["match"] + of["open"]:
            state = "open" if entry["entry"] == "open" else "closed" if entry["closed"] else "suggested"
            for line in entry["lines"]:
                if (line["side"], line["account"], line["currency"]) == (side, *key):
                    place = "forward" if line["statement"] < 0 else "movement"
                    sums.update({"lines": 1, state: line["amount"], place: line["amount"]})
        mine = [s for s in of["statement"] if (s["side"], s["account"], s["currency"]) == (side, *key)]
        slots = ("movement", "forward", "open", "suggested", "closed", "lines")
        one[side] = {name: sums[name] for name in slots} | {
            "opening": mine[0]["opening"] if mine else None,
            "closing": mine[-1]["closing"] if mine else None,
        }
    ends = [one[side][name] for name in ("opening", "closing") for side in ("bank", "book")]
    carried = one["bank"]["forward"] - one["book"]["forward"]
    one["unexplained"] = None if None in ends else ends[0] - ends[1] - carried
    one["proven"], one["why"] = "movements" if None in ends else "balances", ""


def _end(of: dict[str, list[Entry]]) -> None:
    end = of["end"][0]
    end["total"] = {side: sum(line["side"] == side for line in _lines(of)) for side in ("bank", "book")}
    states: Counter[str] = Counter({"open": len(of["open"])})
    for entry in of["match"]:
        states["closed" if entry["closed"] else "suggested"] += len(entry["lines"])
    end["states"] = {name: states[name] for name in ("closed", "suggested", "open")} | {
        "quarantined": sum(one["bookings"] for one in of["quarantined"])
    }
