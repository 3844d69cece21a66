"""`serve`: the web console, with a scheduler and a worker beside it, each in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol
from urllib.parse import urlsplit

import typer
from loguru import logger

from console.definitions import WORKFLOWS
from console.desk import Keeper
from console.users import first_admin
from console.web.house import LOCAL, House
from engine.errors import UserError

if TYPE_CHECKING:
    import uvicorn

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a process that ended by itself is started again: twice as long each time."""
_GRACE = 3
"""Seconds that pages still open have to end; workers let their items end, however long it takes."""


class Part(StrEnum):
    """What `serve` starts."""

    CONSOLE = "console"
    SCHEDULER = "scheduler"
    WORKER = "worker"


class ServeDesk(Keeper, Protocol):
    """A desk that can tell the person at the terminal something."""

    def say(self, text: str, style: str = "") -> None:
        """Tell it, on standard error."""
        ...


def add_serve(app: typer.Typer, desk: Callable[[], ServeDesk], program: Path) -> None:
    """Add `serve`; `program` is the command line that starts a worker or a scheduler."""

    @app.command()
    def serve(
        host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
        port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8080,
        only: Annotated[list[Part] | None, typer.Option("--only", help="Start only this; may be repeated.")] = None,
        public_url: Annotated[
            str | None, typer.Option(help="Under which browsers ask for it, through a proxy that ends TLS.")
        ] = None,
        workflows: Annotated[Path, typer.Option(help="Folder of definitions, for the scheduler.")] = WORKFLOWS,
        slots: Annotated[int, typer.Option(min=1, max=32, help="Items the worker works on at once.")] = 2,
    ) -> None:
        """Serve the console on 127.0.0.1, with a scheduler and a worker, until stopped."""
        here = desk()
        hosts, https = reached(host, public_url)
        parts = set(only or Part)
        command = [sys.executable, str(program), "--home", str(here.home)]
        beside = []
        if Part.SCHEDULER in parts:
            beside.append([*command, "scheduler", "--workflows", str(workflows)])
        if Part.WORKER in parts:
            beside.append([*command, "worker", "--slots", str(slots)])
        house = None
        if Part.CONSOLE in parts:
            if password := first_admin(here):
                here.say(f"sign in as admin with this password, shown this once: {password}", style="bold")
            house = House(here.database, here.evidence, here.workflow, hosts=hosts, https=https)
        asyncio.run(_serve(here, house, host, port, beside, proxied=public_url is not None))


def reached(host: str, public_url: str | None) -> tuple[set[str], bool]:
    """Return the host names that are answered to, and whether they are reached through TLS.

    Raises:
        UserError: the console would be open to a network without TLS.
    """
    address = urlsplit(public_url or "")
    https = address.scheme == "https"
    if public_url is not None and (address.scheme not in {"http", "https"} or not address.hostname):
        raise UserError(f"--public-url {public_url}: write it like https://countersign.example.org")
    if host not in LOCAL and not https:
        raise UserError(
            f"--host {host}: passwords would cross the network readable; let a proxy end TLS and name its address with "
            "--public-url https://…, or stay on 127.0.0.1"
        )
    return {*LOCAL, host, *([address.hostname] if address.hostname else [])}, https


async def _serve(
    here: ServeDesk, house: House | None, host: str, port: int, beside: Sequence[Sequence[str]], *, proxied: bool
) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    tasks = [asyncio.create_task(_keep_running(command, stopping)) for command in beside]
    if house is not None:
        tasks.append(asyncio.create_task(_console(here, house, host, port, stopping, proxied=proxied)))
    try:
        await asyncio.gather(*tasks)
    finally:
        stopping.set()


async def _console(
    here: ServeDesk, house: House, host: str, port: int, stopping: asyncio.Event, *, proxied: bool
) -> None:
    listener = _listen(host, port)
    threading.Thread(target=house.board.get, name="console-figures", daemon=True).start()  # before anybody asks
    server = _server(house, proxied=proxied)
    bound = listener.getsockname()
    name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    here.say(f"the console is at http://{name}:{bound[1]}/; Ctrl-C stops it")
    serving, waits = asyncio.create_task(server.serve([listener])), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([serving, waits], return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
    finally:
        waits.cancel()
        stopping.set()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(f"the console cannot listen on {host} port {port}: {error.strerror or error}") from error


def _server(house: House, *, proxied: bool) -> uvicorn.Server:
    import uvicorn  # noqa: PLC0415 - most commands serve nothing, and should not wait for what serves

    from console.web.app import create_app  # noqa: PLC0415

    class Server(uvicorn.Server):
        """A server that leaves signals to us."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Capture none."""
            yield

    return Server(
        uvicorn.Config(
            create_app(house),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=proxied,
            timeout_graceful_shutdown=_GRACE,
        )
    )


async def _keep_running(command: Sequence[str], stopping: asyncio.Event) -> None:
    """Run a process, start it again when it ends by itself, and let it end its work when we stop."""
    pause = _FIRST_PAUSE
    while not stopping.is_set():
        process = await asyncio.create_subprocess_exec(*command, start_new_session=True)
        ended, waits = asyncio.create_task(process.wait()), asyncio.create_task(stopping.wait())
        await asyncio.wait([ended, waits], return_when=asyncio.FIRST_COMPLETED)
        waits.cancel()
        if stopping.is_set() and process.returncode is None:
            process.terminate()
        code = await ended
        if not stopping.is_set():
            logger.bind(event="serve.restarted", code=code).error(
                "{} ended with {}; it is started again", command, code
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
