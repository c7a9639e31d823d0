"""Nine requests times eight faults: whatever happens to one, each row is bought once and none is lost.

The name of a test says the request and the fault, ``test_cell[execute-lost]``; what must come of it follows the
failure matrix. The sandbox's books are the witness, not the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fire_making import PLAIN, Nurseries, Rig, letter_fire

import opus_nb
from opus_nb import loop
from opus_nb.errors import NotFound, OpusError, ServiceKeyRefused
from opus_nb.sandbox import Sandbox
from opus_nb.service.wire import Patience

ROWS = 3
REQUESTS = ["initiate", "upload", "put", "execute", "status", "results", "audit", "search"]
NEVER_LEFT = [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout]


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    """A file for the requests that carry one."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, forty-two.")
    return path


def rig_for(request: str, fire_sandbox: Sandbox, folder: Path, **options: Any) -> Rig:
    """A run whose rows make this request: those with a file upload it."""
    fire_sandbox.faults_clear()
    fire_sandbox.reset()
    definition = letter_fire if request in {"upload", "put"} else PLAIN
    return Rig(fire_sandbox, folder / "ledger", definition=definition, **options)


@pytest.fixture
def rig_of(fire_sandbox: Sandbox, tmp_path: Path, letter: Path) -> Any:
    """Make the rig for a request; closed afterwards."""
    made: list[Rig] = []

    def make(request: str, **options: Any) -> Rig:
        rig = rig_for(request, fire_sandbox, tmp_path, **options)
        if request == "search":
            # Nobody searches unless an answer to initiate was lost.
            rig.sandbox.fault("initiate", "lost_after", times=1)
        made.append(rig)
        return rig

    yield make
    for rig in made:
        rig.close()


def work(rig: Rig, letter: Path, rows: int = ROWS) -> None:
    """Run the rows of a rig, with the letter where they take one."""
    rig.work(rig.rows(rows, letter=letter if rig.definition is letter_fire else None))


# -- the five faults after which every row must still be bought exactly once ------------------------------


@pytest.mark.parametrize("request_", REQUESTS, ids=[f"{each}-never-sent" for each in REQUESTS])
def test_never_sent(rig_of: Callable[..., Rig], letter: Path, request_: str) -> None:
    """No connection, no place in the pool: the request is sent again, and nothing is asked or made besides."""
    rig = rig_of(request_)
    rig.door.shut[request_] = list(NEVER_LEFT)
    work(rig, letter)
    books = rig.assert_once()
    assert rig.door.shut[request_] == []
    if request_ != "search":
        assert books["calls"].get("search", 0) == 0
        assert rig.book.orphans() == []


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("request_", REQUESTS, ids=[f"{each}-lost" for each in REQUESTS])
def test_applied_and_answer_lost(rig_of: Callable[..., Rig], letter: Path, request_: str, reset: bool) -> None:
    """Opus acted, nobody heard: reads repeat, a lost shell is found by its title, a lost execute is not repeated."""
    rig = rig_of(request_)
    fault = rig.sandbox.fault(request_, "lost_after", times=2, reset=reset)
    work(rig, letter)
    books = rig.assert_once()
    assert fault.fired == 2
    if request_ == "execute":
        assert rig.door.passed["execute"] == ROWS
    if request_ == "initiate":
        assert rig.door.passed["initiate"] == ROWS
        assert books["orphan_shells"] == 0
        assert rig.book.orphans() == []


@pytest.mark.parametrize("style", ["header", "body"])
@pytest.mark.parametrize("request_", REQUESTS, ids=[f"{each}-429" for each in REQUESTS])
def test_429(rig_of: Callable[..., Rig], letter: Path, request_: str, style: str) -> None:
    """Slower, please, in either spelling: everybody waits for as long as was named, then the same is sent again."""
    rig = rig_of(request_)
    fault = rig.sandbox.fault(request_, "rate_limited", times=2, style=style, retry_after_s=0)
    work(rig, letter)
    rig.assert_once()
    assert fault.fired == 2
    assert rig.wire.pacer.pauses >= 1
    assert [each for each in rig.book.orphans() if each.job_id is None] == []


ERRORS = [(500, False, False), (502, True, True), (503, True, False), (504, True, True)]


