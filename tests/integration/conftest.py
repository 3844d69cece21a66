"""One portal for all stories, emptied for each; one browser at a time, because each story waits for its processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fixtures.portal.server import PortalServer


@pytest.fixture(scope="session")
def portal_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalServer]:
    with PortalServer(tmp_path_factory.mktemp("portal") / "portal.db") as server:
        yield server


@pytest.fixture
def portal(portal_process: PortalServer) -> Iterator[PortalServer]:
    portal_process.reset()
    yield portal_process
    portal_process.faults([])
