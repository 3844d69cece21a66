from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.proof_faults import TOOLS, measure
from benchmarks.proof_forgers import Entry, load
from benchmarks.proof_worlds import GATE, World, proven_world
from bots.reconciliation.proof import write_proof
from bots.reconciliation.proof_log import FORMAT, ChainedLog, canonical
from bots.reconciliation.proven import proven_side


def verify(*arguments: str | Path, tool: str = "verify") -> tuple[int, str]:
    """Run a tool as somebody does who has nothing of ours: no site packages, no paths, another folder."""
    copy = [sys.executable, "-I", "-S", str(TOOLS / f"{tool}_reconciliation.py"), *map(str, arguments)]
    done = subprocess.run(copy, capture_output=True, text=True, cwd="/", check=False)
    assert not done.stderr or done.returncode == 2
    return done.returncode, done.stdout + done.stderr


@dataclass(frozen=True)
class Claim:
    """A bound that does not follow from its reviews: it is 7.9e-05."""

    kind: str = GATE[0].kind
    closes: bool = True
    reviewed: int = 60_000
    wrong: int = 1
    bound: float = 0.00005
    source: str = "said so"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return proven_world(tmp_path_factory.mktemp("world"), 6)


def test_a_proof_is_verified_by_scripts_of_150_lines_that_know_nothing_of_us(world: World) -> None:
    for tool in TOOLS.glob("*_reconciliation.py"):
        lines = tool.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 150
        imported = {line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))}
        assert imported <= sys.stdlib_module_names
    assert verify(world.proof.path, "--head", world.proof.head) == (
        0,
        "holds: no problems; 0 bookings held back; the kept head was compared\n",
    )
    assert verify(world.proof.path, *world.files, tool="recount") == (0, "agrees: no problems\n")
    assert verify(world.proof.path, world.files[0], tool="recount")[1].endswith(
        f"not compared: {world.files[1].name}\n"
    )
    assert world.proof.holds
    assert {one.proven for one in world.proof.accounts} == {"balances"}


def test_the_chain_is_what_the_reference_says(world: World) -> None:
    found = json.loads(world.proof.path.read_text(encoding="utf-8"))
    head = hashlib.sha256(FORMAT.encode()).hexdigest()
    for told, entry in found["log"]:
        head = hashlib.sha256(f"{head}\n{canonical(entry)}".encode()).hexdigest()
        assert head == told
    assert head == found["head"] == world.proof.head
    lines = [(line["side"], line["line"]) for _, entry in found["log"] for line in entry.get("lines", [])]
    assert len(lines) == len(set(lines)) == len(world.facts.bank.lines) + len(world.facts.book.lines)


def test_faults_of_seven_kinds_by_three_hands_are_detected_and_clean_proofs_hold(tmp_path: Path) -> None:
    told = measure(tmp_path, faults=63, worlds=6, seed=7)
    assert (told["detected"], told["false_alarms"]) == (63, 0)
    naive = [forgers["naive"] for forgers in told["table"].values()]
    assert all(one["alone"] == one["made"] for one in naive)


def test_what_is_wrong_is_named(world: World, tmp_path: Path) -> None:
    forged = tmp_path / "forged.json"
    rows = world.proof.path.read_text(encoding="utf-8").splitlines(keepends=True)
    forged.write_text("".join(rows[:8] + rows[9:]), encoding="utf-8")
    code, said = verify(forged)
    assert code == 1
    assert "its number is not the next: one was dropped, doubled or moved" in said
    forged.write_text("".join(rows[:-3]), encoding="utf-8")
    assert "it is cut off, or goes on" in verify(forged)[1]
    assert "not the one that was kept" in verify(world.proof.path, "--head", "0" * 64)[1]
    other = tmp_path / "other.csv"
    other.write_bytes(world.files[0].read_bytes() + b" ")
    assert "no input has its hash" in verify(world.proof.path, other, tool="recount")[1]
    assert verify(tmp_path / "missing.json")[0] == 2
    assert verify(other)[0] == 1


