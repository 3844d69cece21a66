"""Evidence files go when their time is over; what the ledger says of them stays."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from engine.ledger import tables as t
from engine.ledger.retention import prune
from tests.console.story import Story, invoice


def test_evidence_older_than_its_definition_says_is_deleted_and_marked(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.open([invoice(1)])
    story.flags(screenshot=b"a picture")
    story.later(minutes=5)
    story.audit()
    with story.database.read() as connection:
        files = connection.execute(sa.select(t.evidence.c.path)).scalars().all()
    assert files
    for name in files:
        path = story.evidence.root / name
        stamp = story.database.clock.now().timestamp()
        os.utime(path, (stamp, stamp))
    assert prune(story.database, story.evidence, lambda _: story.workflow) == 0

    clock = story.clock
    clock.advance(story.workflow.evidence.keep + timedelta(days=1))
    assert prune(story.database, story.evidence, lambda _: story.workflow) == len(files)
    assert not any((story.evidence.root / name).exists() for name in files)
    with story.database.read() as connection:
        marks = connection.execute(sa.select(t.evidence.c.pruned_at, t.evidence.c.sha256)).all()
    assert all(mark.pruned_at == clock.now() and mark.sha256 for mark in marks)
    assert prune(story.database, story.evidence, lambda _: story.workflow) == 0
    story.database.close()
