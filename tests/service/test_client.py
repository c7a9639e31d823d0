"""One coroutine per endpoint, in both families: what is sent, and what comes back."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import opus_nb
from opus_nb import loop
from opus_nb.errors import NotFound, ReplyUnreadable, RequestRefused, ServiceTrouble, SettingsError
from opus_nb.sandbox import Input, Node, Output, WorkflowDefinition, workflow
from opus_nb.service.api import DownloadAddress, InitiateParameters, JobApi, ResultsReply, UploadAddress
from opus_nb.service.cases import CaseClient
from opus_nb.service.client import Client
from opus_nb.service.exchange import read_download, segment
from opus_nb.service.wire import Patience


def echo(generation: str) -> WorkflowDefinition:
    """A text comes back in capitals."""

    @workflow(
        f"Echo {generation}",
        inputs=[Input("Text", name="text")],
        outputs=[Output("Loud")],
        nodes=[Node("Shout", seconds=0.01)],
        generation=generation,
        quick=True,
    )
    def shout(text: str) -> dict[str, Any]:
        return {"Loud": text.upper()}

    return shout


@pytest.fixture(scope="module")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[opus_nb.Opus]:
    definitions = [echo("v1"), echo("v2"), echo("cases")]
    with opus_nb.sandbox(definitions, time_scale=0.01, ledger=tmp_path_factory.mktemp("ledger")) as connection:
        connection.client.wire.patience = Patience(first_wait_s=0.001, longest_wait_s=0.01)
        yield connection


def ask(coroutine: Any) -> Any:
    """Await one coroutine on a loop of the test's own."""

    async def main() -> Any:
        return await coroutine

    return asyncio.run(main())


@pytest.mark.parametrize("generation", ["v1", "v2", "cases"])
def test_one_job_from_its_workflow_to_its_audit(opus: opus_nb.Opus, generation: str) -> None:
    """The whole way of a job, awaited from any loop, in plain records."""
    client: JobApi = opus.cases if generation == "cases" else opus.client
    workflow_id = echo(generation).id
    record = ask(client.fetch_workflow(workflow_id))
    assert (record.name, [each.display_name for each in record.inputs]) == (f"Echo {generation}", ["Text"])
    job_id = ask(client.send_initiate(InitiateParameters(workflow_id), title="One", description=""))
    assert ask(client.fetch_status(job_id)).name == "pending"
    assert ask(client.fetch_results(job_id)) is None
    payload = {"text": {"value": "abc", "type": "str", "displayName": "Text"}}
    ask(client.send_execute(job_id, payload))
    while not ask(client.fetch_status(job_id)).is_end:
        pass
    reply = ask(client.fetch_results(job_id))
    assert isinstance(reply, ResultsReply)
    assert "ABC" in reply.text
    assert "Shout" in str(ask(client.fetch_audit(job_id)))
    detail = ask(client.fetch_detail(job_id))
    assert detail is None if generation == "cases" else detail["title"] == "One"
    found = ask(client.find_jobs("One"))
    assert found is None if generation == "cases" else job_id in found


@pytest.mark.parametrize("family", ["client", "cases"])
def test_an_upload_in_both_families(opus: opus_nb.Opus, family: str) -> None:
    """An address, then the bytes; the name is what a job refers to."""
    client: Any = getattr(opus, family)
    address = ask(client.request_upload(".txt", workflow_id=echo("v2").id))
    assert isinstance(address, UploadAddress)
    url = ask(client.send_file(b"hello", name="a/b/letter.TXT", workflow_id=echo("v2").id))
    assert url.startswith("https://files.opus.com/media/private/uploaded/")
    assert url.endswith(".txt")


def test_scopes_are_checked_before_anything_is_sent(opus: opus_nb.Opus) -> None:
    """The job routes know four; the case routes two, so that others travel as the default there."""
    before = opus.sandbox.books()["requests"]
    with pytest.raises(SettingsError, match="all, user, workspace, organization"):
        ask(opus.client.request_upload(".txt", workflow_id="x", access_scope="everybody"))
    assert opus.sandbox.books()["requests"] == before
    assert ask(opus.cases.request_upload(".txt", workflow_id=echo("v2").id, access_scope="organization"))


def test_files_kinds_that_opus_refuses(opus: opus_nb.Opus) -> None:
    """The service's own words come through."""
    with pytest.raises(RequestRefused, match="must be one of the following values"):
        ask(opus.client.send_file(b"x", name="a.webp", workflow_id=echo("v2").id))


def test_lists_are_read_page_by_page(opus: opus_nb.Opus) -> None:
    """A hundred at a time, no more than asked for, and no page twice."""
    for _ in range(205):
        ask(opus.client.send_initiate(InitiateParameters(echo("v2").id), title="many", description=""))
    before = opus.sandbox.books()["calls"].get("search", 0)
    found = ask(opus.client.search_jobs(query="many"))
    assert len({each["jobExecutionId"] for each in found}) == 205
    assert opus.sandbox.books()["calls"]["search"] == before + 3
    assert len(ask(opus.client.search_jobs(query="many", limit=7))) == 7


