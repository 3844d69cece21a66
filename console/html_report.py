"""A run's report as one HTML file: no script, no request to anywhere, printable, readable on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from console.pictures import pictures_of
from console.run_view import MAX_FLAGGED, flagged_items, view
from console.wording import STATUS, at, interval, percent, seconds
from engine.definition import Workflow
from engine.errors import UserError
from engine.evidence import EvidenceStore
from engine.ledger import reads
from engine.ledger.database import Database
from engine.ledger.facts import facts
from engine.ledger.proof import proof
from engine.metrics import run_report
from engine.quality import Truth
from engine.redact import replacing

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent / "templates"


def write_run_report(
    database: Database,
    evidence: EvidenceStore,
    workflow: Workflow,
    run_id: int,
    path: Path,
    truth: Truth | None = None,
) -> Path:
    """Write a run's report to `path`, its folder included, replacing an older one; return `path`.

    Raises:
        UserError: there is no such run, or the file cannot be written.
    """
    reads.run(database, run_id)
    found = facts(database, run_id=run_id)
    flagged = [item.item.id for item in flagged_items(found)[:MAX_FLAGGED]]
    screenshots = reads.evidence(database, flagged, limit=10 * reads.LIMIT)
    pictures = pictures_of(screenshots, evidence, path)
    shown = view(found, run_report(found, workflow, truth), workflow, pictures, database.clock.now())
    html = _environment().get_template("run_report.html").render(view=shown, proof=proof(database, workflow.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as target:
            target.write(html.encode("utf-8", "xmlcharrefreplace"))
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - for reports alone

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"at": at, "interval": interval, "percent": percent, "seconds": seconds}
    environment.globals["STATUS"] = STATUS
    return environment
