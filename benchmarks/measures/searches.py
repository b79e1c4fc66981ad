from statistics import median
from urllib.parse import quote

from ..load import Result
from .base import Measure, Scale, Stand, Target, Turn

# Common words, rare ones, several, none of which is in order, and misspelt ones.
QUERIES = (
    "python", "conference", "berlin", "jazz festival", "istanbul chess", "typography 42",
    "yoga 996 lagos", "photgraphy", "kubernets workshop", "astronmy",
)  # fmt: skip


class Search(Measure):
    """Ten queries one after the other, the best by time; each over HTTP."""

    name = "search"
    title = "search, median of ten queries"
    unit = "ms"
    targets = (Target(5, at_most=True), Target(1.2, of="small", at_most=True))
    of = ("product", "small")

    def take(self, stand: Stand, scale: Scale) -> Turn:
        results = searched(stand, scale)
        return Turn(median(result.p50_ms for result in results.values()), results)


class SlowestSearch(Measure):
    name = "slowest-search"
    title = "search, slowest of ten queries"
    unit = "ms"
    targets = (Target(60, at_most=True),)
    of = ("product", "small")

    def take(self, stand: Stand, scale: Scale) -> Turn:
        results = searched(stand, scale)
        return Turn(max(result.p50_ms for result in results.values()), {})


def searched(stand: Stand, scale: Scale) -> dict[str, Result]:
    requests = max(5, round(4 * scale.seconds))
    return {
        f"search: {query}": stand.get(
            f"{stand.contender.list_path}?search={quote(query)}&ordering=start_time",
            connections=1,
            requests=requests,
        )
        for query in QUERIES
    }
