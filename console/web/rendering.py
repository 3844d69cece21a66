"""Templates: everything shown is data of other systems until it is escaped, and invisible signs are made visible."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from console.desk import UNSAFE
from console.web.language import LANGUAGES, translations
from console.web.words import word
from console.wording import percent, seconds
from engine.intervals import Proportion
from engine.values import FieldSpec

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, code: str, **data: Any) -> str:
    """Draw a template in a language."""
    return environment(code).get_template(template).render(**data)


@cache
def environment(code: str) -> Environment:
    """Return the templates of a language."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.install_gettext_translations(translations(code), newstyle=True)  # type: ignore[attr-defined]
    made.filters |= {
        "at": _at,
        "clock": _clock,
        "age": _age,
        "percent": percent,
        "seconds": seconds,
        "number": _number,
        "value": _value,
        "word": _word,
        "interval": _interval,
        "web": web_address,
    }
    made.globals |= {"LANGUAGES": LANGUAGES}
    return made


def visible(text: str) -> str:
    """Replace what would move, hide or reorder text instead of being part of it."""
    return UNSAFE.sub(lambda found: found[0] if found[0] in "\n\t" else "\N{REPLACEMENT CHARACTER}", text)


def _visible(value: Any) -> Any:
    if isinstance(value, Markup):
        return Markup(visible(value))  # noqa: S704 - it was escaped before, and no sign of markup is touched
    return visible(value) if isinstance(value, str) else value


def web_address(text: str | None) -> str | None:
    """Return an address that a link may lead to: http or https, and nothing that runs."""
    try:
        return text if text and urlsplit(text).scheme in {"http", "https"} else None
    except ValueError:
        return None


@pass_context
def _at(context: Context, value: datetime | None) -> Markup | str:
    if value is None:
        return "–"
    shown = context["here"].writing.at(value)
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(timespec="seconds"), shown)


@pass_context
def _clock(context: Context, value: datetime | None) -> Markup | str:
    if value is None:
        return "–"
    writing = context["here"].writing
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        value.isoformat(timespec="seconds"), writing.at(value), writing.clock(value)
    )


@pass_context
def _age(context: Context, since: datetime) -> Markup:
    writing, now = context["here"].writing, context["now"]
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        since.isoformat(timespec="seconds"), writing.at(since), writing.age(now - since)
    )


@pass_context
def _number(context: Context, value: float) -> str:
    return str(context["here"].writing.number(value))


@pass_context
def _word(context: Context, code: str | None) -> str:
    return str(context["here"].say(word(code))) if code else ""


@pass_context
def _interval(context: Context, share: Proportion) -> str:
    here = context["here"]
    if share.low is None or share.high is None:
        return str(here.say("nothing to judge by yet"))
    parts = {"low": percent(share.low), "high": percent(share.high), "k": here.writing.number(share.k)}
    return str(here.say("%(low)s to %(high)s · %(k)s of %(n)s", **parts, n=here.writing.number(share.n)))


@pass_context
def _value(context: Context, raw: Any, spec: FieldSpec | None) -> str:
    """Write a stored value of a record as its field says; what does not fit the field is shown as it is."""
    if raw is None:
        return ""
    if isinstance(raw, (list, Mapping)) or spec is None:
        return str(raw)
    writing = context["here"].writing
    try:
        match spec.type:
            case "money":
                return str(writing.money(Decimal(str(raw)), spec.currency))
            case "date":
                return str(writing.day(date.fromisoformat(str(raw))))
    except (InvalidOperation, ValueError):
        pass
    return str(raw)