def test_routes_that_are_not_there(opus: opus_nb.Opus) -> None:
    """A list of workflows may be empty; a search that is gone is an error for who asks, and nothing for the engine."""
    opus.sandbox.fault("list", "error", status=404, message="Cannot GET /workflow/private", times=1)
    assert ask(opus.client.fetch_workflows()) == []
    opus.sandbox.fault("search", "error", status=404, message="Cannot GET /job/search", times=1)
    with pytest.raises(NotFound):
        ask(opus.client.search_jobs())


@pytest.mark.parametrize("status", [404, 405])
@pytest.mark.parametrize("html", [True, False], ids=["page", "json"])
def test_a_search_that_is_not_there_is_asked_once(opus: opus_nb.Opus, status: int, html: bool) -> None:
    """No answer is not an empty one; the route is not asked again until it has answered somebody."""
    ask(opus.client.search_jobs(limit=1))
    opus.sandbox.fault("search", "error", status=status, html=html, times=1)
    before = opus.sandbox.books()["calls"]["search"]
    assert [ask(opus.client.find_jobs("no such words")) for _ in range(3)] == [None] * 3
    assert opus.sandbox.books()["calls"]["search"] == before + 1
    ask(opus.client.search_jobs(limit=1))
    assert ask(opus.client.find_jobs("no such words")) == []


def test_a_search_in_trouble_is_no_answer_either(opus: opus_nb.Opus) -> None:
    """A 5xx is raised, and asked again the next time."""
    opus.sandbox.fault("search", "error", status=503, times=5)
    with pytest.raises(ServiceTrouble):
        ask(opus.client.find_jobs("no such words"))
    assert ask(opus.client.find_jobs("no such words")) == []


def test_the_placeholder_is_learned_per_family(opus: opus_nb.Opus) -> None:
    """Once the server insisted on a ``callbackUrl``, it is sent at once; a second refusal is told."""
    opus.sandbox.options.insists_on_callback = True
    payload = {"text": {"value": "abc", "type": "str", "displayName": "Text"}}
    try:
        for expected in (2, 1):
            job_id = ask(opus.client.send_initiate(InitiateParameters(echo("v2").id), title="c", description=""))
            before = opus.sandbox.books()["calls"].get("execute", 0)
            ask(opus.client.send_execute(job_id, payload))
            assert opus.sandbox.books()["calls"]["execute"] == before + expected
        opus.sandbox.fault("execute", "error", status=400, message=["callbackUrl must be a URL address"], times=1)
        with pytest.raises(RequestRefused, match="callbackUrl"):
            ask(opus.client.send_execute(job_id, payload))
    finally:
        opus.sandbox.options.insists_on_callback = False


def test_reading_a_download_address() -> None:
    """Wrapped or not; without one it is an error that names keys only."""
    assert read_download({"data": {"presignedUrl": "https://x/y?s=1", "contentLength": "12"}}) == (
        "https://x/y?s=1",
        12,
        None,
    )
    assert "sig=secret" not in repr(DownloadAddress("https://x/y?sig=secret", 3))
    with pytest.raises(ReplyUnreadable, match="keys: url") as caught:
        read_download({"url": "https://x/y?sig=secret"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("word", ["../../users", "a/b", "a?b=1", "a#b", "%2e"])
def test_no_id_leaves_its_segment(opus: opus_nb.Opus, word: str) -> None:
    """Whatever stands in an id is one segment of a path, and asks for nothing else."""
    assert not set("/?#") & set(segment(word))
    with pytest.raises(NotFound):
        ask(opus.client.fetch_status(word))


def test_both_families_speak_the_one_protocol() -> None:
    """Same names, same parameters, for everything that the engine may ask."""
    steps = [name for name, each in vars(JobApi).items() if inspect.iscoroutinefunction(each)]
    assert len(steps) == 10
    for family in (Client, CaseClient):
        for name in steps:
            asked, given = inspect.signature(getattr(JobApi, name)), inspect.signature(getattr(family, name))
            assert list(asked.parameters) == list(given.parameters), (family, name)


def test_every_coroutine_says_which_page_it_follows() -> None:
    """``opus.client`` documents what it sends."""
    public = [each for name, each in vars(Client).items() if inspect.iscoroutinefunction(each) and name[0] != "_"]
    assert [each.__name__ for each in public if "Source\n" not in (each.__doc__ or "")] == []


def test_bodies_of_initiate_stay_as_small_as_can_be() -> None:
    """What was not given is not sent, and the words are the page's own."""
    assert InitiateParameters("B9uGJfZ3CFwOdMKH").body("T", "") == {
        "workflowId": "B9uGJfZ3CFwOdMKH", "title": "T", "description": "", "source": "api",
    }  # fmt: skip
    everything = InitiateParameters(
        "w", "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002", 3, "u", "manual",
        ("a", "b"), {"k": 1}, "app",
    )  # fmt: skip
    assert everything.body("T", "D") == {
        "workflowId": "w", "referenceEntityId": "00000000-0000-4000-8000-000000000001",
        "workflowVersionId": "00000000-0000-4000-8000-000000000002", "workflowVersionNumber": 3, "title": "T",
        "description": "D", "refUserId": "u", "source": "manual", "workspaces": "a,b", "initialInput": {"k": 1},
        "webAppId": "app",
    }  # fmt: skip


def test_a_wire_can_be_closed_and_used_again(opus: opus_nb.Opus) -> None:
    """Nothing but the connections goes."""
    loop.call(opus.client.wire.aclose)
    assert ask(opus.client.fetch_workflows())