def test_a_kind_that_may_not_close_closes_nothing(world: World, tmp_path: Path) -> None:
    loose = replace(GATE[0], closes=False)
    with pytest.raises(ValueError, match="may not close on its own"):
        write_proof(replace(world.facts, gate=[loose]), tmp_path / "proof.json")
    too_bold = write_proof(replace(world.facts, limit=0.00001), tmp_path / "proof.json")
    assert "closes over the limit" in verify(too_bold.path)[1]
    claimed = write_proof(replace(world.facts, gate=[Claim()]), tmp_path / "proof.json")
    assert "1 wrong of 60000 prove no 5e-05" in verify(claimed.path)[1]


def test_a_side_must_be_that_of_its_deliveries(world: World) -> None:
    with pytest.raises(ValueError, match="not those of its deliveries"):
        proven_side([], world.facts.bank.lines)


def test_the_same_reconciliation_has_the_same_proof(world: World, tmp_path: Path) -> None:
    again = write_proof(world.facts, tmp_path / "proof.json")
    assert (again.head, again.path.read_bytes()) == (world.proof.head, world.proof.path.read_bytes())


def chained_anew(log: list[Entry], path: Path) -> Path:
    """Write entries as whoever forges them would: the chain is right again."""
    with path.open("wb") as file:
        chained = ChainedLog(file)
        for one in log:
            chained.add(one["entry"], {name: value for name, value in one.items() if name not in {"entry", "n"}})
        chained.close()
    return path


def _of(log: list[Entry], kind: str) -> list[Entry]:
    return [one for one in log if one["entry"] == kind]


def _moved(log: list[Entry], kind: str, before: str) -> None:
    one = _of(log, kind)[0]
    log.remove(one)
    log.insert(log.index(_of(log, before)[0]), one)


def _half_a_cent(log: list[Entry]) -> None:
    of = next(one for one in _of(log, "statement") if one["closing"] is not None)
    of["opening"] = float(of["opening"])


def _approved_alone(log: list[Entry]) -> None:
    own = next(one for one in _of(log, "decision") if one["match"] is not None)
    own["what"] = "approve"
    log.insert(log.index(own), own | {"what": "first"})


def _unproven_kind(log: list[Entry]) -> None:
    _of(log, "evidence")[1].update(wrong=-1, bound="1e-06", closes=True)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda log: _of(log, "head")[0]["definition"].update(text="limit: 1"), "not that of its hash"),
        (lambda log: _of(log, "head")[0].update(confidence="0"), "a confidence of 0 proves nothing"),
        (lambda log: log.remove(_of(log, "head")[0]), "cannot be understood"),
        (lambda log: _moved(log, "open", "match"), "stands in the wrong place"),
        (lambda log: log.append(_of(log, "end")[0]), "cut off, or goes on"),
        (lambda log: log.insert(-1, {"entry": "note"}), "cannot be understood"),
        (_half_a_cent, "cannot be understood"),
        (_approved_alone, "is no second person"),
        (_unproven_kind, "prove no 1e-06"),
    ],
)
def test_a_chain_made_anew_is_found_where_it_contradicts_itself(
    world: World, tmp_path: Path, edit: Callable[[list[Entry]], object], said: str
) -> None:
    log = [entry for _, entry in load(world.proof.path)]
    edit(log)
    code, told = verify(chained_anew(log, tmp_path / "forged.json"))
    assert code == 1
    assert said in told


def test_an_amount_and_a_sign_are_looked_for_in_the_files(tmp_path: Path) -> None:
    """The forger mends every sum, and keeps no head; the file of the books is CSV."""
    one = next(w for n in range(40) if (w := proven_world(tmp_path / str(n), n)).files[1].suffix == ".csv")
    for side, file in zip(("bank", "book"), one.files, strict=True):
        log = load(one.proof.path)
        line = next(
            of for _, entry in log for of in entry.get("lines", []) if of["side"] == side and of["statement"] >= 0
        )
        line["amount"] += 123_457
        forged = chained_anew([entry for _, entry in log], tmp_path / "forged.json")
        assert "has no amount of" in verify(forged, file, tool="recount")[1]
