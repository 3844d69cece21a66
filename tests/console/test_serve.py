"""Where `serve` lets itself be reached."""

from __future__ import annotations

import pytest

from console.serve import reached
from console.web.house import LOCAL
from engine.errors import UserError


def test_an_open_network_is_served_only_behind_tls() -> None:
    assert reached("127.0.0.1", None) == (set(LOCAL), False)
    assert reached("192.0.2.1", "https://audit.example.org/") == ({*LOCAL, "192.0.2.1", "audit.example.org"}, True)
    for host, public_url in (("192.0.2.1", None), ("192.0.2.1", "http://audit.example.org"), ("::", None)):
        with pytest.raises(UserError, match="--public-url https://"):
            reached(host, public_url)
    with pytest.raises(UserError, match="write it like"):
        reached("127.0.0.1", "audit.example.org")
