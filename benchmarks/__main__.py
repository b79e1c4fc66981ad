"""`python -m benchmarks`: measures everything, prints one table. It measures, it does not judge:
the exit code says whether something broke, not whether a target was met."""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import report, servers
from .contenders import CONTENDERS
from .database import scratch_database
from .load import Job, Result, drive
from .measures import MEASURES, Measure, Scale, Stand, Turn

QUICK = Scale(rounds=1, seconds=1, sale_requests=1000, sale_seats=200, crowd=10_000)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    options = _options()
    scale = QUICK if options.quick else Scale(options.rounds, options.seconds)
    chosen = [measure for measure in MEASURES if measure.name in (options.only or measure.name)]
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    with scratch_database() as database_url:
        text = measure_all(database_url, chosen, scale)
    print(f"\n{text}")
    if options.save:
        options.save.write_text(f"{text}\n", encoding="utf-8")


def measure_all(database_url: str, measures: Sequence[Measure], scale: Scale) -> str:
    ceiling = _ceiling(scale)
    with contextlib.ExitStack() as stack:
        stands = []
        for contender in (contender_class(database_url) for contender_class in CONTENDERS):
            _say(f"starting {contender.name}")
            contender.create_tables()
            server = servers.running(contender.application, contender.environment())
            stands.append(Stand(contender, stack.enter_context(server)))
        web_command = servers.command("…", {**os.environ, "PORT": "…"})
        facts = report.facts(database_url, web_command, ceiling)
        taken = {measure: _take(measure, stands, scale) for measure in measures}
    medians = f"Medians over the rounds ({scale.rounds}); only ratios within one run count."
    parts = [facts, medians, report.medians_table(taken), report.loads_table(taken)]
    return "\n\n".join(parts)


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
    with servers.running("benchmarks.empty:application", {}) as port:
        slices = max(1, round(scale.seconds))
        return drive(Job(port, "/", body="{}", seconds=scale.seconds, slices=slices))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=_positive(int), default=Scale.rounds)
    parser.add_argument("--seconds", type=_positive(float), default=Scale.seconds, help="of a load")
    parser.add_argument("--quick", action="store_true", help="one small round: does it work?")
    names = [measure.name for measure in MEASURES]
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=str(names))
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the tables there too")
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