@pytest.mark.parametrize(
    ("status", "html", "after"), ERRORS, ids=["500-json", "502-html-applied", "503-html", "504-html-applied"]
)
@pytest.mark.parametrize("request_", REQUESTS, ids=[f"{each}-5xx" for each in REQUESTS])
def test_5xx(rig_of: Callable[..., Rig], letter: Path, request_: str, status: int, html: bool, after: bool) -> None:
    """Later, please: what changes nothing is sent again; after execute Opus is asked, because a gateway may lie."""
    rig = rig_of(request_)
    fault = rig.sandbox.fault(request_, "error", status=status, html=html, after=after, times=2)
    work(rig, letter)
    rig.assert_once()
    assert fault.fired == 2
    if request_ == "execute":
        assert rig.door.passed["execute"] == (ROWS if after else ROWS + 2)


@pytest.mark.parametrize("when", ["before_s", "after_s"])
@pytest.mark.parametrize("request_", REQUESTS, ids=[f"{each}-timeout" for each in REQUESTS])
def test_timeout(rig_of: Callable[..., Rig], letter: Path, request_: str, when: str) -> None:
    """Nobody waited for the answer, and Opus may act even later: within the settling time nothing is sent again."""
    rig = rig_of(request_, timeout_s=0.25, settle_s=0.4)
    fault = rig.sandbox.fault(request_, "slow", times=1, **{when: 0.4})
    work(rig, letter)
    rig.assert_once()
    assert fault.fired == 1
    if request_ == "execute":
        assert rig.door.passed["execute"] == ROWS


# -- 4xx: each request has its own meaning ----------------------------------------------------------------


def test_initiate_4xx(rig: Rig) -> None:
    """A 400 is the row's: it fails, says why, and leaves the others alone."""
    rig.sandbox.fault("initiate", "error", status=400, message=["title is too long"], times=1)
    rig.work(ROWS)
    assert sorted(rig.states()) == ["completed", "completed", "failed"]
    assert "title is too long" in next(each.error for each in rig.outcomes() if each.error)
    rig.assert_never_twice()


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("request_", ["initiate", "execute", "status", "results"])
def test_a_refused_key_stops_the_run(rig: Rig, request_: str, status: int) -> None:
    """Nobody else gets through with this key: the run halts, every mark is true, and the right key finishes it."""
    rig.sandbox.fault(request_, "error", status=status, message="Invalid or expired API key")
    rig.work(ROWS)
    assert isinstance(rig.runner.failure(), ServiceKeyRefused)
    assert "failed" not in rig.states()
    rig.sandbox.faults_clear()
    rig.again()
    rig.assert_once()
    assert rig.door.passed["execute"] <= ROWS + (4 if request_ == "execute" else 0)


def test_upload_4xx(rig_of: Callable[..., Rig], letter: Path) -> None:
    """A file that Opus does not take is one failed row; no shell was made for it."""
    rig = rig_of("upload")
    rig.sandbox.fault("upload", "error", status=400, message=["file extension is not supported"], times=1)
    work(rig, letter, rows=1)
    assert rig.states() == ["failed"]
    assert "not supported" in str(rig.outcomes()[0].error)
    assert rig.books()["initiations"] == 0


@pytest.mark.parametrize("status", [411, 413])
def test_put_4xx(rig_of: Callable[..., Rig], letter: Path, status: int) -> None:
    """What the store will never take is a failed row."""
    rig = rig_of("put")
    rig.sandbox.fault("put", "error", status=status, html=True, times=1)
    work(rig, letter, rows=1)
    assert rig.states() == ["failed"]
    assert rig.books()["initiations"] == 0


def test_put_403_expired(rig_of: Callable[..., Rig], letter: Path) -> None:
    """An address that has expired is replaced by a new one."""
    rig = rig_of("put")
    rig.sandbox.fault("upload", "expired", times=1)
    work(rig, letter)
    rig.assert_once()
    assert rig.door.passed["upload"] >= 2


@pytest.mark.parametrize("status", [400, 404, 422])
def test_execute_4xx(rig: Rig, status: int) -> None:
    """Opus refused the payload: a failed row that keeps its id; a retry leaves that shell behind and counts it."""
    rig.sandbox.fault("execute", "error", status=status, message=["Question must be shorter"], times=1)
    rig.work(ROWS)
    assert sorted(rig.states()) == ["completed", "completed", "failed"]
    failed = next(each for each in rig.outcomes() if each.state.value == "failed")
    assert failed.job_id is not None
    assert "must be shorter" in str(failed.error)
    rig.retry([failed.position])
    rig.again()
    rig.assert_once()
    assert [each.job_id for each in rig.book.orphans()] == [failed.job_id]


