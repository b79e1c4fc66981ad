from ..load import Result, merged
from .accept import CONNECTIONS, NEVER_FULL
from .base import Measure, Scale, Stand, Target, Turn

_ADDRESSES_PER_SECOND = 100_000  # more than anybody registers


class Crowded(Measure):
    """Accepting where many are registered already, and at an empty event, second by second."""

    name = "crowded"
    title = "accept among many / on an empty event"
    unit = "ratio"
    targets = (Target(0.85),)
    of = ("tutorial", "fastapi", "bare", "product")

    def take(self, stand: Stand, scale: Scale) -> Turn:
        stand.clear()
        crowds = {stand.open_event(NEVER_FULL, crowd): crowd for crowd in (0, scale.crowd)}
        seconds: dict[int, list[Result]] = {event_id: [] for event_id in crowds}
        for number in range(max(1, round(scale.seconds))):
            for event_id, results in seconds.items():
                first_number = number * _ADDRESSES_PER_SECOND
                results.append(
                    stand.register(
                        event_id, connections=CONNECTIONS, seconds=1, first_number=first_number
                    )
                )
        empty, crowded = (merged(results) for results in seconds.values())
        for result, (event_id, crowd) in zip((empty, crowded), crowds.items(), strict=True):
            stand.check_seats(event_id, crowd + result.statuses[stand.contender.accepted])
        return Turn(
            crowded.per_second / empty.per_second,
            {"accept on an empty event": empty, f"accept among {scale.crowd:,}": crowded},
        )
