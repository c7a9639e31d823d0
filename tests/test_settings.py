"""Where key, address and ledger come from, in which order, and what is refused."""

from __future__ import annotations

import copy
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from opus_nb import settings
from opus_nb.errors import ServiceKeyMissing, SettingsError
from opus_nb.settings import ServiceKey, find_service_key, read_settings

LONG = "_" + "0123456789abcdef" * 6


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key anywhere, nobody to be asked."""
    for name in ("OPUS_SERVICE_KEY", "OPUS_BASE_URL", "OPUS_NB_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr("sys.stdin", None)


def fake_colab(monkeypatch: pytest.MonkeyPatch, get: Any) -> None:
    colab: Any = types.ModuleType("google.colab")
    colab.userdata = types.SimpleNamespace(get=get)
    google: Any = types.ModuleType("google")
    google.colab = colab
    monkeypatch.setitem(sys.modules, "google", google)
    monkeypatch.setitem(sys.modules, "google.colab", colab)


def fake_keyring(monkeypatch: pytest.MonkeyPatch, get: Any) -> None:
    keyring: Any = types.ModuleType("keyring")
    keyring.get_password = get
    monkeypatch.setitem(sys.modules, "keyring", keyring)


def test_the_order_in_which_a_key_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argument, environment, Colab secret, keyring: each gives way to the one before, and says where it was."""
    asked: list[tuple[str, str]] = []

    def from_keyring(service: str, user: str) -> str:
        asked.append((service, user))
        return "from-keyring"

    fake_keyring(monkeypatch, from_keyring)
    found = find_service_key()
    assert (found.reveal(), found.origin) == ("from-keyring", "keyring")
    assert asked == [("opus_nb", "OPUS_SERVICE_KEY")]
    fake_colab(monkeypatch, lambda name: f"colab-{name}")
    found = find_service_key()
    assert (found.reveal(), found.origin) == ("colab-OPUS_SERVICE_KEY", "Colab secret")
    monkeypatch.setenv("OPUS_SERVICE_KEY", " from-env\n")
    assert find_service_key().reveal() == "from-env"
    assert find_service_key("argument").reveal() == "argument"
    assert len(asked) == 1


def test_a_place_that_refuses_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Colab secret that was not granted and a keyring without a store are answers, not errors."""

    def refuse(*_: Any) -> str:
        raise RuntimeError("not granted")

    fake_colab(monkeypatch, refuse)
    fake_keyring(monkeypatch, refuse)
    with pytest.raises(ServiceKeyMissing, match="sandbox"):
        find_service_key()


def test_a_hidden_prompt_is_the_last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where somebody sits at a terminal; end of input means none."""
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("getpass.getpass", lambda prompt: "typed")
    assert (find_service_key().reveal(), find_service_key().origin) == ("typed", "prompt")

    def gone(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", gone)
    with pytest.raises(ServiceKeyMissing):
        find_service_key()


@pytest.mark.parametrize("given", ["", "  ", 5])
def test_an_empty_argument_is_an_error_and_asks_nobody(given: Any) -> None:
    """It was given, so it was meant."""
    with pytest.raises(ServiceKeyMissing, match="empty"):
        find_service_key(given)


def test_a_key_shows_itself_nowhere() -> None:
    """Not in repr, str, format, vars, copies or pickles; long ones are struck out of texts."""
    key = ServiceKey(LONG, "argument")
    assert LONG not in f"{key!r} {key} {[key]}"
    assert not hasattr(key, "__dict__")
    assert LONG not in repr([getattr(key, name, "") for name in dir(key) if name != "reveal"])
    for carry in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            carry(key)
    assert key.scrub(f"a {LONG} b") == "a *** b"
    assert ServiceKey("sandbox").scrub("the sandbox") == "the sandbox"
    assert LONG not in repr(read_settings(service_key=LONG))


@pytest.mark.parametrize(
    ("text", "hint"),
    [(LONG[1:], "underscore"), (f"_{LONG[1:50]} {LONG[50:]}", "white space"), (LONG[:-1], "96"), (LONG, "expired")],
)
def test_the_hint_after_a_401(text: str, hint: str) -> None:
    """The form is explained, never judged beforehand, and the key is not in the hint."""
    key = ServiceKey(text)
    assert hint in key.hint
    assert text not in key.hint


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost", "http://[::1]:80", "https://x.example/"])
def test_addresses_that_are_fine(url: str) -> None:
    """https anywhere, plain http on this machine; a trailing slash is dropped."""
    assert read_settings(service_key="k", base_url=url).base_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["http://operator.opus.com", "http://192.168.0.1", "http://127.0.0.1.example.com", "ftp://x", "operator.opus.com",
     "https://user:secret@x.example", "https://x.example?a=1", ""],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    """Plain http to elsewhere would send the key in the open; a password in an address is not repeated."""
    with pytest.raises(SettingsError) as caught:
        read_settings(service_key="k", base_url=url)
    assert "secret" not in str(caught.value)


def test_argument_then_environment_then_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For address and ledger alike, and the origin is remembered."""
    plain = read_settings(service_key="k")
    assert plain.base_url == settings.DEFAULT_BASE_URL
    assert plain.ledger == Path(".opus_nb").absolute()
    monkeypatch.setenv("OPUS_BASE_URL", "https://env.example")
    monkeypatch.setenv("OPUS_NB_LEDGER", str(tmp_path))
    from_env = read_settings(service_key="k")
    assert (from_env.base_url, from_env.ledger) == ("https://env.example", tmp_path)
    assert from_env.origins["base_url"] == "environment variable OPUS_BASE_URL"
    assert read_settings(service_key="k", base_url="https://arg.example").base_url == "https://arg.example"


@pytest.mark.parametrize(
    "wrong",
    [{"timeout_s": 0}, {"timeout_s": True}, {"timeout_s": float("inf")}, {"settle_s": -1}, {"api": "v3"},
     {"max_requests_per_second": 0}],
)  # fmt: skip
def test_limits_that_make_no_sense(wrong: dict[str, Any]) -> None:
    """Each names the argument."""
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        read_settings(service_key="k", **wrong)
