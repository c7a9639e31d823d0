"""The sandbox as a running server: a thread, a port, and the handles a test or a tutorial needs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from opus_nb.sandbox.books import summarise, tell
from opus_nb.sandbox.catalogue import PublishedVersion
from opus_nb.sandbox.definition import WorkflowDefinition
from opus_nb.sandbox.execution import answer_person, end_job
from opus_nb.sandbox.faults import FaultRule
from opus_nb.sandbox.hosting import load_server, open_listener
from opus_nb.sandbox.jobs import JobRecord
from opus_nb.sandbox.state import SandboxOptions, SandboxState
from opus_nb.sandbox.workflows import ALL_WORKFLOWS

if TYPE_CHECKING:
    from uvicorn import Server

T = TypeVar("T")
_START_SECONDS = 20.0
_CLOSE_SECONDS = 5.0


class Sandbox:
    """An Opus on this machine, over real HTTP on loopback.

    The server lives in a daemon thread with an event loop of its own and can be reached when `start` returns. Nothing
    is written to disk, no request leaves the machine. Several sandboxes can run at once.

    Parameters
    ----------
    workflows : iterable of WorkflowDefinition, optional
        What it serves, made with `workflow`. None serves `opus_nb.sandbox.workflows.ALL_WORKFLOWS`: the default ones,
        and some oddities that answer by id without being listed.
    port : int
        0 takes any free port.
    time_scale : float
        Factor on every duration: 0.01 makes jobs a hundred times faster.
    seed : int, optional
        Durations, failures and draws follow from it and from the payload; None is the same as 0, so that a tutorial
        looks alike each time.
    rate_limit_per_s : float, optional
        Requests per second and key; what is above is answered 429. None is no limit.
    service_keys : iterable of str
        The keys that are accepted.
    **options
        Any field of `SandboxOptions`, as in ``second_execute="409"``.

    Examples
    --------
    >>> import urllib.request
    >>> with Sandbox(time_scale=0.01) as opus:
    ...     request = urllib.request.Request(opus.base_url + "/workflow/private", headers={"x-service-key": "sandbox"})
    ...     urllib.request.urlopen(request).status
    200
    """

    def __init__(
        self,
        workflows: Iterable[WorkflowDefinition] | None = None,
        *,
        port: int = 0,
        time_scale: float = 1.0,
        seed: int | None = None,
        rate_limit_per_s: float | None = None,
        service_keys: Iterable[str] = ("sandbox",),
        **options: Any,
    ) -> None:
        if time_scale <= 0:
            raise ValueError(f"time_scale must be above 0, not {time_scale}")
        self._port = port
        self._state = SandboxState(
            ALL_WORKFLOWS if workflows is None else workflows,
            time_scale=time_scale,
            seed=seed,
            service_keys=service_keys,
            options=SandboxOptions(rate_limit_per_s=rate_limit_per_s, **options),
        )
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Server | None = None
        self._closing: asyncio.Event | None = None

    @property
    def base_url(self) -> str:
        """The address, ``http://127.0.0.1:PORT``; empty before `start`."""
        return self._state.base_url

    @property
    def options(self) -> SandboxOptions:
        """How it behaves where services differ; fields may be set while it runs."""
        return self._state.options

    @property
    def running(self) -> bool:
        """Whether the server answers."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> Sandbox:
        """Start serving; returns itself once requests are answered. Does nothing if it runs already.

        Raises
        ------
        ImportError
            starlette or uvicorn is not installed.
        OSError
            The port is taken.
        """
        if self.running:
            return self
        make_server = load_server()
        listener = open_listener(self._port)
        self._port = listener.getsockname()[1]
        self._state.base_url = f"http://127.0.0.1:{self._port}"
        ready: Future[None] = Future()
        self._server, self._closing = make_server(self._state)
        self._thread = threading.Thread(
            target=self._run, args=(self._server, listener, ready), name=f"opus-sandbox-{self._port}", daemon=True
        )
        self._state.open_pool()
        self._thread.start()
        try:
            ready.result(timeout=_START_SECONDS)
        except BaseException:
            self.close()
            raise
        return self

    def _run(self, server: Server, listener: socket.socket, ready: Future[None]) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            serving = asyncio.ensure_future(server.serve(sockets=[listener]))
            while not server.started and not serving.done():
                await asyncio.sleep(0.002)
            if server.started:
                ready.set_result(None)
            await serving

        try:
            asyncio.run(serve())
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
        finally:
            listener.close()
            self._loop = None

    def close(self) -> None:
        """Stop serving and close every connection. Books can still be read; `start` serves again, on the same port."""
        thread, server, closing, loop = self._thread, self._server, self._closing, self._loop
        if thread is None or server is None:
            return
        server.should_exit = True
        if loop is not None and closing is not None and not loop.is_closed():
            loop.call_soon_threadsafe(closing.set)
        thread.join(timeout=_CLOSE_SECONDS)
        self._state.close_pool()
        self._thread = self._server = self._closing = None

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        where = f"at {self.base_url}" if self.running else "not running"
        return f"<Sandbox {where}, {sum(1 for _ in self._state.catalogue)} workflows, {len(self._state.jobs)} jobs>"

    def books(self, *, summary: bool = False) -> dict[str, Any]:
        """Tell what really happened: executions by payload, job and title, uploads by content, calls, lateness, peaks.

        Parameters
        ----------
        summary : bool
            Leave out the lines per job, payload, title and upload; the way to ask when there are very many.
        """
        give = summarise if summary else tell
        return self._ask(lambda: give(self._state.books, self._state.jobs, now=self._state.clock.now()))

    def fault(
        self,
        endpoint: str,
        kind: str,
        *,
        times: int | None = None,
        probability: float = 1.0,
        skip_first: int = 0,
        for_s: float | None = None,
        job: str | None = None,
        title: str | None = None,
        **parameters: Any,
    ) -> FaultRule:
        """Make it misbehave from now on.

        Parameters
        ----------
        endpoint : str
            ``initiate execute upload put status results audit workflow detail search list versions archive delete
            download get``, or ``any``. The case family's routes go by the same names.
        kind : str
            * ``lost_before``, ``lost_after``: the connection closes without an answer, before or after the request took
              effect. ``reset=True`` breaks it instead of ending it.
            * ``cut_off``: takes effect; only the share ``keep`` of the promised body arrives.
            * ``rate_limited``: 429. ``retry_after_s``; ``style`` is "header", "date", "body", "both" or "none".
            * ``error``: ``status``, ``message``, ``html``, ``body``. ``after=True`` takes effect first.
            * ``slow``: ``before_s`` before acting, ``after_s`` after it. Combines with other kinds.
            * ``empty``, ``html``: 200 with nothing, or with a page. ``after=False`` does not act.
            * ``inner_error``: 200 around a ``status`` and a ``message``; ``success_false``: ``message``. Both act only
              with ``after=True``.
            * ``expired``: the address that upload or download gives has expired already.
            * ``stuck``: the executed job never ends. ``script``: it takes ``seconds`` and ends with the word ``end``.
            * ``word``: status says ``word``.
            * ``lie``: initiate repeats an earlier id, execute starts nothing, status says COMPLETED, results are empty.
        times, probability, skip_first, for_s
            How often at most, with what chance, after how many harmless requests, for how long.
        job, title : str, optional
            Only for that job id, or for titles that match a pattern with ``*`` and ``?``.

        Returns
        -------
        FaultRule
            Its ``fired`` counts how often it struck.
        """
        return self._ask(
            lambda: self._state.faults.add(
                endpoint, kind, now=self._state.clock.now(), times=times, probability=probability,
                skip_first=skip_first, for_s=for_s, job=job, title=title, parameters=parameters,
            )
        )  # fmt: skip

    def faults_clear(self) -> None:
        """Behave again."""
        self._ask(self._clear_faults)

    def reset(self) -> None:
        """Forget jobs, files, books and faults, and put the clock right. Workflows and options stay, numbers go on."""
        self._ask(self._state.reset)

    def publish(self, definition: WorkflowDefinition) -> PublishedVersion:
        """Serve one more workflow, or a new version of the one that has its id."""
        return self._ask(lambda: self._state.catalogue.publish(definition, now=self._state.clock.now()))

    def answer(self, job_id: str, answer: Any = None) -> bool:
        """Answer for the person a job waits for; None says what the pretended person would.

        Returns False if the job does not wait.
        """
        return self._ask(lambda: answer_person(self._state, self._find(job_id), answer))

    def end(self, job_id: str, status: str = "STOPPED") -> bool:
        """Stop a job from outside with any status word; False if it was over already."""
        return self._ask(lambda: end_job(self._state, self._find(job_id), status))

    def advance(self, seconds: float) -> None:
        """Let time pass at once: jobs go on, addresses expire, people answer."""
        self._ask(lambda: self._state.clock.advance(seconds))

    def _clear_faults(self) -> None:
        self._state.faults.clear()

    def _find(self, job_id: str) -> JobRecord:
        job = self._state.jobs.find_any(job_id)
        if job is None:
            raise KeyError(f"no job {job_id!r} in this sandbox")
        return job

    def _ask(self, question: Callable[[], T]) -> T:
        """Run something on the server's loop, or here if nothing serves."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or not thread.is_alive():
            return question()
        answer: Future[T] = Future()

        def reply() -> None:
            try:
                answer.set_result(question())
            except Exception as error:
                answer.set_exception(error)

        loop.call_soon_threadsafe(reply)
        return answer.result(timeout=60.0)


def serve_forever(
    workflows: Iterable[WorkflowDefinition] | None = None,
    *,
    port: int = 0,
    ready: Callable[[str], object] = print,
    **options: Any,
) -> None:
    """Serve until the process is interrupted, then end quietly.

    Parameters
    ----------
    workflows : iterable of WorkflowDefinition, optional
        What to serve; None serves the default ones.
    port : int
        0 takes any free port.
    ready : callable
        Called once with the base address when requests are answered.
    **options
        Whatever `Sandbox` takes.
    """
    with contextlib.suppress(KeyboardInterrupt), Sandbox(workflows, port=port, **options) as sandbox:
        ready(sandbox.base_url)
        while sandbox.running:
            time.sleep(0.2)
