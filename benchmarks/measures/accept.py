from .base import Measure, Scale, Stand, Target, Turn

NEVER_FULL = 100_000_000  # each contender compares with the limit all the same
CONNECTIONS = 8


class Accept(Measure):
    name = "accept"
    title = "accept on one hot event"
    unit = "req/s"
    targets = (Target(3, of="tutorial"), Target(0.4, of="bare"), Target(1 / 1.2, of="small"))
    of = (*Measure.of, "small")

    def take(self, stand: Stand, scale: Scale) -> Turn:
        stand.clear()
        event_id = stand.open_event(NEVER_FULL)
        result = stand.register(event_id, connections=CONNECTIONS, seconds=scale.seconds)
        stand.check_seats(event_id, result.statuses[stand.contender.accepted])
        return Turn(result.per_second, {self.title: result})
