from .base import Measure, Scale, Stand, Target, Turn, WrongAnswer

CONNECTIONS = 64


class FlashSale(Measure):
    name = "flash-sale"
    title = "flash sale"
    unit = "req/s"
    targets = (Target(4, of="fastapi"), Target(0.5, of="bare"))

    def take(self, stand: Stand, scale: Scale) -> Turn:
        seats, requests = scale.sale_seats, scale.sale_requests
        stand.clear()
        event_id = stand.open_event(seats)
        result = stand.register(
            event_id, connections=CONNECTIONS, requests=requests, may_refuse=True
        )
        contender = stand.contender
        expected = {contender.accepted: seats, contender.refused: requests - seats}
        if result.statuses != expected:
            raise WrongAnswer(f"{contender.name} answered {result.statuses}, not {expected}.")
        stand.check_seats(event_id, seats)
        return Turn(result.per_second, {self.title: result})
