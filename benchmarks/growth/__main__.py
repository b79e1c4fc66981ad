"""`python -m benchmarks.growth`: the same requests on databases of several sizes, in turns.

With DATABASE_URL of a superuser, the databases stay there and are used again. Otherwise they are on
a private server that is gone afterwards. A million events with five million registrations take
about 7 GB.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from statistics import median
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from .. import database
from ..contenders import Product
from ..load import ROOT

Costs = dict[str, dict[str, Any]]  # by the title of the request


class Size(NamedTuple):
    events: int
    registrations: int

    def __str__(self) -> str:
        return f"{self.events:,} events, {self.registrations:,} registrations"


DEFAULT_SIZES = [Size(200_000, 1_000_000), Size(1_000_000, 5_000_000)]


def main() -> None:
    options = _options()
    sizes = options.size or DEFAULT_SIZES
    with database.server() as server_url:
        urls = {size: _filled_database(server_url, size) for size in sizes}
        rounds: dict[Size, list[Costs]] = defaultdict(list)
        for number in range(options.rounds):
            for size, url in urls.items():
                print(f"round {number + 1}: {size}", file=sys.stderr, flush=True)
                rounds[size].append(json.loads(_run(url, "requests")))
    costs = {size: _medians(of_rounds) for size, of_rounds in rounds.items()}
    print(_table(costs))
    for size in sizes:
        print(f"\n{size}: rows that one request reads\n\n{_scans(costs[size])}")


def _filled_database(server_url: str, size: Size) -> str:
    """The URL of the database of this size, which is filled if there is none."""
    name = f"growth_{size.events}_{size.registrations}"
    url = urlsplit(server_url)._replace(path=f"/{name}").geturl()
    with psycopg.connect(server_url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') = 'filled' FROM pg_database"
            " WHERE datname = %s",
            [name],
        ).fetchone()
        if row == (True,):
            return url
        quoted = sql.Identifier(name)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(quoted))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(quoted))
        print(size, file=sys.stderr, flush=True)
        Product(url).create_tables()
        _run(url, "filling", str(size.events), str(size.registrations))
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS 'filled'").format(quoted))
    return url


def _run(url: str, module: str, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.growth.{module}", *arguments],
        cwd=ROOT,
        env={**os.environ, **Product(url).environment()},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def _medians(rounds: list[Costs]) -> Costs:
    """Times are medians of the rounds. Plans and pages are those of the last one."""
    return {
        title: cost
        | {
            name: median(costs[title][name] for costs in rounds)
            for name in ("elapsed_ms", "processor_ms")
        }
        for title, cost in rounds[-1].items()
    }


def _table(costs: dict[Size, Costs]) -> str:
    """As Markdown. The last column is the processor time on the last size through the first."""
    sizes = list(costs)
    first, last = costs[sizes[0]], costs[sizes[-1]]
    titles = [f"{size}: ms, processor ms, pages" for size in sizes]
    lines = [" | ".join(["| request", *titles, "growth |"]), "|---" * (len(titles) + 2) + "|"]
    for title in first:
        cells = [
            f"{cost[title]['elapsed_ms']:.1f}, {cost[title]['processor_ms']:.1f},"
            f" {cost[title]['pages']:,}"
            for cost in costs.values()
        ]
        growth = last[title]["processor_ms"] / first[title]["processor_ms"]
        lines.append(" | ".join([f"| {title}", *cells, f"{growth:.2f} |"]))
    return "\n".join(lines)


def _scans(costs: Costs) -> str:
    return "\n".join(f"- {title}: {'; '.join(cost['scans'])}" for title, cost in costs.items())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument(
        "--size", type=_size, action="append", metavar="EVENTS:REGISTRATIONS", help="several"
    )
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _size(text: str) -> Size:
    events, registrations = text.split(":")
    return Size(int(events), int(registrations))


if __name__ == "__main__":
    main()
