from typing import ClassVar

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
