"""`users` and `audit`: who may sign in to the console, and whether what they did still stands as it was written."""

from __future__ import annotations

from typing import Annotated

import typer

from console import passwords
from console.desk import NEEDS_PERSON, AsJson, Desk, Limit, OpenDesk, plain, print_json
from console.tables import table
from console.wording import at
from engine.ledger import audit_log, users

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the person signs in with.")]
Roles = Annotated[
    list[str] | None, typer.Option("--role", help=f"{', '.join(users.ROLES)}; may be repeated. Default: operator.")
]


def build_users(desk: OpenDesk) -> typer.Typer:
    """Build the `users` verbs."""
    app = typer.Typer(name="users", help="Say who may sign in to the console.", no_args_is_help=True)

    @app.command("list")
    def list_users(as_json: AsJson = False) -> None:
        """List everybody, with roles."""
        here = desk()
        found = users.listing(here.database)
        if as_json:
            print_json({"users": found})
            return
        made = table("name", "full name", "roles", "since", "disabled")
        for row in found:
            gone = at(row.disabled_at) if row.disabled_at else ""
            made.add_row(row.name, plain(row.full_name), ", ".join(row.roles), at(row.created_at), gone)
        here.console.print(made)

    @app.command()
    def add(
        name: Name, full_name: Annotated[str | None, typer.Option("--full-name")] = None, role: Roles = None
    ) -> None:
        """Add a person; the password is shown once, and has to be changed at the first sign-in."""
        here, password = desk(), passwords.random_password()
        users.add(here.database, name, full_name or name, role or ["operator"], passwords.hashed(password), here.user)
        _tell(here, name, password)

    @app.command()
    def reset(name: Name) -> None:
        """Give a person a new password, shown once; sessions end."""
        here, password = desk(), passwords.random_password()
        # even for a namesake of this computer's user it is a password that was shown on a screen
        users.set_password(here.database, name, passwords.hashed(password), f"{here.user} at the command line")
        _tell(here, name, password)

    @app.command()
    def roles(name: Name, role: Roles = None) -> None:
        """Give a person these roles and no other; sessions end."""
        here = desk()
        users.set_roles(here.database, name, role or ["operator"], here.user)

    @app.command()
    def disable(name: Name) -> None:
        """Let a person not sign in any more; sessions end."""
        here = desk()
        users.disable(here.database, name, here.user)

    @app.command()
    def enable(name: Name) -> None:
        """Let a person sign in again."""
        here = desk()
        users.enable(here.database, name, here.user)

    return app


def build_audit(desk: OpenDesk) -> typer.Typer:
    """Build the `audit` verbs."""
    app = typer.Typer(name="audit", help="Read and verify the audit log.", no_args_is_help=True)

    @app.command("list")
    def list_entries(limit: Limit = 50, as_json: AsJson = False) -> None:
        """List the newest entries."""
        here = desk()
        found = audit_log.entries(here.database, limit=limit)
        if as_json:
            print_json({"entries": found})
            return
        made = table("n", "at", "who", "did", "to", "detail")
        for row in found:
            said = ", ".join(f"{name} {value}" for name, value in row.detail.items() if value is not None)
            made.add_row(str(row.number), at(row.at), plain(row.actor), row.action, plain(row.object), plain(said))
        here.console.print(made)

    @app.command()
    def verify(as_json: AsJson = False) -> None:
        """Compute the whole chain anew; exit code 1 if an entry is not what was written."""
        here = desk()
        chain = audit_log.verify(here.database)
        if as_json:
            print_json(chain)
        elif chain.broken_at is None:
            here.console.print(plain(f"{chain.entries} entries are what was written; head {chain.head}", "green"))
        else:
            here.console.print(plain(f"broken at entry {chain.broken_at}: {chain.why}", "red"))
        if chain.broken_at is not None:
            raise typer.Exit(NEEDS_PERSON)

    return app


def first_admin(here: Desk) -> str | None:
    """Make an admin with every role if nobody may sign in yet; return the password, which is nowhere else."""
    if users.any_user(here.database):
        return None
    password = passwords.random_password()
    users.add(here.database, "admin", "First admin", users.ROLES, passwords.hashed(password), here.user)
    return password


def _tell(here: Desk, name: str, password: str) -> None:
    here.console.print(
        f"{name} signs in with this password, shown this once: {password}", markup=False, highlight=False
    )
