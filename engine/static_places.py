"""Rules about where: addresses stay inside the application, sources exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from engine.draft import AppDraft, WorkflowDraft
from engine.yaml_nodes import Keys
from engine.yaml_source import Document, Problem, unknown


def check_addresses(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`host`: an address is a path below base_url, so that no definition leads a bot elsewhere."""
    hosts = _hosts(workflow.app)
    for path in (
        *_opens(workflow.document, ("steps",)),
        *_opens(workflow.document, ("correction",)),
        ("audit", "open"),
    ):
        yield from _address(workflow.document, path, hosts)


def check_app_addresses(app: AppDraft) -> Iterator[Problem]:
    """`host`: the same for the steps of a login."""
    for path in _opens(app.draft.document, ("session", "login")):
        yield from _address(app.draft.document, path, _hosts(app))


def check_base_url(app: AppDraft) -> Iterator[Problem]:
    """`host`, `secret`: base_url carries no credentials, and its host is one of those allowed."""
    if "base_url" in app.draft.bad:
        return
    document = app.draft.document
    parts = urlsplit(app.file.base_url)
    if "@" in parts.netloc:
        message = "no user or password in an address; the login is written in `session.login` with ${secret:…}"
        yield document.problem(("base_url",), message, "secret")
    hosts = app.file.allowed_hosts
    if hosts and parts.hostname not in hosts and "@" not in parts.netloc:
        message = f"allowed_hosts must hold the host of base_url, {parts.hostname}"
        yield document.problem(("allowed_hosts",), message, "host")
    for index, host in enumerate(hosts):
        if not re.fullmatch(r"[\w.-]+|\[[0-9a-fA-F:]+\]", host):
            message = f'"{host}" is not a host name; write it without scheme, port and path'
            yield document.problem(("allowed_hosts", index), message, "host")


def _hosts(app: AppDraft | None) -> set[str]:
    if app is None or "base_url" in app.draft.bad:
        return set()
    return {*app.file.allowed_hosts, urlsplit(app.file.base_url).hostname or ""}


def _opens(document: Document, base: Keys) -> Iterator[Keys]:
    entries = document.at(base)
    for index in range(len(entries) if isinstance(entries, list) else 0):
        for tail in (("open",), ("open", "url"), ("commit", "find", "open"), ("commit", "find", "alike", "open")):
            yield (*base, index, *tail)


def _address(document: Document, path: Keys, hosts: set[str]) -> Iterator[Problem]:
    text = document.at(path)
    if not isinstance(text, str) or text.startswith("${record.url}"):
        return
    absolute = re.match(r"(?:https?:)?[/\\]{2}([^/\\?#]*)", text, re.IGNORECASE)
    if absolute:
        host = absolute[1].rpartition("@")[2].partition(":")[0]
        allowed = host in hosts and "${" not in host
        message = "write the path alone; base_url says where the application is"
        if not allowed:
            message = f'bots may not go to "{host}": write a path of the application, like /invoices/new'
        yield document.problem(path, message, "host")
    elif not text.startswith("/") or "\\" in text:
        yield document.problem(path, "an address begins with / and holds no \\, like /invoices/new", "host")


def check_source(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`source`: one file of records, and tables that are tied to them by fields that both have."""
    source = workflow.file.source
    if source is None:
        return
    document, fields = workflow.document, workflow.file.fields
    places = (source.csv, source.jsonl, source.statement, source.follows)
    if sum(place is not None for place in places) != 1:
        yield document.problem(("source",), "name one of `csv`, `jsonl`, `statement`, `follows`", "source", key=True)
    if source.tables and source.csv is None and source.jsonl is None:
        yield document.problem(("source", "tables"), "tables belong to records of `csv` or `jsonl`", "source", key=True)
    known = document.at(("fields",))
    names = {name for name in known if name not in fields or fields[name].type != "table"} if known else set()
    for name, table in source.tables.items():
        path: Keys = ("source", "tables", name)
        tables = {other for other, spec in fields.items() if spec.type == "table"}
        if name in fields and name not in tables:
            yield document.problem(path, f'"{name}" is not a table field', "source", key=True)
        elif name not in (known or {}):
            yield document.problem(path, unknown("table field", name, tables), "source", key=True)
        if not table.on:
            yield document.problem((*path, "on"), "name the columns that tie a row to its record", "source")
        for index, column in enumerate(table.on):
            if column not in names:
                yield document.problem((*path, "on", index), unknown("field", column, names), "source")