@pytest.mark.parametrize("words", ["Conflict", "Job was already executed"])
@pytest.mark.parametrize("acted", [True, False], ids=["runs", "does-not-run"])
def test_execute_409(rig: Rig, words: str, acted: bool) -> None:
    """A conflict proves nothing: Opus is asked. If it runs, good; if it never started, the refusal stands."""
    status = 409 if words == "Conflict" else 400
    rig.sandbox.fault("execute", "error", status=status, message=words, after=acted, times=1)
    rig.work(1)
    assert rig.states() == ["completed" if acted else "failed"]
    assert rig.door.passed["execute"] == 1
    rig.assert_never_twice()


def test_status_404_of_a_young_job(rig: Rig) -> None:
    """A job that is not known everywhere yet gets its grace."""
    rig.record(ROWS)
    loop.wait_for(rig.begin(rig.rows(1)).over(), timeout_s=10)
    fault = rig.sandbox.fault("status", "error", status=404, message="Job execution not found", skip_first=1, times=3)
    rig.let_go()
    rig.work(ROWS)
    assert fault.fired == 3
    rig.assert_once()


def test_status_404_for_good(rig: Rig) -> None:
    """A job that Opus does not know for good is a failed row that keeps its id, and is not sent again."""
    rig.sandbox.fault("status", "error", status=404, message="Job execution not found", skip_first=1)
    rig.work(1)
    [outcome] = rig.outcomes()
    assert (outcome.state.value, outcome.job_id is not None) == ("failed", True)
    assert outcome.job_id is not None
    assert outcome.job_id in str(outcome.error)
    assert rig.door.passed["execute"] == 1


@pytest.mark.parametrize("status", [400, 404, 422])
def test_status_trouble_and_404s_are_counted_apart(rig: Rig, status: int) -> None:
    """Several 503s and one 4xx in between do not make a running job a failed one."""
    rig.wire.patience = Patience(attempts=1)
    rig.sandbox.fault("status", "error", status=status, skip_first=8, times=1)
    rig.sandbox.fault("status", "error", status=503, skip_first=1, times=7)
    rig.work(1)
    rig.assert_once(1)


@pytest.mark.parametrize("status", [202, 404, 409])
def test_results_4xx(rig: Rig, status: int) -> None:
    """Not ready yet, in three spellings: asked for again."""
    rule = rig.sandbox.fault("results", "error", status=status, body={} if status == 202 else None, times=3)
    rig.work(ROWS)
    rig.assert_once()
    assert rule.fired == 3


def test_results_that_never_come(rig: Rig) -> None:
    """The job is completed all the same; the row says what is missing, and reconciling fetches it."""
    rig.sandbox.fault("results", "error", status=404)
    rig.work(1)
    [outcome] = rig.outcomes()
    assert (outcome.state.value, outcome.results) == ("completed", None)
    assert "run.reconcile()" in str(outcome.error)
    rig.sandbox.faults_clear()
    lines = rig.reconcile()
    assert [each.note for each in lines] == ["fetched now: results"]
    rig.assert_once(1)
    assert rig.outcomes()[0].error is None


@pytest.mark.parametrize("status", [400, 403, 404])
def test_audit_4xx(rig: Rig, status: int) -> None:
    """An audit is a help: a no is a note on the row, and neither fails it nor stops the run."""
    rig.sandbox.fault("audit", "error", status=status, message="not for you")
    rig.work(ROWS)
    rig.assert_once()
    notes = {each.error for each in rig.outcomes()}
    assert notes == ({None} if status == 404 else {"its audit could not be fetched (not for you)"})


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_search_4xx(rig: Rig, status: int) -> None:
    """Where nothing can be searched a new shell is made, and the lost one is counted; it is not asked for ever."""
    rig.sandbox.fault("initiate", "lost_after", times=3)
    rig.sandbox.fault("search", "error", status=status)
    rig.work(ROWS)
    books = rig.assert_once()
    assert books["orphan_shells"] == 3
    assert len(rig.book.orphans()) == 3
    assert books["calls"]["search"] <= ROWS


# -- the workflow itself is read when a run is opened again -----------------------------------------------


