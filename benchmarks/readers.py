"""Do the readers lose anything: `python -m benchmarks.readers --data DIR [--quick] [--json] [--copies N] [--seed N]`.

Every sample below DIR is read and ties out, is read with nothing to tie it to and says so, or is held back or refused
with the reason. Then 10,000 damaged copies of the samples, and of files of our own. A copy is lost in silence if it is
read and nothing is in its quarantine, and yet

- it has more or fewer bookings than `reader_mutants` counts in it, which knows nothing of the readers, or
- the lines of a statement do not add up from its opening to its closing balance, or
- no statement is called loose, as many bookings are counted as in a sample without quarantine, and the amounts differ.

That a statement is loose (it has no balances) is a word about its amounts, never about its number of bookings.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reader_mutants import MARKS, MUTATIONS, text_of
from bots.reconciliation.lines import Delivery
from bots.reconciliation.proven import bookings_of
from bots.reconciliation.readers.registry import read, sniff
from engine.errors import UserError
from fixtures.generate.deliveries import whole
from fixtures.generate.statement_files import WRITERS
from fixtures.generate.statements import world

ENDINGS = frozenset({".sta", ".txt", ".xml", ".ofx", ".qfx", ".bai2", ".csv", ".mt940", ".xlsx"})
OTHER = frozenset({"requirements.txt", "LICENSE.txt"})


@dataclass(frozen=True)
class Sample:
    """One file as it was delivered."""

    name: str
    data: bytes
    amounts: tuple[int, ...] | None
    """What is read of it, in order; None where it is refused or held back in part: damage may then mend it."""
    marks: int | None
    """Bookings that are counted in it; None where the count does not fit this file, so that it proves nothing."""


def main() -> None:
    """Run, print, and end with one line of JSON if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of sample statements")
    parser.add_argument("--quick", action="store_true", help="1,000 copies")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--copies", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="show so many of the copies that were lost")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        outcomes, files = samples(asked.data)
        told = {"samples": len(files), **outcomes}
        bases = [sample(place, path.name, path.read_bytes()) for path in (*files, *own_files(place / "own"))]
        copies = 1_000 if asked.quick else asked.copies
        told |= damage(place, bases, copies, random.Random(f"readers {asked.seed}"), asked.show)  # noqa: S311 - seeded
    for name, value in told.items():
        print(f"{name:>24}  {value}")
    if asked.json:
        print(json.dumps(told))


def samples(folder: Path) -> tuple[dict[str, int], list[Path]]:
    """Read every sample; return how many ended how, and the files.

    Raises:
        UserError: there are none.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix in ENDINGS and path.name not in OTHER)
    if not files:
        raise UserError(f"{folder}: no sample statements are below it")
    ends: Counter[str] = Counter({"ties": 0, "loose": 0, "held": 0, "refused": 0})
    for path in files:
        try:
            found = read(path)
            ends["held" if found.quarantined else "loose" if found.loose else "ties"] += 1
            said = "; ".join([*found.problems(), *found.loose])
        except UserError as error:
            ends["refused"] += 1
            said = str(error)
        print(f"{path.relative_to(folder)}: {said.replace(str(path), path.name)[:160] or 'ties out'}")
    return dict(ends), files


def own_files(folder: Path) -> Iterator[Path]:
    """Yield files of our own with balances, running balances and totals, one a format."""
    folder.mkdir(parents=True)
    made = world(seed=1, days=3, per_day=5, accounts=2)
    for name, (ending, write) in WRITERS.items():
        yield write(folder / f"{name}{ending}", whole(made, "bank" if name != "csv" else "book"))
    rows = ["日期;摘要;对方户名;支出;收入;币种;余额"]
    balance, out, into = 50_000, 0, 0
    for one in whole(made, "bank").statements[0].entries:
        balance += one.amount
        out, into = out - min(one.amount, 0), into + max(one.amount, 0)
        debit, credit = ("", _comma(one.amount)) if one.amount >= 0 else (_comma(-one.amount), "")
        rows.append(f"{one.booked};{one.text};{one.name};{debit};{credit};CNY;{_comma(balance)}")
    rows.append(f"合计;;;{_comma(out)};{_comma(into)};;")
    path = folder / "running.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    yield path


def _comma(amount: int) -> str:
    return f"{amount / 100:.2f}".replace(".", ",")


def sample(folder: Path, name: str, data: bytes) -> Sample:
    """Return a file with what is read and counted of it undamaged."""
    path = folder / name
    path.write_bytes(data)
    kind = sniff(data)
    try:
        found = read(path)
    except UserError:
        return Sample(name, data, None, None)
    counted = MARKS[kind](text_of(data)) if kind in MARKS else None
    fits = counted if counted == bookings_of(found) else None
    amounts = None if found.quarantined else tuple(line.amount for line in found.lines)
    return Sample(name, data, amounts, fits)


def damage(folder: Path, bases: list[Sample], copies: int, rng: random.Random, show: int) -> dict[str, Any]:
    """Return what became of so many damaged copies."""
    ends: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    usable = [one for one in bases if one.data]
    reader = ThreadPoolExecutor(1)  # hands back whatever is raised, a library's panic too
    began = time.perf_counter()
    for number in range(copies):
        one = usable[number % len(usable)]
        name = rng.choice(list(MUTATIONS))
        data = MUTATIONS[name](one.data, rng)
        path = folder / one.name
        path.write_bytes(data)
        reading = reader.submit(read, path)
        error = reading.exception()
        if isinstance(error, UserError):
            ends["refused"] += 1
            continue
        if error is not None:
            ends["crashes"] += 1
            print(f"CRASH {one.name} {name}: {error!r}")
            continue
        found = reading.result()
        said = loss(one, data, found)
        ends["held" if found.quarantined else "read"] += 1
        if said:
            lost[name] += 1
            if sum(lost.values()) <= show:
                print(f"LOST {one.name} {name}: {said}")
                Path(tempfile.gettempdir(), f"lost-{sum(lost.values())}-{one.name}").write_bytes(data)
    seconds = time.perf_counter() - began
    counted = sum(one.marks is not None for one in usable)
    return {
        "copies": copies,
        "files_copied": len(usable),
        "files_counted": counted,
        "crashes": ends["crashes"],
        "silent_losses": sum(lost.values()),
        "losses_by_damage": dict(lost),
        "copies_read": ends["read"],
        "copies_held_back": ends["held"],
        "copies_refused": ends["refused"],
        "reads_per_s": round(copies / seconds, 1),
    }


def loss(one: Sample, data: bytes, found: Delivery) -> str:
    """Return why a damaged copy was lost in silence, or nothing."""
    if found.quarantined:
        return ""
    for statement in found.statements:
        moved = sum(line.amount for line in statement.lines)
        if None not in (statement.opening, statement.closing) and (statement.opening or 0) + moved != statement.closing:
            return f"the statement of line {statement.number} does not add up"
    read_, counted = bookings_of(found), None
    if one.marks is not None and found.format in MARKS:
        counted = MARKS[found.format](text_of(data))
        if counted != read_:
            return f"{read_} bookings are read, {counted} are counted"
    amounts = sorted(line.amount for line in found.lines)
    same = counted is not None and counted == one.marks and one.amounts is not None
    if not found.loose and same and amounts != sorted(one.amounts or ()):
        return "the amounts are others"
    return ""


if __name__ == "__main__":
    main()
