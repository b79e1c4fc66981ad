from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from .base import Measure, Scale, Stand, Turn


class SignInFlood(Measure):
    """What others wait for the list while eight connections sign in without a pause.

    The server may refuse sign-ins that it has no capacity for.
    """

    name: ClassVar[str] = "sign-in-flood"
    title: ClassVar[str] = "list page while 8 connections sign in, median"
    unit = "ms"
    targets = ()
    of = ("product",)

    def take(self, stand: Stand, scale: Scale) -> Turn:
        path, body = stand.contender.sign_in_request()
        with ThreadPoolExecutor(1) as pool:
            flood = pool.submit(
                stand.write, path, body, seconds=scale.seconds, headers={}, may_refuse=True
            )
            result = stand.get(
                stand.contender.list_path, connections=1, seconds=scale.seconds * 0.8
            )
        return Turn(result.p50_ms, {self.title: result, "sign in": flood.result()})
