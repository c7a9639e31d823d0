"""The connection test: every sentence as somebody reads it for whom something does not work."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from trap_making import echo

import opus_nb
from opus_nb import saying
from opus_nb.cli import main
from opus_nb.service import families

Serve = Callable[..., opus_nb.Opus]
Page = Callable[..., str]
KEY = "_" + "0123456789abcdef" * 6
UUID = "00000000-0000-4000-8000-000000000000"
ADVICE = "The API of Opus is at https://operator.opus.com"


@pytest.fixture
def page() -> Iterator[Page]:
    """Start a web server that answers everything alike; it is no Opus."""
    servers = []

    def start(status: int, body: bytes, kind: str = "text/html", **headers: str) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                for name, value in {"content-type": kind, "content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *parts: Any) -> None:
                """Say nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def check(folder: Path, base_url: str, key: str = KEY, *workflow: str) -> dict[str, tuple[str, str]]:
    """What is found, by what it is about; the text says the same, and never the key."""
    with opus_nb.connect(key, base_url=base_url, ledger=folder / "l") as opus:
        found = opus.check(*workflow)
    assert key not in repr(found) + found._repr_html_()
    assert all(each.words in repr(found) for each in found.findings)
    assert found.ok is all(each.verdict != "bad" for each in found.findings)
    assert f"{base_url} {'works' if found.ok else 'does not work'}." in repr(found)
    return {each.what: (each.verdict, each.words) for each in found.findings}


@pytest.mark.parametrize("workflow", [(), (UUID,)], ids=["bare", "workflow"])
@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<!doctype html><html><head><title>Opus - Sign in</title></head></html>", "Opus - Sign in"),
        (404, b"<html><title>404 Not Found</title></html>", "404 Not Found"),
        (200, b"", "an empty answer"),
        (302, b"", "it only points elsewhere (302)"),
    ],
    ids=["login page", "another server", "nothing", "redirect"],
)
def test_an_address_where_something_else_answers(
    page: Page, tmp_path: Path, status: int, body: bytes, said: str, workflow: tuple[str, ...]
) -> None:
    """It is the address that is wrong, not key or workflow: they are not judged by what another server says."""
    found = check(tmp_path, page(status, body, location="https://elsewhere.example"), KEY, *workflow)
    assert list(found) == ["address"]
    verdict, words = found["address"]
    assert verdict == "bad"
    assert said in words
    assert ADVICE in words


def test_json_of_somebody_else(page: Page, tmp_path: Path) -> None:
    """A 200 with other JSON is no list of workflows."""
    found = check(tmp_path, page(200, b'{"hello": "world"}', "application/json"))
    assert found["address"][0] == "bad"
    assert "keys: hello" in found["address"][1]


def test_a_proxy_that_wants_a_name(page: Page, tmp_path: Path) -> None:
    """407 is about the way, and says what to set."""
    found = check(tmp_path, page(407, b"<title>Proxy Authentication Required</title>"), KEY, UUID)
    assert list(found) == ["address"]
    assert "HTTPS_PROXY=" in found["address"][1]


def test_nobody_is_there(tmp_path: Path) -> None:
    """Nothing listens there: the way is the matter, nothing else is judged."""
    found = check(tmp_path, "http://127.0.0.1:9")
    assert list(found) == ["address"]
    assert found["address"][1].startswith("cannot be reached: ConnectError")
    assert "Check the address, the network and a proxy" in found["address"][1]


KEYS = {
    "underscore lost": (KEY[1:], "begin with an underscore"),
    "blank inside": (f"{KEY[:40]} {KEY[40:]}", "white space inside"),
    "cut": (KEY[:50], "have 97 characters, and this one has 50"),
    "expired": ("_" + "f" * 96, "expired or been deleted"),
}


@pytest.mark.parametrize("case", KEYS)
def test_a_key_that_is_refused(serve: Serve, tmp_path: Path, case: str) -> None:
    """The address is fine; the key is not, where it came from, and what is usually wrong; no workflow is judged."""
    box = serve(echo(), service_keys=[KEY]).sandbox
    key, hint = KEYS[case]
    for workflow in ((), (echo().id,)):
        found = check(tmp_path, box.base_url, key, *workflow)
        assert (found["address"][0], found["service key"][0]) == ("ok", "bad")
        assert found["service key"][1].startswith("not accepted: Invalid or expired API key")
        assert "The key came from argument" in found["service key"][1]
        assert hint in found["service key"][1]
        assert "workflow" not in found


def test_a_key_that_cannot_be_sent(serve: Serve, tmp_path: Path) -> None:
    """A line break inside is about the key, not about the network."""
    box = serve(echo(), service_keys=[KEY]).sandbox
    found = check(tmp_path, box.base_url, f"{KEY[:40]}\n{KEY[40:]}", echo().id)
    assert (found["address"][0], found["service key"][0]) == ("unknown", "bad")
    assert "white space inside this key" in found["service key"][1]


