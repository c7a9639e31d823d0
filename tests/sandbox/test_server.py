"""Starting, closing, and what is loaded when."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from opus_nb.sandbox import Sandbox, serve_forever, workflow

ROOT = str(Path(__file__).resolve().parents[2])


def test_answers_when_start_returns(ask: httpx.Client) -> None:
    """Once start() is back, the very first request is answered."""
    sandbox = Sandbox(time_scale=0.01).start()
    try:
        assert sandbox.base_url.startswith("http://127.0.0.1:")
        assert ask.get(sandbox.base_url + "/__sandbox__/books").status_code == 200
    finally:
        sandbox.close()


def test_start_and_close_may_be_repeated(ask: httpx.Client) -> None:
    """A second start or close does nothing; a closed sandbox can start again on its port and keeps its books."""
    sandbox = Sandbox()
    sandbox.close()
    assert sandbox.start() is sandbox.start()
    address = sandbox.base_url
    ask.get(address + "/workflow/private", headers={"x-service-key": "sandbox"})
    sandbox.close()
    sandbox.close()
    assert not sandbox.running
    assert sandbox.books()["calls"] == {"list": 1}
    with sandbox:
        assert sandbox.base_url == address
        assert ask.get(address + "/__sandbox__/books").json()["calls"] == {"list": 1}


def test_closes_at_once_with_open_connections(ask: httpx.Client) -> None:
    """Keep-alive connections and a hanging request do not hold up close(), and nothing answers afterwards."""
    with httpx.Client(trust_env=False, verify=False) as client:
        sandbox = Sandbox().start()
        client.get(sandbox.base_url + "/__sandbox__/books")
        rule = sandbox.fault("list", "slow", before_s=600)
        lost: list[BaseException | httpx.Response] = []

        def hang() -> None:
            try:
                url = sandbox.base_url + "/workflow/private"
                lost.append(ask.get(url, headers={"x-service-key": "sandbox"}, timeout=30))
            except httpx.HTTPError as error:
                lost.append(error)

        thread = threading.Thread(target=hang)
        thread.start()
        while not rule.fired:
            time.sleep(0.005)
        begun = time.perf_counter()
        sandbox.close()
        assert time.perf_counter() - begun < 3
        thread.join()
        assert len(lost) == 1
        with pytest.raises(httpx.ConnectError):
            client.get(sandbox.base_url + "/__sandbox__/books")


def test_leaves_no_thread_behind() -> None:
    """After the with block its threads are gone."""
    before = set(threading.enumerate())
    with Sandbox():
        assert set(threading.enumerate()) - before
    assert not [t for t in set(threading.enumerate()) - before if t.is_alive()]


def test_several_at_once_do_not_mix(ask: httpx.Client) -> None:
    """Each sandbox has its own port, keys and books."""
    with Sandbox(service_keys=["one"]) as first, Sandbox(service_keys=["two"]) as second:
        assert first.base_url != second.base_url
        answers = [
            ask.get(s.base_url + "/workflow/private", headers={"x-service-key": "one"}).status_code
            for s in (first, second)
        ]
        assert answers == [200, 401]
        assert first.books()["answers_by_status"] == {"200": 1}


def test_taken_port_is_an_os_error() -> None:
    """A port in use is refused when starting, not later."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            Sandbox(port=taken.getsockname()[1]).start()


def test_bad_arguments_are_refused() -> None:
    """A time scale of nothing, an unknown option and a function without its inputs are errors at once."""
    with pytest.raises(ValueError, match="time_scale"):
        Sandbox(time_scale=0)
    with pytest.raises(TypeError):
        Sandbox(second_exectue="409")
    from opus_nb.sandbox import Input

    with pytest.raises(TypeError, match="no parameter for net_total"):
        workflow("W", inputs=[Input("Net total", "float")])(lambda gross: {})


def test_import_is_light() -> None:
    """Importing the sandbox loads neither starlette nor uvicorn, nor any other room of the house."""
    code = (
        "import sys; sys.modules['opus_nb'] = type(sys)('opus_nb'); "
        "sys.modules['opus_nb'].__path__ = [p + '/opus_nb' for p in sys.path]; import opus_nb.sandbox; "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('starlette', 'uvicorn', 'httpx', 'pandas') "
        "or m.startswith('opus_nb.') and not m.startswith('opus_nb.sandbox')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ROOT}
    )
    assert done.stdout.strip() == "[]"


def test_missing_server_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without uvicorn the error says what to install."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r'pip install "opus_nb\[sandbox\]"'):
        Sandbox().start()


def test_serve_forever_ends_quietly_on_interrupt(ask: httpx.Client) -> None:
    """The blocking form prints its address and ends with code 0 and no words on Ctrl-C."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from opus_nb.sandbox import serve_forever; serve_forever(ready=lambda url: print(url, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, process.communicate()[1]
        assert ask.get(address + "/__sandbox__/books").status_code == 200
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=10)
        assert (process.returncode, out, errors) == (0, "", "")


def test_serve_forever_takes_what_sandbox_takes() -> None:
    """A bad option reaches the caller of serve_forever."""
    with pytest.raises(TypeError):
        serve_forever(nonsense=True)


def test_repr_says_where() -> None:
    """The repr names the address, or says that nothing runs."""
    sandbox = Sandbox([])
    assert repr(sandbox) == "<Sandbox not running, 0 workflows, 0 jobs>"
    with sandbox:
        assert sandbox.base_url in repr(sandbox)


def test_sleeping_jobs_are_cheap(serve: Callable[..., Any]) -> None:
    """Sleeping jobs need no thread, task or timer, and all of them run at once."""

    @workflow("Asleep", seconds=3600, quick=True)
    def asleep() -> dict[str, Any]:
        return {}

    visitor = serve(asleep)
    threads = threading.active_count()
    jobs = [visitor.run(asleep.id, {}, to_the_end=False) for _ in range(300)]
    assert threading.active_count() == threads
    assert {visitor.status(job) for job in jobs[::30]} == {"IN_PROGRESS"}
    assert visitor.sandbox.books(summary=True)["peak_running"] == 300
    visitor.sandbox.advance(100_000)
    assert {visitor.status(job) for job in jobs[::30]} == {"COMPLETED"}
