"""Read reconciled files again and compare them with their proof: `recount_reconciliation.py PROOF.json FILE...`.

Standard library only; that the proof itself holds is the business of verify_reconciliation.py. Each file must have the
hash of an input. Of MT940, CAMT, OFX and CSV files the bookings are counted, of every text the amount of each booking
is looked for where the proof says that it stands, and but for CSV and BAI2 whether money came in or went out.
Exit 0: agrees; 1: does not, and why; 2: cannot be read.
"""

import argparse
import csv
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from unicodedata import normalize

MARKS = {"mt940": r"(?m)^:61:", "camt": r"<(?:[\w.-]+:)?Ntry[\s>]", "ofx": r"(?i)<STMTTRN[\s>]"}
SIGNS = {"mt940": r":61:\d{6,10}(R?[CD])", "camt": r"CdtDbtInd>\s*([CD])", "ofx": r"(?i)<TRNAMT>\s*([+-]?)"}
OUT = {"D", "RC", "-"}
TEXTS = {*MARKS, "csv", "bai2"}
TOTAL = re.compile(r"(grand )?(total|sum|gesamt|somme|合计|总计|小计)", re.IGNORECASE)
"""How a row of totals may begin: it is no booking, but need not be left out either."""


class Input:
    """What a proof says of one file."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.held = False
        self.heading = 0
        """Line on which its first statement begins; of a table, its headings."""
        self.bookings: Counter[tuple[int, Any]] = Counter()
        """Line of the file, and batch or number of the line, to the amount."""

    def problems(self, data: bytes) -> Iterator[str]:
        """Yield what is not in the file as it is said to be."""
        stated = self.told["bookings"]
        if stated is None or self.told["format"] not in TEXTS:
            return  # its lines stand only in part, or it is no text
        code = "utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
        lines = re.split("\r\n|\r|\n", normalize("NFKC", data.decode(code, "replace")))
        least, most = self.counted(lines)
        if not (least <= stated <= most or (self.held and stated > most)):
            yield f"holds {least} bookings, not {stated}"
        yield from self.misread(lines)

    def counted(self, lines: list[str]) -> tuple[int, int]:
        """Return how many bookings the file has, at least and at most."""
        if self.told["format"] == "csv":
            csv.field_size_limit(sys.maxsize)
            sign = max(";\t|,", key=lines[self.heading - 1].count)
            rows = [text for row in csv.reader(lines[self.heading :], delimiter=sign) if (text := "".join(row).strip())]
            return sum(not TOTAL.match(text) for text in rows), len(rows)
        mark = MARKS.get(self.told["format"])
        count = len(re.findall(mark, "\n".join(lines))) if mark else self.told["bookings"]
        return count, count

    def misread(self, lines: list[str]) -> Iterator[str]:
        """Yield the bookings whose amount is not written between their line and the next one's, and turned signs.

        Where several begin on one line, which is whose cannot be told, and nothing is said. A side may be turned as a
        whole, so that money out is positive in its files: then it is in all of them, and of two signs the rarer is off.
        """
        rows, turned = Counter(row for row, _ in self.bookings), defaultdict[bool, list[int]](list)
        starts = sorted(rows)
        ends = dict(zip(starts, [*starts[1:], len(lines) + 1], strict=False))
        for (row, _), amount in self.bookings.items():
            if rows[row] > 1:
                continue
            text = "\n".join(lines[max(0, row - 1) : ends[row] - 1])
            if str(abs(amount)).rstrip("0") not in re.sub(r"\D", "", text):
                yield f"line {row} has no amount of {amount} minor units"
            sign = re.search(SIGNS.get(self.told["format"], "(?!)"), text)
            if sign and amount:
                turned[(sign[1] in OUT) == (amount < 0)].append(row)
        if len(turned) > 1:
            off = min(turned.values(), key=len)
            yield f"writes other signs than the proof has, in lines {', '.join(map(str, off[:5]))}"


def read(path: Path) -> list[Input]:
    """Return the inputs of a proof, with what is said to stand in each."""
    inputs, homes = list[Input](), list[Input]()
    with path.open("rb") as file:
        for raw in file:
            if raw[:1] != b"[":
                continue
            one = json.loads(raw.rstrip(b",\n"))[1]
            if one["entry"] == "input":
                inputs.append(Input(one))
            elif one["entry"] == "quarantined":
                inputs[one["input"]].held = True
            elif one["entry"] == "statement":
                homes.append(inputs[one["input"]])
                homes[-1].heading = homes[-1].heading or one["row"]
            for line in one.get("lines", ()):
                if line["statement"] >= 0:
                    of = line.get("batch") or line["line"]
                    homes[line["statement"]].bookings[line["row"], of] += line["amount"]
    return inputs


def main(arguments: list[str] | None = None) -> int:
    """Compare files with a proof and say what does not agree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("proof", type=Path)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    asked, wrong = parser.parse_args(arguments), list[str]()
    inputs, seen = list[Input](), set[str]()
    try:
        inputs = read(asked.proof)
        for path in asked.files:
            data = path.read_bytes()
            seen.add(digest := sha256(data).hexdigest())
            same = [one for one in inputs if one.told["sha256"] == digest]
            wrong += [] if same else [f"{path} is none of the reconciled files: no input has its hash"]
            wrong += [f"{path} {problem}" for one in same for problem in one.problems(data)]
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        wrong.append(f"{asked.proof} cannot be understood: {error!r}")
    print(*(f"FAILED: {problem}" for problem in wrong[:50]), sep="\n", end="\n" * bool(wrong))
    left = sorted({one.told["name"] for one in inputs if one.told["sha256"] not in seen})
    print(f"{len(wrong) or 'agrees: no'} problems" + f"; not compared: {', '.join(left)}" * bool(left))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
