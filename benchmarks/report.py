"""Turns into tables, as Markdown that reads well in a terminal too."""

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from .contenders import CONTENDERS
from .database import server_facts
from .load import Result
from .measures import Measure, Target, Turn

NAMES = [contender.name for contender in CONTENDERS]

Turns = Mapping[str, Sequence[Turn]]  # by contender, in the order of the rounds


def medians_table(taken: Mapping[Measure, Turns]) -> str:
    rows = [row for measure, turns in taken.items() for row in _median_rows(measure, turns)]
    return table(["measure", *NAMES, "target", "reached", "met?"], rows)


def _median_rows(measure: Measure, turns: Turns) -> Iterable[list[str]]:
    values = {name: median(turn.value for turn in turns[name]) for name in turns}
    shown = [_number(values[name]) if name in values else "" for name in NAMES]
    cells = [f"{measure.title}, {measure.unit}", *shown]
    if not measure.targets:
        yield [*cells, "", "", ""]
    for index, target in enumerate(measure.targets):
        yield [*(cells if index == 0 else [""] * len(cells)), *_verdict(target, values)]


def _verdict(target: Target, values: Mapping[str, float]) -> list[str]:
    sign = "≤" if target.at_most else "≥"
    wanted = f"{sign} {target.factor:.3g}" + (f" of {target.of}" if target.of else "")
    return [wanted, _number(target.reached(values)), "yes" if target.is_met(values) else "no"]


def loads_table(taken: Mapping[Measure, Turns]) -> str:
    """Latencies and status codes: medians over the rounds, the longest and the sums of all."""
    rows = [
        [title, name, *_load_cells([turn.loads[title] for turn in turns[name]])]
        for turns in taken.values()
        for title in next(iter(turns.values()))[0].loads
        for name in turns
        if all(title in turn.loads for turn in turns[name])
    ]
    titles = ["load", "contender", "req/s, each round", "p50 ms", "p99 ms", "max ms", "statuses"]
    return table(titles, rows)


def _load_cells(results: Sequence[Result]) -> list[str]:
    statuses = {
        status: sum(result.statuses.get(status, 0) for result in results)
        for status in sorted({status for result in results for status in result.statuses})
    }
    return [
        " ".join(f"{result.per_second:,.0f}" for result in results),
        f"{median(result.p50_ms for result in results):.1f}",
        f"{median(result.p99_ms for result in results):.1f}",
        f"{max(result.max_ms for result in results):.0f}",
        " ".join(f"{status}: {number:,}" for status, number in statuses.items()),
    ]


def facts(database_url: str, web_command: Sequence[str], ceiling: Result) -> str:
    server = server_facts(database_url)
    version = server.pop("server_version").split()[0]
    settings = ", ".join(f"{name} {value}" for name, value in server.items())
    load_average = ", ".join(f"{minutes:.1f}" for minutes in os.getloadavg())
    lines = [
        f"{os.cpu_count()} cores, {_cpu_model()}, {platform.system()} {platform.release()}",
        f"load average: {load_average}",
        f"PostgreSQL {version} ({settings}); Python {platform.python_version()}",
        f"web server of each: {' '.join(web_command)}",
        f"an empty application under the same server and load: {ceiling.per_second:,.0f} req/s",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _cpu_model() -> str:
    """As Linux knows it; elsewhere the architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ["| " + " | ".join(map(str.ljust, cells, widths)) + " |" for cells in lines]
    ruler = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([padded[0], ruler, *padded[1:]])