def test_blanks_around_a_key_do_no_harm(serve: Serve, tmp_path: Path) -> None:
    """They are cut off."""
    box = serve(echo(), service_keys=[KEY]).sandbox
    assert check(tmp_path, box.base_url, f" {KEY}\n", echo().id)["inputs"] == ("ok", "1, of which 1 required")


@pytest.mark.parametrize(("status", "words"), [(404, "does not exist, or is not visible"), (403, "may not read it")])
def test_a_workflow_of_another_workspace(serve: Serve, tmp_path: Path, status: int, words: str) -> None:
    """The key is good, only not for this one: said of the workflow, with what to do, and not of the key."""
    opus = serve(echo())
    opus.sandbox.fault("workflow", "error", status=status, message=["Workflow not found", "Forbidden"][status == 403])
    found = check(tmp_path, opus.base_url, "sandbox", echo().id)
    assert found["service key"] == ("ok", "accepted")
    assert found["workflow"][0] == "bad"
    assert words in found["workflow"][1]
    assert "A key is for one workspace" in found["workflow"][1]
    assert "inputs" not in found


def test_a_key_that_may_do_nothing(serve: Serve, tmp_path: Path) -> None:
    """403 to everything is not called an accepted key."""
    opus = serve(echo())
    opus.sandbox.fault("any", "error", status=403, message="Forbidden resource")
    assert check(tmp_path, opus.base_url, "sandbox")["service key"][0] == "unknown"
    found = check(tmp_path, opus.base_url, "sandbox", echo().id)
    assert (found["service key"][0], found["workflow"][0]) == ("unknown", "bad")


def test_workflows_that_cannot_be_used(serve: Serve, tmp_path: Path) -> None:
    """Switched off, of a generation that is gone, without a schema: each has its own sentence."""
    off, gone, bare = echo("v1", active=False), echo(id="A" * 16, generation="v1", retired=True), echo(
        id="B" * 16, generation="v1", hides_schema=True
    )  # fmt: skip
    url = serve(off, gone, bare).base_url
    assert "not active, so no job can be started" in check(tmp_path, url, "sandbox", off.id)["active"][1]
    assert "copy its address" in check(tmp_path, url, "sandbox", gone.id)["workflow"][1]
    found = check(tmp_path, url, "sandbox", bare.id)
    assert (found["workflow"][0], found["inputs"][0]) == ("ok", "bad")
    assert "check that it has an input node" in found["inputs"][1]


def test_trouble_and_too_many_questions(serve: Serve, tmp_path: Path) -> None:
    """A 5xx does not work now; a 429 tells nothing of the key."""
    opus = serve(echo())
    opus.sandbox.fault("any", "error", status=502, html=True)
    found = check(tmp_path, opus.base_url, "sandbox", echo().id)
    assert list(found) == ["address"]
    assert "in trouble: 502 Bad Gateway" in found["address"][1]
    opus.sandbox.faults_clear()
    opus.sandbox.fault("any", "rate_limited", retry_after_s=0, style="body")
    assert check(tmp_path, opus.base_url, "sandbox")["service key"][0] == "unknown"


# -- while nobody answers ---------------------------------------------------------------------------------


def test_a_server_that_never_answers_is_talked_about(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a while a word on the screen; the error says for how long it was tried, and what to do."""
    monkeypatch.setattr(saying, "SILENCE_S", 0.2)
    monkeypatch.setattr(families, "SAID_FROM_S", 0.1)
    opus = serve(echo())
    opus.sandbox.fault("any", "slow", before_s=5)
    with opus_nb.connect("sandbox", base_url=opus.base_url, ledger=tmp_path / "l", timeout_s=0.3) as slow:
        for ask in (lambda: slow.workflow(echo().id), lambda: slow.job("123")):
            with pytest.raises(opus_nb.errors.AnswerLost, match=r"ReadTimeout; tried for \d+ s") as caught:
                ask()
            assert "connect(timeout_s=...)" in str(caught.value.next_step)
            assert f"{opus.base_url} has not answered for 0.2 s" in capsys.readouterr().err
        assert "tried for" in repr(slow.check())


def test_a_server_that_answers_is_not_talked_about(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    """No word where there is nothing to wait for."""
    serve(echo()).workflow(echo().id)
    assert capsys.readouterr().err == ""


# -- from the shell ---------------------------------------------------------------------------------------


def test_the_same_from_the_shell(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``opus-nb check`` prints the findings; 0 where it works, 2 where it does not; looking makes no ledger."""
    box = serve(echo(), service_keys=[KEY]).sandbox
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPUS_SERVICE_KEY", KEY)
    assert main(["check", "--base-url", box.base_url]) == 0
    assert main(["check", echo().id, "--base-url", box.base_url]) == 0
    said = capsys.readouterr().out
    assert "✓ service key: accepted" in said
    assert "'Echo' is visible to this key" in said
    monkeypatch.setenv("OPUS_SERVICE_KEY", KEY[1:])
    assert main(["check", "--base-url", box.base_url]) == 2
    said = capsys.readouterr().out
    assert "environment variable OPUS_SERVICE_KEY" in said
    assert "underscore" in said
    assert not (tmp_path / ".opus_nb").exists()
