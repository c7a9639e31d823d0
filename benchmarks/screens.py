"""P9: what the live monitor costs at a thousand events a second."""

from __future__ import annotations

import contextlib
import io
import random
import time
from unittest.mock import patch

from benchmarks.table import Row, Scale, at_most
from opus_nb.job import JobEvent, RowState
from opus_nb.screen.controls import Controls
from opus_nb.screen.environment import probe
from opus_nb.screen.monitor import Monitor
from opus_nb.screen.tally import Tally

EVENTS_A_SECOND = 1000
_WAY = [RowState.PLANNED, RowState.INITIATING, RowState.EXECUTING, RowState.RUNNING, RowState.COMPLETED]


def measure(scale: Scale) -> list[Row]:
    """Feed a tally at a steady pace, with the monitor open and without."""
    import ipywidgets

    seconds = scale.pick(10, 1)
    sent: list[float] = []
    original = ipywidgets.Widget._send

    def counted(self: ipywidgets.Widget, *given: object, **named: object) -> object:
        sent.append(time.monotonic())
        return original(self, *given, **named)

    over: list[bool] = []
    with patch.object(ipywidgets.Widget, "_send", counted), contextlib.redirect_stdout(io.StringIO()):
        alone = _feed(_tally(), seconds)
        tally = _tally()
        monitor = Monitor(
            title="measured", tally=tally, controls=Controls(is_over=lambda: bool(over)), environment=probe()
        )
        monitor.show()
        sent.clear()
        shown = _feed(tally, seconds)
        rate = len(sent) / seconds
        over.append(True)
        monitor.close()
    note = f"{EVENTS_A_SECOND} events a second over 20,000 rows for {seconds} s; CPU beyond what counting them takes"
    return [
        at_most("P9", "widget messages a second", 10, rate, digits=1, note=note),
        at_most("P9", "CPU of the monitor, of one core", 1.0, max(0.0, 100 * (shown - alone) / seconds), unit=" %"),
    ]


def _tally() -> Tally:
    return Tally({}, total=20_000)


def _feed(tally: Tally, seconds: int) -> float:
    """Give it events as a run does; return the CPU seconds that passed."""
    draw = random.Random(1)
    at = [0] * 20_000
    began, cpu = time.monotonic(), time.process_time()
    for tick in range(seconds * 20):
        for _ in range(EVENTS_A_SECOND // 20):
            position = draw.randrange(len(at))
            step = at[position] = min(at[position] + 1, len(_WAY) - 1)
            tally.observe(JobEvent(position, str(position), 1, _WAY[step], _WAY[step - 1], time.time(), job_id="1"))
        time.sleep(max(0.0, began + (tick + 1) / 20 - time.monotonic()))
    return time.process_time() - cpu
