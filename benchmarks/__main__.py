"""``python -m benchmarks``: one table of ratios, each measured against its peer in the same run."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator

from benchmarks import imports, ledgers, locks, polling, rates, runs, screens, sheets, sizes, wires
from benchmarks.served import pin
from benchmarks.table import Row, Scale, format_rows


def _polling(scale: Scale) -> Iterator[Row]:
    found = list(polling.lines(warm_jobs=scale.pick(4000, 400), seeds=scale.pick(3, 1)))
    if not scale.quick:
        print(polling.table(found), "\n", flush=True)
    for place, (what, measured, holds) in enumerate(polling.verdicts(found)):
        name, _, target = what.rpartition(": ")
        yield Row("P5", name, target, measured, holds, "simulated; python -m benchmarks.polling" if not place else "")


def _elsewhere(_: Scale) -> Iterator[Row]:
    yield Row("R1", "torture: lost, run twice, one id executed twice", "0, 0, 0", "make torture", None)
    yield Row("R2", "the failure matrix, every cell a named test", "72 cells", "make test: tests/fire", None)
    yield Row("R2", "100,000 rows, 60,000 faults, 200 deaths at commits", "0, 0, 0", "make torture-large", None)
    yield Row("R3", "the set of failures that never left, exact", "exact", "make test: tests/fire, tests/service", None)


PARTS: tuple[tuple[str, Callable[[Scale], Iterable[Row]]], ...] = (
    ("P1 P2", wires.measure),
    ("P3", runs.measure_walls),
    ("P4 P8", runs.measure_shares),
    ("P5", _polling),
    ("P6 P7", rates.measure),
    ("P8", ledgers.measure),
    ("P9", screens.measure),
    ("P10 P11", sheets.measure),
    ("P10 P12 P13", sizes.measure),
    ("P14", imports.measure),
    ("R1 R2 R3", _elsewhere),
    ("R4", locks.measure),
)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, and return 0: a target that is missed is a line of the table, not a broken build."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="just enough to see that it runs")
    parser.add_argument("--only", default="", metavar="P5,P6", help="these targets alone")
    given = parser.parse_args(arguments)
    wanted = {each.strip().upper() for each in given.only.split(",") if each.strip()}
    scale = Scale(quick=given.quick)
    pin(1)
    rows: list[Row] = []
    for names, measure in PARTS:
        if wanted and not wanted & set(names.split()):
            continue
        began = time.perf_counter()
        found = list(measure(scale))
        print(f"{names}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        rows.extend(each for each in found if not wanted or each.number in wanted)
    rows.sort(key=lambda each: (each.number[0], int(each.number[1:])))
    print(format_rows(rows))
    if given.quick:
        print("\nQuick mode: this shows that everything runs. The figures mean nothing.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
