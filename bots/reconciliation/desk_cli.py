"""`reconciliation`: take deliveries in day by day, and decide what matching left to people."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer
from rich.console import Console

from bots.reconciliation import desk_view as view
from bots.reconciliation.ageing import EDGES, ageing
from bots.reconciliation.desk_terms import Terms, made_under, match_new, rules_of
from bots.reconciliation.heads_cli import add_heads
from bots.reconciliation.ports import Heads, OpenItems
from bots.reconciliation.rules_cli import build_rules
from engine.clock import SystemClock
from engine.errors import UserError
from engine.open_items import BANK, BOOK, MatchRow

if TYPE_CHECKING:
    from bots.reconciliation.judging import Judge  # with pandas

EXIT_PERSON = 1


class RollingDesk(Protocol):
    """What the verbs need of the one who runs them; the runner provides it."""

    @property
    def console(self) -> Console:
        """Standard output."""
        ...

    @property
    def user(self) -> str:
        """Who sits here."""
        ...

    def heads(self) -> Heads:
        """Return the heads of proofs that the ledger keeps."""
        ...

    def open_items(self, name: str | None, *, new: str | None = None) -> OpenItems:
        """Return the open items of a reconciliation, without a name of the only one; `new` is made if there is none."""
        ...


class SideName(StrEnum):
    """Whose file it is."""

    bank = "bank"
    book = "book"


Name = Annotated[str | None, typer.Option("--name", help="Which reconciliation; default: the only one.")]
Declared = Annotated[Path | None, typer.Option("--definition", help="Its definition; default: sound defaults.")]
AsWho = Annotated[str | None, typer.Option("--as", help="Who decides; default: you.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in words; it is kept.")]
Maybe = Annotated[str, typer.Option("--reason", help="Why, in words, if there is more to say; it is kept.")]
Number = Annotated[int, typer.Argument(metavar="MATCH", help="Number of a match.")]
Ids = Annotated[list[int], typer.Argument(metavar="MATCH…", help="Numbers of matches.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many rows.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
AsOf = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day to which items are old; default: today.")
]


def build_reconciliation(
    open_desk: Callable[[], RollingDesk], *, judge: Callable[[], Judge | None] | None = None
) -> typer.Typer:
    """Build the `reconciliation` verbs over a desk that is opened when one runs; `judge` gives suggestions P(wrong)."""
    app = typer.Typer(name="reconciliation", help="Open items, day by day: deliveries, matches, decisions.")
    _add_work(app, open_desk, judge or (lambda: None))
    _add_reports(app, open_desk)
    _add_looks(app, open_desk)
    _add_decisions(app, open_desk)
    app.add_typer(build_rules(open_desk), name="rules")
    _add_proof(app, open_desk)
    add_heads(app, open_desk)
    return app


def _add_work(app: typer.Typer, open_desk: Callable[[], RollingDesk], judge: Callable[[], Judge | None]) -> None:
    @app.command()
    def receive(
        side: Annotated[SideName, typer.Argument(help="Whose files they are.")],
        files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="In the order in which they came.")],
        name: Name = None,
        definition: Declared = None,
        who: AsWho = None,
        *,
        match: Annotated[bool, typer.Option(help="Match what is new with what is open.")] = True,
        as_json: AsJson = False,
    ) -> None:
        """Take files in: what is new, seen again, corrected, late; then match it with what is open."""
        from bots.reconciliation.receiving import receive as take_in  # noqa: PLC0415 - slow to load, for this verb alone
        from bots.reconciliation.taking import read_files  # noqa: PLC0415

        desk, rules = open_desk(), rules_of(definition)
        items = desk.open_items(name or (rules.name if definition else None), new=rules.name)
        number = BANK if side is SideName.bank else BOOK
        if definition is not None:
            items.limit(rules.limits, who or desk.user)
        deliveries, said = read_files(items, number, files, rules.definition, who or desk.user)
        terms = Terms(items, rules, judge() if match else None)
        received = [take_in(items, number, one, who or desk.user, terms_id=terms.id) for one in deliveries]
        outcome = match_new(terms) if match else None
        if rules.definition.file.keep is not None:
            items.let_go(rules.definition.file.keep)
        problems = [problem for one in deliveries for problem in one.problems()]
        if as_json:
            _print({"received": received, "matched": outcome, "problems": problems, "told": said})
        else:
            view.told(desk.console, said)
            desk.console.print(view.received([path.name for path in files], received))
            view.say(desk.console, view.matched(outcome) if outcome else "", problems)
        if problems:
            raise typer.Exit(EXIT_PERSON)

    @app.command()
    def rematch(name: Name = None, definition: Declared = None, as_json: AsJson = False) -> None:
        """Match what was opened again since the last delivery."""
        desk, rules = open_desk(), rules_of(definition)
        outcome = match_new(Terms(desk.open_items(name or (rules.name if definition else None)), rules, judge()))
        if as_json:
            _print({"matched": outcome})
        else:
            view.say(desk.console, view.matched(outcome), ())


def _add_reports(app: typer.Typer, open_desk: Callable[[], RollingDesk]) -> None:
    @app.command()
    def status(name: Name = None, asof: AsOf = None, as_json: AsJson = False) -> None:
        """Show balances rolled forward, lines by state, the age of what is open, and what waits for people."""
        desk = open_desk()
        items = desk.open_items(name)
        buckets = ageing(items.ages(), _day(asof), EDGES)
        waiting, noticed = items.matches(["waiting"]), items.noticed()
        if as_json:
            told: dict[str, Any] = {"name": items.name, "lines": items.counts(), "accounts": items.accounts()}
            told |= {"ageing": buckets, "waiting": waiting, "noticed": noticed, "limits": items.limits()}
            _print(told | {"deliveries": items.deliveries(10)})
            return
        desk.console.print(view.accounts(items.accounts()))
        desk.console.print(view.states(items.counts()))
        if buckets:
            desk.console.print(view.ages(buckets))
        for title, rows in (("wait for a second person", waiting), ("decided by people, changed since", noticed)):
            if rows:
                desk.console.print(view.matches(rows, title), soft_wrap=True)

    @app.command("open")
    def open_(
        name: Name = None,
        limit: Limit = 50,
        asof: AsOf = None,
        *,
        suggestions: Annotated[bool, typer.Option(help="Only suggestions, to accept or reject.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """List suggestions, those that are surest right first, then open lines, oldest first."""
        desk = open_desk()
        items = desk.open_items(name)
        suggested = items.matches(["suggested"], limit, surest=True)
        lines = [] if suggestions else [one for one in items.lines() if one.state == "open"][:limit]
        if as_json:
            _print({"suggestions": suggested, "lines": lines})
            return
        if suggested:
            desk.console.print(view.matches(suggested, "suggestions"), soft_wrap=True)
        if lines:
            desk.console.print(view.lines(lines, _day(asof)))
        elif not suggested:
            view.say(
                desk.console, "no suggestion waits" if suggestions else "no suggestion waits, and no line is open", ()
            )


def _add_looks(app: typer.Typer, open_desk: Callable[[], RollingDesk]) -> None:
    @app.command()
    def show(match: Number, name: Name = None, as_json: AsJson = False) -> None:
        """Show a match: its lines, its figures, and who decided what, when and why."""
        desk = open_desk()
        items = desk.open_items(name)
        found, decided = items.match(match), items.decisions(match)
        under = made_under(items.terms().get(found.terms_id or 0, {}), found.kind)
        if as_json:
            _print({"match": found, "decisions": decided, "made_under": under})
            return
        desk.console.print(view.matches([found], f"match {found.id}, made by {found.made_by}"), soft_wrap=True)
        if decided:
            desk.console.print(view.decisions(decided))

    @app.command()
    def check(name: Name = None, as_json: AsJson = False) -> None:
        """Add every line up again: balances, states and matches must agree."""
        desk = open_desk()
        problems = desk.open_items(name).problems()
        if as_json:
            _print({"problems": problems})
        else:
            view.say(desk.console, "" if problems else "everything agrees", problems)
        if problems:
            raise typer.Exit(EXIT_PERSON)


def _add_decisions(app: typer.Typer, open_desk: Callable[[], RollingDesk]) -> None:
    @app.command()
    def accept(ids: Ids, reason: Maybe = "", who: AsWho = None, name: Name = None, as_json: AsJson = False) -> None:
        """Accept suggestions; over the limit they then wait for a second person."""
        _decide(open_desk(), name, ids, lambda items, one, by: items.accept(one, by, reason), who, as_json=as_json)

    @app.command()
    def approve(ids: Ids, reason: Maybe = "", who: AsWho = None, name: Name = None, as_json: AsJson = False) -> None:
        """Decide as the second person."""
        _decide(open_desk(), name, ids, lambda items, one, by: items.approve(one, by, reason), who, as_json=as_json)

    @app.command()
    def reject(ids: Ids, reason: Why, who: AsWho = None, name: Name = None, as_json: AsJson = False) -> None:
        """Refuse suggestions; they are never made again automatically."""
        _decide(open_desk(), name, ids, lambda items, one, by: items.reject(one, by, reason), who, as_json=as_json)

    @app.command()
    def undo(ids: Ids, reason: Why, who: AsWho = None, name: Name = None, as_json: AsJson = False) -> None:
        """Open the lines of closed matches again; they are never matched so again automatically."""
        _decide(open_desk(), name, ids, lambda items, one, by: items.undo(one, by, reason), who, as_json=as_json)

    @app.command()
    def match(
        lines: Annotated[list[int], typer.Argument(metavar="LINE…", help="Numbers of open lines.")],
        reason: Why,
        who: AsWho = None,
        name: Name = None,
        as_json: AsJson = False,
    ) -> None:
        """Match lines by hand; over the limit the match then waits for a second person."""
        desk = open_desk()
        made = desk.open_items(name).match_by_hand(lines, who or desk.user, reason)
        _tell(desk, [made], [], as_json=as_json)


def _add_proof(app: typer.Typer, open_desk: Callable[[], RollingDesk]) -> None:
    @app.command()
    def prove(
        out: Annotated[Path, typer.Option(help="Folder of proof.json and proof.html.")] = Path(),
        name: Name = None,
        definition: Declared = None,
        who: AsWho = None,
        as_json: AsJson = False,
    ) -> None:
        """Write the proof of the open items as they stand now, and keep its head in the ledger."""
        from bots.reconciliation.proving import prove_items, told_of  # noqa: PLC0415 - loads scipy, for this verb alone

        desk, rules = open_desk(), rules_of(definition)
        items = desk.open_items(name or (rules.name if definition else None))
        proof, written = prove_items(items, rules.definition, out, SystemClock().now())
        items.keep_head(proof.head, proof.path.name, who or desk.user)
        desk.heads().keep(told_of(proof, items.name, definition=rules.definition), who or desk.user)
        if as_json:
            told = {"head": proof.head, "holds": proof.holds, "states": proof.states, "accounts": proof.accounts}
            _print(told | {"files": [str(path) for path in written]})
        else:
            view.say(desk.console, f"proof: {proof.path}, head {proof.head}", ())
        if not proof.holds:
            raise typer.Exit(EXIT_PERSON)


def _decide(
    desk: RollingDesk,
    name: str | None,
    ids: Sequence[int],
    decide: Callable[[OpenItems, int, str], MatchRow],
    who: str | None,
    *,
    as_json: bool,
) -> None:
    items = desk.open_items(name)
    done, refused = [], []
    for one in dict.fromkeys(ids):
        try:
            done.append(decide(items, one, who or desk.user))
        except UserError as error:
            refused.append(str(error))
    _tell(desk, done, refused, as_json=as_json)


def _tell(desk: RollingDesk, done: Sequence[MatchRow], refused: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        _print({"matches": done, "refused": refused})
    elif done:
        desk.console.print(view.matches(done, ""), soft_wrap=True)
    if refused:
        raise UserError("\n".join(refused))


def _day(given: datetime | None) -> date:
    return (given or SystemClock().now()).date()


def _print(data: object) -> None:
    text = json.dumps(view.as_data(data), ensure_ascii=False, indent=2)
    typer.echo(text.encode("utf-8", "backslashreplace"))
