"""Real browsers, real pages: one Chromium for all tests of bots, a fresh slot for each."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from bots.office import BotOffice
from engine.redact import Redactor
from engine.secrets import SecretStore
from fixtures.portal.accounts import DEMO_PASSWORD
from fixtures.portal.server import PortalServer
from tests.bots.house import Pages, served

_slots = itertools.count()


@pytest.fixture(scope="session")
def redactor() -> Redactor:
    return Redactor()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def office(redactor: Redactor) -> AsyncIterator[BotOffice]:
    environ = {"COUNTERSIGN_SECRET_ERP_PASSWORD": DEMO_PASSWORD}
    store = SecretStore(redactor, environ=environ, keyring=lambda _name: None)
    async with BotOffice(redactor=redactor, secrets=store) as opened:
        yield opened


@pytest.fixture(scope="session")
def portal_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalServer]:
    folder: Path = tmp_path_factory.mktemp("portal")
    with PortalServer(folder / "portal.db") as server:
        yield server


@pytest.fixture
def slot() -> int:
    """Return the number of a slot that no other test uses."""
    return next(_slots)


@pytest.fixture
def pages() -> Iterator[Pages]:
    with served() as shown:
        yield shown
