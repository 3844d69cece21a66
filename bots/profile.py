"""The part of an application profile that only bots understand: session, interrupts, settling."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from bots.locators import Locator
from engine.definition import Duration, Frozen


class LostSign(Frozen):
    """What a page shows when the session is gone."""

    url: str | None = Field(None, description="Beginning of the address, from `base_url` or the root, e.g. /login.")
    text: str | None = Field(None, description="A text that only the signed-out page shows.")
    locator: Locator | None = Field(None, description="An element that only the signed-out page has.")

    @model_validator(mode="after")
    def _any(self) -> LostSign:
        if self.url is None and self.text is None and self.locator is None:
            raise ValueError("needs one of url, text, locator")
        return self

    def descriptors(self) -> list[dict[str, Any]]:
        """Return the signs as the page script understands them; any of them means lost."""
        signs: list[dict[str, Any]] = [{"url": self.url}] if self.url is not None else []
        signs += [{"by": "text", "text": self.text}] if self.text is not None else []
        return signs + ([self.locator.descriptor()] if self.locator is not None else [])


class SessionProfile(Frozen):
    """How to tell whether the application knows us."""

    probe: Locator | None = Field(None, description="What only a signed-in page shows, e.g. {button: Sign out}.")
    lost: LostSign | None = Field(None, description="How a page looks when the session is gone.")
    stored_state: bool = Field(True, description="One login serves all slots; false: every slot signs in by itself.")


class Interrupt(Frozen):
    """A box that may come up at any time and is clicked away."""

    when: Locator = Field(description="What shows that it is there.")
    click: Locator = Field(description="What makes it go away; looked for inside the box first.")


class SettleProfile(Frozen):
    """How to tell that a page has come to rest."""

    quiet: Duration = Field(timedelta(milliseconds=250), description="How long a page without end must be quiet.")
    cap: Duration = Field(timedelta(seconds=5), description="Longest wait for one rest.")
    busy: tuple[str, ...] = Field((), description="CSS selectors of busy signs.")


class AppExtras(Frozen):
    """What the profile says about pages."""

    session: SessionProfile = Field(default_factory=SessionProfile, description="How to tell a lost session.")
    interrupts: tuple[Interrupt, ...] = Field((), description="Boxes that may come up at any time.")
    settle: SettleProfile = Field(default_factory=SettleProfile, description="When a page is at rest.")
    version: Locator | None = Field(
        None, description="Where the page after the login shows the application's version; another one proves nothing."
    )

    def page_config(self, base_url: str) -> dict[str, Any]:
        """Return what the page script needs to know of the application at `base_url`; times in milliseconds."""
        lost = self.session.lost
        return {
            "quiet": self.settle.quiet.total_seconds() * 1000,
            "cap": self.settle.cap.total_seconds() * 1000,
            "busy": list(self.settle.busy),
            "base": urlsplit(base_url).path.rstrip("/"),
            "lost": lost.descriptors() if lost else [],
            "interrupts": [interrupt.when.descriptor() for interrupt in self.interrupts],
        }
