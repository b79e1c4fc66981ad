from typing import ClassVar

from ..load import Result
from .base import Measure, Scale, Stand, Target, Turn


class SignedIn(Measure):
    """A GET with an access token, of an account that organizes thirty events."""

    unit = "req/s"
    targets = (Target(2, of="fastapi-lean"),)
    of = ("fastapi-lean", "product")

    def take(self, stand: Stand, scale: Scale) -> Turn:
        contender = stand.contender
        headers = contender.sign_up(stand.port)
        path = contender.signed_in_paths[self.name].format(event_id=contender.create_event(100))
        stand.get(path, requests=100, headers=headers)
        result = stand.get(path, seconds=scale.seconds, headers=headers)
        return Turn(result.per_second, {self.title: result})


class SignedInList(SignedIn):
    name: ClassVar[str] = "signed-in-list"
    title: ClassVar[str] = "list page of 20, signed in"


class SignedInEvent(SignedIn):
    name: ClassVar[str] = "signed-in-event"
    title: ClassVar[str] = "one event, signed in"


class OwnEvents(SignedIn):
    name: ClassVar[str] = "own-events"
    title: ClassVar[str] = "own events"


class Profile(SignedIn):
    name: ClassVar[str] = "me"
    title: ClassVar[str] = "own profile"


class _Filtered(Measure):
    """Lists with a filter, of a guest and signed in."""

    of = ("fastapi-lean", "product")
    queries: ClassVar[tuple[str, ...]]

    def rates(self, stand: Stand, scale: Scale) -> tuple[dict[str, float], dict[str, Result]]:
        """The requests of both in a second, and all loads."""
        contender = stand.contender
        signed_in = contender.sign_up(stand.port)
        paths = {"guest": contender.list_path, "signed in": contender.signed_in_list_path}
        loads, rates = {}, dict.fromkeys(paths, 0.0)
        seconds = scale.seconds / len(self.queries) / 2
        for query in self.queries:
            for who, path in paths.items():
                headers = {} if who == "guest" else signed_in
                stand.get(f"{path}?{query}", requests=100, headers=headers)
                result = stand.get(f"{path}?{query}", seconds=seconds, headers=headers)
                loads[f"{query}, {who}"] = result
                rates[who] += result.per_second
        return rates, loads


class SignedInCategory(_Filtered):
    name: ClassVar[str] = "signed-in-category"
    title: ClassVar[str] = "list of a category, signed in"
    unit = "req/s"
    targets = (Target(2, of="fastapi-lean"),)
    queries = ("category=conference",)

    def take(self, stand: Stand, scale: Scale) -> Turn:
        rates, loads = self.rates(stand, scale)
        return Turn(rates["signed in"], loads)


class SignedInSearch(_Filtered):
    name: ClassVar[str] = "signed-in-search"
    title: ClassVar[str] = "search of one and two words, signed in / guest"
    unit = "ratio"
    targets = (Target(0.7),)
    of = ("product",)  # others find other words
    queries = ("search=python", "search=jazz+festival")

    def take(self, stand: Stand, scale: Scale) -> Turn:
        rates, loads = self.rates(stand, scale)
        return Turn(rates["signed in"] / rates["guest"], loads)
