from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import keyring
import pytest
from keyring.backends import fail

from engine.errors import UserError
from engine.redact import Redactor
from engine.secret_forms import MARK
from engine.secrets import FILE_VARIABLE, Secret, SecretStore


def nothing(_name: str) -> None:
    return None


def secrets_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "secrets.env"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def store(
    environ: dict[str, str], keyring: Callable[[str], str | None] = nothing, redactor: Redactor | None = None
) -> SecretStore:
    return SecretStore(redactor or Redactor(), environ=environ, keyring=keyring)


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("erp_password", "hunter2!")

    assert secret.reveal() == "hunter2!"
    for shown in (str(secret), repr(secret), f"{secret}", f"{secret:>40}", f"{secret!r}", f"{[secret]}"):
        assert "hunter2!" not in shown
        assert "<secret erp_password>" in shown


def test_a_secret_is_not_written_out_by_accident() -> None:
    secret = Secret("erp_password", "hunter2!")

    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        vars(secret)
    assert copy.deepcopy(secret) is secret
    assert copy.copy(secret) is secret


def test_two_secrets_are_never_equal_by_value() -> None:
    assert Secret("a", "hunter2!") != Secret("a", "hunter2!")


def test_environment_comes_before_file_before_keyring(tmp_path: Path) -> None:
    path = secrets_file(tmp_path, "erp_password=from-file\n")
    environ = {FILE_VARIABLE: str(path), "COUNTERSIGN_SECRET_ERP_PASSWORD": "from-environment"}

    def ring(name: str) -> str:
        return f"{name}-from-keyring"

    assert store(environ, ring).get("erp_password").reveal() == "from-environment"
    del environ["COUNTERSIGN_SECRET_ERP_PASSWORD"]
    assert store(environ, ring).get("erp_password").reveal() == "from-file"
    assert store(environ, ring).get("bank_pin").reveal() == "bank_pin-from-keyring"


def test_a_found_secret_is_known_to_the_redactor_at_once() -> None:
    redactor = Redactor()

    store({"COUNTERSIGN_SECRET_ERP_PASSWORD": "hunter2!"}, redactor=redactor).get("erp_password")

    assert redactor.scrub("typed hunter2! into Password") == f"typed {MARK} into Password"


def test_a_missing_secret_says_where_it_was_looked_for_and_how_to_set_it() -> None:
    with pytest.raises(UserError) as caught:
        store({}).get("erp_password")

    message = str(caught.value)
    for words in (
        "COUNTERSIGN_SECRET_ERP_PASSWORD",
        "COUNTERSIGN_SECRETS_FILE is not set",
        "keyring set countersign erp_password",
    ):
        assert words in message


def test_the_real_keyring_without_a_backend_is_only_an_empty_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", fail.Keyring())  # type: ignore[no-untyped-call]

    with pytest.raises(UserError, match="is not set"):
        SecretStore(Redactor(), environ={}).get("erp_password")


def test_the_file_allows_comments_blank_lines_and_any_character_in_a_value(tmp_path: Path) -> None:
    path = secrets_file(tmp_path, "\ufeff# ERP\n\nERP_PASSWORD = a=b#c\"'密码 \n  # end\n")

    assert store({FILE_VARIABLE: str(path)}).get("erp_password").reveal() == "a=b#c\"'密码"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_open_to_others_is_refused_with_the_command_to_run(tmp_path: Path, mode: int) -> None:
    path = secrets_file(tmp_path, "erp_password=hunter2!\n", mode)

    with pytest.raises(UserError, match=f"chmod 600 {path}"):
        store({FILE_VARIABLE: str(path)}).get("erp_password")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ok=value\nhunter2!\n", r":2: expected NAME=value"),
        ("=hunter2!\n", r":1: expected NAME=value"),
        ("pin=hunter2!\nPIN=hunter3!\n", r":2: pin is given twice"),
    ],
)
def test_a_malformed_file_names_the_line_and_never_its_text(tmp_path: Path, text: str, words: str) -> None:
    path = secrets_file(tmp_path, text)

    with pytest.raises(UserError, match=words) as caught:
        store({FILE_VARIABLE: str(path)}).get("pin")
    assert "hunter" not in str(caught.value)


def test_a_missing_or_unreadable_file_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        store({FILE_VARIABLE: str(tmp_path / "none")}).get("pin")
    path = secrets_file(tmp_path, "")
    path.write_bytes(b"pin=\xff\xfe\n")
    with pytest.raises(UserError, match="UTF-8"):
        store({FILE_VARIABLE: str(path)}).get("pin")


def test_a_secret_too_short_to_be_kept_out_of_logs_is_refused() -> None:
    with pytest.raises(UserError, match="fewer than 4 characters") as caught:
        store({"COUNTERSIGN_SECRET_PIN": "007"}).get("pin")
    assert "007" not in str(caught.value)
