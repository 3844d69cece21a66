"""Files to checked definitions: every problem of every file in one pass, and one broken file never stops the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.definition import Application, Workflow
from engine.draft import AppDraft, Draft, WorkflowDraft
from engine.errors import UserError
from engine.frame import AppFile, WorkflowFile
from engine.ports import Registry
from engine.snapshot import Snapshot
from engine.static_checks import check_app, check_workflow
from engine.values import Formats
from engine.yaml_source import Document, Problem, parse, read, suggest

_FOLDER_OF_APPS = "apps"


@dataclass
class _Texts:
    """Where texts come from: the disk, or a snapshot."""

    pinned: Mapping[str, str] = field(default_factory=dict)

    def document(self, path: Path) -> tuple[Document | None, str, list[Problem]]:
        """Return a file's document, its text and the problems of reading it."""
        name = path.as_posix()
        if name in self.pinned:
            return (found := parse(name, self.pinned[name]))[0], self.pinned[name], found[1]
        try:
            raw = path.read_bytes()
        except OSError as error:
            return None, "", [Problem(name, 1, 1, f"cannot be read: {error.strerror or error}", "file")]
        document, problems = read(name, raw)
        return document, raw.decode("utf-8-sig") if document else "", problems


def load(paths: Sequence[Path], registry: Registry) -> tuple[list[Workflow], list[Problem]]:
    """Load files, and the `*.yaml` files of folders (not below them); what is broken is left out and told about."""
    pass_ = _Pass(registry)
    problems: list[Problem] = []
    workflows: list[Workflow] = []
    for path in _files(paths):
        workflow, found = pass_.workflow(path)
        problems += found
        workflows += [workflow] if workflow else []
    problems += pass_.app_problems()
    return workflows, sorted(set(problems))


def load_one(
    path: Path, registry: Registry, *, base_url: str | None = None, params: Mapping[str, str] | None = None
) -> Workflow:
    """Load one workflow, with the application's address and parameters replaced where given.

    Raises:
        UserError: anything is wrong with it, or a parameter is not one of its own; the message lists every problem.
    """
    return _only(_Pass(registry, base_url=base_url, params=dict(params or {})), path)


def load_snapshot(snapshot: Snapshot, registry: Registry) -> Workflow:
    """Load the definition that a run pinned, from its texts alone.

    Raises:
        UserError: the texts no longer load, e.g. because a step's parameters have changed since.
    """
    texts = _Texts(snapshot.files)
    pass_ = _Pass(registry, texts, base_url=snapshot.base_url, params=dict(snapshot.params))
    return _only(pass_, Path(snapshot.workflow_path))


def _only(pass_: _Pass, path: Path) -> Workflow:
    workflow, problems = pass_.workflow(path)
    problems = sorted({*problems, *pass_.app_problems()})
    if workflow is None or problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise UserError(f"{path.as_posix()} cannot be used; mend this first:\n{listed}")
    return workflow


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        found += sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    return list(dict.fromkeys(found))


