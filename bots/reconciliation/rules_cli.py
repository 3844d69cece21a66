"""`reconciliation rules`: what reviews teach, proposed as readable rules; a person accepts or rejects each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer
from rich.console import Console
from rich.text import Text

from bots.reconciliation.definition import DEFAULT, Definition
from bots.reconciliation.kinds import KINDS
from bots.reconciliation.loading import load_one
from bots.reconciliation.ports import OpenItems
from bots.reconciliation.rule_file import name_of, shape
from bots.reconciliation.wording import counted, money, visible
from engine.clock import SystemClock
from engine.errors import UserError

if TYPE_CHECKING:  # it takes a second to load
    from bots.reconciliation.learning import Counter, Proposal
    from bots.reconciliation.reviewed import History

_MOST = 5
"""Counter-examples that the terminal lists of a rule; --json has all."""


class RulesDesk(Protocol):
    """What the verbs need of the one who runs them; the runner provides it."""

    @property
    def console(self) -> Console:
        """Standard output."""
        ...

    @property
    def user(self) -> str:
        """Who sits here."""
        ...

    def open_items(self, name: str | None) -> OpenItems:
        """Return the open items that are kept of a reconciliation."""
        ...


Name = Annotated[str | None, typer.Option("--name", help="Which reconciliation; default: the only one.")]
Maybe = Annotated[Path | None, typer.Option("--definition", help="Its definition; default: sound defaults.")]
Declared = Annotated[Path, typer.Option("--definition", help="Its definition, which gets what is accepted.")]
AsWho = Annotated[str | None, typer.Option("--as", help="Who decides; default: you.")]
Ids = Annotated[list[str], typer.Argument(metavar="RULE…", help="Names of proposed rules, as `propose` shows them.")]
MostError = Annotated[
    float, typer.Option(min=0.0001, max=1, help="Propose only rules whose bound of wrong ones is under this.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def build_rules(open_desk: Callable[[], RulesDesk]) -> typer.Typer:
    """Build the `rules` verbs over a desk that is opened when one runs."""
    app = typer.Typer(name="rules", help="Rules learned from reviews: proposed with proof, accepted by a person.")
    _add_looks(app, open_desk)
    _add_decisions(app, open_desk)
    return app


def _add_looks(app: typer.Typer, open_desk: Callable[[], RulesDesk]) -> None:
    @app.command()
    def propose(
        name: Name = None, definition: Maybe = None, most_error: MostError = 0.5, as_json: AsJson = False
    ) -> None:
        """Say which rules the reviews so far bear out, how often each was right and wrong, and what it would write."""
        desk = open_desk()
        known, found = _proposed(*_opened(desk, name, definition), most_error=most_error)
        if as_json:
            _print({"decisions": known.decisions, "proposals": [_as_data(one, known) for one in found]})
            return
        more = "" if found else ": three decisions have to suggest a rule, and others to bear it out"
        said = f"{counted(known.decisions, 'decision')}; {counted(len(found), 'rule')} to propose{more}"
        desk.console.print(Text(said), soft_wrap=True)
        for one in found:
            desk.console.print(_as_text(one, known), soft_wrap=True)

    @app.command("list")
    def list_(name: Name = None, definition: Maybe = None, as_json: AsJson = False) -> None:
        """List the rules that were accepted, which are in the definition, and those that were rejected."""
        from bots.reconciliation.rule_book import REJECTED, rejected  # noqa: PLC0415 - slow to load

        desk = open_desk()
        items, declared = _opened(desk, name, definition)
        no, accepted = rejected(items), declared.file.rules
        noted = {str(one.data["name"]): one.data["rule"] for one in items.decisions() if one.verb == REJECTED}
        if as_json:
            rows = [one.model_dump(mode="json", exclude_none=True) | {"name": name_of(one.rule)} for one in accepted]
            refused = [{"name": name, "rule": noted[name], "why": why} for name, why in no.items()]
            _print({"accepted": rows, "rejected": refused})
            return
        for one in accepted:
            said = f"{name_of(one.rule)} accepted by {one.by} {one.at}, wrong in {one.bound:.1%} at most: "
            desk.console.print(Text(said + _said(*shape(one.rule))), soft_wrap=True)
        for known, why in no.items():
            desk.console.print(
                Text(f"{known} rejected by {visible(why)}: {_said(*next(iter(noted[known].items())))}"), soft_wrap=True
            )
        if not accepted and not no:
            desk.console.print("no rule was accepted or rejected so far")


def _add_decisions(app: typer.Typer, open_desk: Callable[[], RulesDesk]) -> None:
    @app.command()
    def accept(
        ids: Ids,
        definition: Declared,
        reason: Annotated[str, typer.Option(help="Why, if there is more to say; it is kept.")] = "",
        who: AsWho = None,
        name: Name = None,
        most_error: MostError = 0.5,
        as_json: AsJson = False,
    ) -> None:
        """Write proposed rules into the definition, with who and when; its hash changes, and matching heeds them."""
        from bots.reconciliation import rule_book  # noqa: PLC0415 - slow to load

        desk = open_desk()
        items, declared = _opened(desk, name, definition)
        for one in (picked := _picked(ids, items, declared, most_error)):
            now = SystemClock().now()
            rule_book.accept(items, one, definition, who or desk.user, now, kinds=KINDS, reason=reason)
        digest = load_one(definition, KINDS).sha256[:12]
        _tell(desk, picked, f"accepted: {definition} has it, and the hash {digest}", as_json=as_json)

    @app.command()
    def reject(
        ids: Ids,
        reason: Annotated[str, typer.Option(help="Why, in words; it is kept.")],
        definition: Maybe = None,
        who: AsWho = None,
        name: Name = None,
        most_error: MostError = 0.5,
        as_json: AsJson = False,
    ) -> None:
        """Reject proposed rules; they are not proposed again."""
        from bots.reconciliation import rule_book  # noqa: PLC0415 - slow to load

        desk = open_desk()
        items, declared = _opened(desk, name, definition)
        for one in (picked := _picked(ids, items, declared, most_error)):
            rule_book.reject(items, one, who or desk.user, reason)
        _tell(desk, picked, "rejected", as_json=as_json)


def _opened(desk: RulesDesk, name: str | None, definition: Path | None) -> tuple[OpenItems, Definition]:
    declared = load_one(definition, KINDS) if definition else DEFAULT
    return desk.open_items(name or (declared.file.name if definition else None)), declared


def _proposed(items: OpenItems, declared: Definition, *, most_error: float) -> tuple[History, list[Proposal]]:
    from bots.reconciliation.learning import propose  # noqa: PLC0415 - slow to load
    from bots.reconciliation.reviewed import history  # noqa: PLC0415
    from bots.reconciliation.rule_book import rejected  # noqa: PLC0415

    known = history(items)
    settled = {name_of(one.rule) for one in declared.file.rules} | rejected(items).keys()
    return known, propose(known, declared.policy, known=settled, most_error=most_error)


def _picked(ids: Sequence[str], items: OpenItems, declared: Definition, most_error: float) -> list[Proposal]:
    """Return the proposals named, each once.

    Raises:
        UserError: one is not proposed.
    """
    found = {one.name: one for one in _proposed(items, declared, most_error=most_error)[1]}
    unknown = [one for one in ids if one not in found]
    if unknown:
        listed = ", ".join(found) or "none"
        raise UserError(f"no rule is proposed by the name {', '.join(unknown)}; proposed now: {listed}")
    return [found[one] for one in dict.fromkeys(ids)]


def _tell(desk: RulesDesk, picked: Sequence[Proposal], said: str, *, as_json: bool) -> None:
    if as_json:
        _print({"rules": [one.name for one in picked], "what": said})
    else:
        for one in picked:
            desk.console.print(Text(f"{one.name} {said}"), soft_wrap=True)


def _as_text(one: Proposal, known: History) -> Text:
    tested = one.tested
    made = Text(f"\n{one.name}", style="bold")
    made.append(f"  suggested by {counted(one.suggested.said, 'decision')}; of {tested.said} others ", style="not bold")
    made.append(f"{tested.right} right, {len(tested.counters)} wrong: ", style="not bold")
    made.append(f"wrong in {one.rule.bound:.1%} at most (95 %)\n", style="not bold")
    made.append("".join(f"{line}\n" for line in _visible_lines(one.yaml)), style="not bold cyan")
    wrong = (*tested.counters, *one.suggested.counters)
    for counter in wrong[:_MOST]:
        made.append(f"    against it: {_counter(counter, known)}\n", style="not bold red")
    if len(wrong) > _MOST:
        made.append(f"    and {len(wrong) - _MOST} more\n", style="not bold red")
    made.rstrip()
    return made


def _said(kind: str, said: Mapping[str, object]) -> str:
    return f"{kind}: " + ", ".join(f"{key} {visible(value)}" for key, value in said.items())


def _visible_lines(text: str) -> list[str]:
    """Return the lines of a text with nothing in them that hides or moves what stands beside them."""
    return [line[: len(line) - len(line.lstrip())] + visible(line) for line in text.splitlines()]


def _counter(one: Counter, known: History) -> str:
    bank = _line(known.bank.iloc[one.bank])
    tied = "" if one.tied is None else f" it would match {_line(known.book.iloc[one.tied])},"
    belongs = (
        "a person refused that" if one.partner is None else f"a person matched {_line(known.book.iloc[one.partner])}"
    )
    return f"bank {bank}:{tied} {belongs}"


def _line(row: Any) -> str:
    who = visible(row["name"]) or visible(row["reference"]) or visible(row["text"])
    return f"{row['booked']:%Y-%m-%d} {money(int(row['amount']), row['currency'])} {who}".rstrip()


def _as_data(one: Proposal, known: History) -> dict[str, Any]:
    kind, said = shape(one.rule)
    counters = [_counter(counter, known) for counter in (*one.tested.counters, *one.suggested.counters)]
    suggested = {"right": one.suggested.right, "wrong": len(one.suggested.counters)}
    tested = {"right": one.tested.right, "wrong": len(one.tested.counters), "bound": one.rule.bound}
    told = {"name": one.name, "rule": {kind: said}, "suggested_by": suggested, "tested": tested}
    return told | {"counter_examples": counters, "yaml": one.yaml}


def _print(data: object) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=2)
    typer.echo(text.encode("utf-8", "backslashreplace"))
