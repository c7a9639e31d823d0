"""The pump: widget messages are served, everything else keeps its place in the queue."""

from __future__ import annotations

import queue
import sys
import threading
from types import SimpleNamespace

import pytest

from opus_nb.screen.pump import buttons_act, pump


class FakeSession:
    """Messages are plain (type, number) pairs."""

    def feed_identities(self, frames, copy):
        return [], frames

    def deserialize(self, frames, content, copy):
        return {"header": {"msg_type": frames[0]}}


class FakeKernel:
    """As much of ipykernel 6 as the pump touches."""

    def __init__(self, *messages):
        self.msg_queue = queue.Queue()
        self.session = FakeSession()
        self.shell_stream = SimpleNamespace(flush=self.flush)
        self._parent_ident = {"shell": "ident"}
        self.parent = "the cell"
        self.served = []
        self.on_the_wire = list(messages)

    def flush(self, flag):
        for at, message in enumerate(self.on_the_wire):
            self.msg_queue.put_nowait((at, self.dispatch, ((message, at),)))
        self.on_the_wire = []

    async def dispatch(self, message):
        self.parent = message
        if message[0] == "comm_close":
            raise KeyboardInterrupt
        self.served.append(message)

    def get_parent(self, channel):
        return self.parent

    def set_parent(self, ident, parent):
        assert ident == "ident"
        self.parent = parent

    @property
    def queued(self):
        return [entry[2][0] for entry in self.msg_queue.queue]


@pytest.fixture
def put_in(monkeypatch):
    import IPython

    def put(kernel, version=(6, 31, 0)):
        monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=kernel))
        monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace(version_info=version))
        return kernel

    return put


def test_presses_are_served_and_cells_keep_their_order(put_in):
    """Of a mixed queue only the widget messages run; queued cells stay, in order, and the cell keeps its parent."""
    kernel = put_in(FakeKernel("execute_request", "comm_msg", "execute_request", "comm_open", "complete_request"))
    assert pump() is True
    assert [kind for kind, _ in kernel.served] == ["comm_msg", "comm_open"]
    assert kernel.queued == [("execute_request", 0), ("execute_request", 2), ("complete_request", 4)]
    assert kernel.parent == "the cell"


def test_an_interrupt_in_the_middle_loses_no_cell(put_in):
    """An interrupt during a handler goes on up, with every other message back in the queue."""
    kernel = put_in(FakeKernel("execute_request", "comm_close", "execute_request", "comm_msg"))
    with pytest.raises(KeyboardInterrupt):
        pump()
    assert kernel.queued == [("execute_request", 0), ("execute_request", 2), ("comm_msg", 3)]
    assert kernel.parent == "the cell"


def test_a_message_that_cannot_be_read_is_left_alone(put_in, monkeypatch):
    """Unknown things stay queued for the kernel."""
    kernel = put_in(FakeKernel("comm_msg"))
    monkeypatch.setattr(kernel.session, "deserialize", lambda *_, **__: 1 / 0)
    assert pump() is True
    assert kernel.queued == [("comm_msg", 0)]


def test_newer_kernels_are_never_touched(put_in):
    """From ipykernel 7 on the socket belongs to another thread."""
    kernel = put_in(FakeKernel("comm_msg"), version=(7, 0, 1))
    assert pump() is False
    assert len(kernel.on_the_wire) == 1


def test_only_the_main_thread_pumps(put_in):
    """The kernel's handlers set signals, which other threads cannot."""
    kernel = put_in(FakeKernel("comm_msg"))
    said = []
    thread = threading.Thread(target=lambda: said.append(pump()))
    thread.start()
    thread.join()
    assert said == [False]
    assert len(kernel.on_the_wire) == 1


def test_no_kernel_no_pump(put_in):
    """In a script there is nothing to serve."""
    put_in(None)
    assert pump() is False


@pytest.mark.parametrize(
    ("version", "wait", "awaiting"),
    [((6, 17, 1), True, True), ((7, 0, 1), None, None), ((7, 3, 0), None, None), ((7, 4, 0), False, True)],
)
def test_what_buttons_can_do_while_a_cell_is_held(put_in, version, wait, awaiting):
    """The measured matrix: 6 by the pump, 7.0 to 7.3 by the front end, 7.4 while awaiting."""
    put_in(FakeKernel(), version=version)
    assert (buttons_act("wait"), buttons_act("await")) == (wait, awaiting)