@dataclass
class _Pass:
    """One pass over files; every application profile is read once."""

    registry: Registry
    texts: _Texts = field(default_factory=_Texts)
    base_url: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    follows: bool = False
    """Whether what is loaded takes the output of another workflow."""
    _apps: dict[Path, tuple[AppDraft | None, str, list[Problem]]] = field(default_factory=dict)

    def app_problems(self) -> list[Problem]:
        """Return the problems of all profiles that were needed."""
        return [problem for _, _, problems in self._apps.values() for problem in problems]

    def workflow(self, path: Path) -> tuple[Workflow | None, list[Problem]]:
        """Load one workflow; the problems of its application are told by `app_problems`."""
        document, text, problems = self.texts.document(path)
        if document is None:
            return None, problems
        draft = Draft(document, self.registry, problems)
        file: WorkflowFile = draft.frame(WorkflowFile, _with_texts(document))
        app_path = path.parent / _FOLDER_OF_APPS / f"{file.app}.yaml"
        app, app_text, _ = (None, "", []) if "app" in draft.bad else self._app(draft, app_path)
        steps, correction, checks = draft.steps(("steps",)), draft.steps(("correction",)), draft.checks(("checks",))
        whole = WorkflowDraft(draft, file, steps, correction, checks, app, None if self.texts.pinned else path.parent)
        check_workflow(whole, path)
        params = self._params(draft, file)
        followed = self._followed(whole, path)
        application = self._application(app) if app and not self._apps[app_path][2] else None
        if draft.problems or application is None:
            return None, draft.problems
        files = followed.snapshot.files if followed else {}
        snapshot = Snapshot(path.as_posix(), text, app_path.as_posix(), app_text, self.base_url, self.params, files)
        loaded = _workflow(whole, application, params, snapshot)
        return replace(loaded, followed=followed, statements=self.registry.statements), []

    def _followed(self, whole: WorkflowDraft, path: Path) -> Workflow | None:
        """Load the workflow that takes this one's output; what is wrong with it stops this one too."""
        follow = whole.file.follow
        if follow is None:
            return None
        target = path.parent / f"{follow.workflow}.yaml"
        if self.follows or (target.as_posix() not in self.texts.pinned and not target.is_file()):
            wrong = (
                "what follows another workflow is not followed itself" if self.follows else f"there is no {target.name}"
            )
            whole.draft.add(("follow", "workflow"), wrong, "follow")
            return None
        onward = _Pass(self.registry, self.texts, base_url=self.base_url, follows=True, _apps=self._apps)
        followed, problems = onward.workflow(target)
        whole.draft.problems += problems
        if followed and (followed.source is None or followed.source.follows != whole.file.name):
            message = f"{target.name} must say where its records come from: `source: {{follows: {whole.file.name}, …}}`"
            whole.draft.add(("follow", "workflow"), message, "follow")
        return followed

    def _params(self, draft: Draft, file: WorkflowFile) -> dict[str, str]:
        for name in self.params.keys() - file.params.keys():
            close = suggest(name, file.params)
            hint = f', did you mean "{close}"?' if close else f"; it has: {', '.join(file.params) or 'none'}"
            draft.add(("params",), f'the workflow has no parameter "{name}"{hint}', "param", key=True)
        return file.params | self.params

    def _app(self, draft: Draft, path: Path) -> tuple[AppDraft | None, str, list[Problem]]:
        if path.as_posix() not in self.texts.pinned and not path.is_file():
            known = sorted(other.stem for other in path.parent.glob("*.yaml"))
            close = suggest(path.stem, known)
            hint = f', did you mean "{close}"?' if close else f"; there are: {', '.join(known) or 'none'}"
            draft.add(("app",), f'no application profile "{_FOLDER_OF_APPS}/{path.name}"{hint}', "app")
            return None, "", []
        if path not in self._apps:
            self._apps[path] = self._read_app(path)
        return self._apps[path]

    def _read_app(self, path: Path) -> tuple[AppDraft | None, str, list[Problem]]:
        document, text, problems = self.texts.document(path)
        if document is None:
            return None, text, problems
        draft = Draft(document, self.registry, problems)
        framed = {key: value for key, value in document.data.items() if key in AppFile.model_fields}
        file: AppFile = draft.frame(AppFile, framed)
        extras = draft.typed(self.registry.app_extras, _extras(document.data), (), also=AppFile.model_fields)
        app = AppDraft(draft, file, draft.steps(("session", "login")), extras)
        check_app(app, path)
        return app, text, draft.problems

    def _application(self, app: AppDraft) -> Application:
        file = app.file
        base_url = (self.base_url or file.base_url).rstrip("/")
        hosts = [*file.allowed_hosts]
        if not hosts or self.base_url:
            hosts.append(urlsplit(base_url).hostname or "")
        formats = Formats(file.formats.date, file.formats.decimal, file.formats.thousands)
        return Application(
            name=file.name,
            base_url=base_url,
            allowed_hosts=tuple(dict.fromkeys(hosts)),
            formats=formats,
            commits=file.commits,
            breaker=file.breaker,
            max_sessions=file.max_sessions,
            rate=file.rate,
            maintenance=file.maintenance,
            timeout=file.timeout,
            login=app.login,
            extras=app.extras,
        )


def _with_texts(document: Document) -> dict[str, Any]:
    """Return the data with every parameter's default as it is written: `1.10` is not 1.1."""
    params = document.data.get("params")
    if not isinstance(params, dict):
        return dict(document.data)
    written = {
        name: document.marks["params", name].text
        if value is not None and not isinstance(value, (dict, list))
        else value
        for name, value in params.items()
    }
    return {**document.data, "params": written}


def _extras(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what only bots understand: everything outside the frame, without the login."""
    extras = {key: value for key, value in data.items() if key not in AppFile.model_fields}
    if isinstance(session := extras.get("session"), dict):
        extras["session"] = {key: value for key, value in session.items() if key != "login"}
    return extras


def _workflow(whole: WorkflowDraft, app: Application, params: dict[str, str], snapshot: Snapshot) -> Workflow:
    file = whole.file
    return Workflow(
        name=file.name,
        description=file.description,
        owner=file.owner,
        app=app,
        priority=file.priority,
        schedule=file.schedule,
        source=file.source,
        params=params,
        fields=file.fields,
        steps=whole.steps,
        correction=whole.correction,
        checks=whole.checks,
        audit=file.audit,
        retry=file.retry,
        time=file.time,
        review=file.review,
        evidence=file.evidence,
        targets=file.targets,
        snapshot=snapshot,
        follow=file.follow,
    )
