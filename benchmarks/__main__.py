"""`python -m benchmarks`: measures everything, prints one table. It measures, it does not judge:
the exit code says whether something broke, not whether a target was met."""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from . import database, plots, report, servers
from .contenders import CONTENDERS, Small
from .load import Job, Result, drive
from .measures import MEASURES, Measure, Scale, Stand, Turn
from .tools import pgbench_rate

QUICK = Scale(
    rounds=1,
    seconds=1,
    sale_requests=1000,
    sale_seats=200,
    crowd=10_000,
    events=20_000,
    few_events=2_000,
)
Taken = Mapping[Measure, Mapping[str, Sequence[Turn]]]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    options = _options()
    scale = QUICK if options.quick else Scale(options.rounds, options.seconds)
    if options.events:
        scale = replace(scale, events=options.events)
    chosen = [measure for measure in MEASURES if measure.name in (options.only or measure.name)]
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    with (
        database.server() as server_url,
        database.scratch_database(server_url) as database_url,
        database.scratch_database(server_url) as small_database_url,
    ):
        taken, facts = measure_all(database_url, small_database_url, chosen, scale)
    medians = f"Medians over the rounds ({scale.rounds}); only ratios within one run count."
    tables = [report.medians_table(taken), report.loads_table(taken)]
    text = "\n\n".join([facts, medians, *tables])
    print(f"\n{text}")
    if options.save:
        options.save.parent.mkdir(parents=True, exist_ok=True)
        options.save.write_text(f"{text}\n", encoding="utf-8")
    if options.plots:
        plots.save_plots(taken, options.plots)


def measure_all(
    database_url: str, small_database_url: str, measures: Sequence[Measure], scale: Scale
) -> tuple[Taken, str]:
    """The turns by measure and contender, and under which conditions."""
    ceiling = _ceiling(scale)
    wanted = {name for measure in measures for name in measure.of}
    wanted |= {"fastapi"} if "fastapi-lean" in wanted else set()  # makes the tables of both
    with contextlib.ExitStack() as stack:
        stands: dict[str, Stand] = {}
        for contender_class in CONTENDERS:
            if contender_class.name not in wanted:
                continue
            is_small = contender_class is Small
            contender = contender_class(small_database_url if is_small else database_url)
            number = min(scale.few_events, scale.events) if is_small else scale.events
            _say(f"{contender.name}: {number:,} events")
            contender.create_tables()
            contender.create_events(number)
            server = servers.running(
                contender.application, contender.environment(), contender.interface
            )
            port, pid = stack.enter_context(server)
            stands[contender.name] = Stand(contender, port, pid)
        for url in (database_url, small_database_url):
            database.settle(url)
        web_command = servers.command("…", {**os.environ, "PORT": "…"})
        facts = report.facts(database_url, web_command, ceiling)
        if "bare" in stands:
            facts += f"\n- {_pgbench(stands['bare'], scale)}"
        taken = {
            measure: _take(measure, [stands[name] for name in stands if name in measure.of], scale)
            for measure in measures
        }
    return taken, facts


def _pgbench(stand: Stand, scale: Scale) -> str:
    event_id = stand.open_event(100_000_000)
    rate = pgbench_rate(stand.contender.database_url, event_id, scale.seconds)
    if rate is None:
        return "pgbench is not here, so the statement alone was not measured"
    return f"pgbench, bare's statement on one hot event, 8 clients: {rate:,.0f} a second"


def _take(measure: Measure, stands: Sequence[Stand], scale: Scale) -> dict[str, list[Turn]]:
    """In alternating rounds, so that a slow minute of the machine hits all of them."""
    turns: dict[str, list[Turn]] = {stand.contender.name: [] for stand in stands}
    for round_number in range(1, scale.rounds + 1):
        for stand in stands:
            turn = measure.take(stand, scale)
            turns[stand.contender.name].append(turn)
            _say(
                f"{measure.name}, round {round_number}, {stand.contender.name}: "
                f"{turn.value:,.2f} {measure.unit}"
            )
    return turns


def _ceiling(scale: Scale) -> Result:
    """What the load generator reaches when the application does nothing."""
    with servers.running("benchmarks.empty:application", {}) as (port, _):
        slices = max(1, round(scale.seconds))
        return drive(Job(port, "/", body="{}", seconds=scale.seconds, slices=slices))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=_positive(int), default=Scale.rounds)
    parser.add_argument("--seconds", type=_positive(float), default=Scale.seconds, help="of a load")
    parser.add_argument("--events", type=_positive(int), help=f"default: {Scale.events:,}")
    parser.add_argument("--quick", action="store_true", help="one small round: does it work?")
    names = [measure.name for measure in MEASURES]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=str(names))
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the tables there too")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="write bars as SVG there")
    return parser.parse_args()


def _positive(kind: Any) -> Any:
    def parse(text: str) -> Any:
        if (value := kind(text)) <= 0:
            raise argparse.ArgumentTypeError("must be more than 0")
        return value

    return parse


def _interrupt(number: int, frame: object) -> NoReturn:
    """Once: what follows is cleaning up, and that must not be interrupted."""
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
