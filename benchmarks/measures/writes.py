"""What accounts write."""

from typing import ClassVar

from ..load import NUMBER, Result, fetch
from .accept import NEVER_FULL
from .base import Measure, Scale, Stand, Target, Turn

# Each request changes the description.
_EDIT_BODY = f'{{"description": "Talks and demos in room {NUMBER}."}}'


class Create(Measure):
    """With the audit, the log of changes and the search index. The event is public at once."""

    name: ClassVar[str] = "create"
    title: ClassVar[str] = "create an event"
    unit = "req/s"
    targets = (Target(1.5, of="fastapi-lean"),)
    of = ("fastapi-lean", "product")

    def take(self, stand: Stand, scale: Scale) -> Turn:
        contender = stand.contender
        headers = contender.sign_up(stand.port)
        path, body = contender.signed_in_list_path, contender.create_body
        stand.write(path, body, seconds=scale.seconds / 10, headers=headers)
        result = stand.write(path, body, seconds=scale.seconds, headers=headers)
        return Turn(result.per_second, {self.title: result})


class _Edit(Measure):
    """A new description of one event, without attendees and with many."""

    of = ("fastapi-lean", "product")

    def loads(self, stand: Stand, scale: Scale) -> dict[str, Result]:
        contender = stand.contender
        contender.remove_registrations()
        headers = contender.sign_up(stand.port)
        own = fetch(stand.port, contender.signed_in_paths["own-events"], headers=headers)
        event_id = own["results"][0]["id"]
        path = contender.signed_in_paths["edit"].format(event_id=event_id)
        loads = {}
        for crowd in (0, scale.crowd):
            if crowd:
                contender.add_registrations(event_id, crowd)
            stand.settle()
            loads[f"edit of an event with {crowd:,} attendees"] = stand.write(
                path, _EDIT_BODY, seconds=scale.seconds / 2, headers=headers, method="PATCH"
            )
        return loads


class Edit(_Edit):
    name: ClassVar[str] = "edit"
    title: ClassVar[str] = "edit an event with a crowd"
    unit = "req/s"
    targets = (Target(1.5, of="fastapi-lean"),)

    def take(self, stand: Stand, scale: Scale) -> Turn:
        loads = self.loads(stand, scale)
        _, crowded = loads.values()
        return Turn(crowded.per_second, loads)


class CrowdedEdit(_Edit):
    name: ClassVar[str] = "crowded-edit"
    title: ClassVar[str] = "edit with a crowd / without"
    unit = "ratio"
    targets = (Target(0.9),)

    def take(self, stand: Stand, scale: Scale) -> Turn:
        empty, crowded = self.loads(stand, scale).values()
        return Turn(crowded.per_second / empty.per_second, {})


class RegisterSignedIn(Measure):
    """An account registers others at one event that never fills."""

    name: ClassVar[str] = "signed-in-register"
    title: ClassVar[str] = "register, signed in"
    unit = "req/s"
    targets = ()
    of = ("fastapi-lean", "product")

    def take(self, stand: Stand, scale: Scale) -> Turn:
        contender = stand.contender
        headers = contender.sign_up(stand.port)
        stand.clear()
        event_id = stand.open_event(NEVER_FULL)
        path = contender.signed_in_paths["register"].format(event_id=event_id)
        body = contender.register_body
        result = stand.write(path, body, seconds=scale.seconds, headers=headers)
        stand.check_seats(event_id, result.statuses["201"])
        return Turn(result.per_second, {self.title: result})