@pytest.fixture
def unfinished(fire_sandbox: Sandbox, tmp_path: Path) -> Any:
    """A run that is recorded and of which nothing was sent, and a connection that can open it."""
    fire_sandbox.faults_clear()
    fire_sandbox.reset()
    rig = Rig(fire_sandbox, tmp_path / "ledger")
    rig.record(2)
    rig.book.begin_sheet(2)
    loop.call(rig.book.record_sheet, iter(rig.rows(2)))
    opus = opus_nb.connect("sandbox", base_url=fire_sandbox.base_url, ledger=rig.folder, settle_s=0.1, timeout_s=1.0)
    opus.client.wire.patience = Patience(first_wait_s=0.01, longest_wait_s=0.04)
    yield rig, opus
    opus.close()
    rig.close()


WORKFLOW_FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("lost", "lost_after", {}),
    ("429-header", "rate_limited", {"style": "header", "retry_after_s": 0}),
    ("429-body", "rate_limited", {"style": "body", "retry_after_s": 0}),
    ("500", "error", {"status": 500}),
    ("502-html", "error", {"status": 502, "html": True}),
    ("timeout", "slow", {"before_s": 1.2}),
]


@pytest.mark.parametrize(("kind", "parts"), [each[1:] for each in WORKFLOW_FAULTS],
                         ids=[f"workflow-{each[0]}" for each in WORKFLOW_FAULTS])  # fmt: skip
def test_workflow_is_read_again(unfinished: Any, kind: str, parts: dict[str, Any]) -> None:
    """Reading the workflow repeats like every read; the run then goes on."""
    rig, opus = unfinished
    fault = rig.sandbox.fault("workflow", kind, times=1, **parts)
    opus.open_run("fire", progress="off").wait(timeout_s=20)
    assert fault.fired == 1
    rig.assert_once(2)


def test_workflow_never_sent(unfinished: Any) -> None:
    """No connection at first: asked again."""
    from fire_making import put_door

    rig, opus = unfinished
    put_door(opus.client.wire).shut["workflow"] = [httpx.ConnectError, httpx.PoolTimeout]
    opus.open_run("fire", progress="off").wait(timeout_s=20)
    rig.assert_once(2)


@pytest.mark.parametrize(("status", "error"), [(401, ServiceKeyRefused), (403, ServiceKeyRefused), (404, NotFound)],
                         ids=["workflow-401", "workflow-403", "workflow-404"])  # fmt: skip
def test_workflow_4xx(unfinished: Any, status: int, error: type[OpusError]) -> None:
    """Nothing is sent for a workflow that cannot be read; when it can be, the run goes on."""
    rig, opus = unfinished
    rig.sandbox.fault("workflow", "error", status=status)
    with pytest.raises(error):
        opus.open_run("fire", progress="off")
    assert rig.books()["initiations"] == 0
    rig.sandbox.faults_clear()
    opus.open_run("fire", progress="off").wait(timeout_s=20)
    rig.assert_once(2)


# -- killed before and after each request -----------------------------------------------------------------

KILLED = [*REQUESTS, "workflow"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("request_", KILLED, ids=[f"{each}-killed" for each in KILLED])
def test_killed(
    fire_sandbox: Sandbox, tmp_path: Path, letter: Path, nursery: Nurseries, request_: str, when: str
) -> None:
    """SIGKILL just before or just after each of these requests; the next process finishes, buying nothing again."""
    rig = rig_for(request_, fire_sandbox, tmp_path)
    order = {
        "folder": str(rig.folder),
        "base_url": rig.base_url,
        "workflow": rig.definition.id,
        "rows": 2,
        "letter": str(letter) if rig.definition is letter_fire else None,
    }

    def kill_at(nth: int) -> bool:
        here = {**order, "folder": str(tmp_path / f"{when}-{nth}" / "ledger")}
        survived = nursery.bear(**here, kill={"endpoint": request_, "nth": nth, "when": when}) is not None
        assert nursery.bear(**here) is not None
        child = Rig(fire_sandbox, Path(here["folder"]), definition=rig.definition)
        child.assert_once(2)
        child.close()
        return survived

    if request_ == "search":
        # Every first answer is lost, so that each child searches.
        fire_sandbox.fault("initiate", "lost_after")
    try:
        assert nursery.until_survived(kill_at) > 1
    finally:
        rig.close()
