"""Large files on their way to readers of any speed.

A reader who takes an hour must cost neither the database nor other clients anything. So a file is
read from the database at once, as fast as that can tell it, and waits in a temporary file; and
since each reader keeps a thread of the server busy, only some of the threads may stream.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from tempfile import TemporaryFile

from config.api.http.work_slots import FILES

PIECE_BYTES = 128 * 1024
# From the file: handing pieces from thread to thread was half of the sending. Larger ones save a
# little more, and cost each reader their size in memory several times.
FILE_PIECE_BYTES = 512 * 1024


class Streamed(Iterator[bytes]):
    """Pieces for a reader; the first is there at once, so that what can go wrong has done so.

    A web server calls `close` when the client is gone, which ends what made the pieces too.
    Raises `TemporarilyUnavailable` when too many are being read.
    """

    def __init__(self, pieces: Generator[bytes]) -> None:
        self._pieces = _with_slot(pieces)
        self._first: bytes | None = next(self._pieces, b"")

    def __next__(self) -> bytes:
        if self._first is None:
            return next(self._pieces)
        first, self._first = self._first, None
        return first

    def close(self) -> None:
        self._pieces.close()


def _with_slot(pieces: Generator[bytes]) -> Generator[bytes]:
    with closing(pieces), FILES.one():
        yield from _read_at_once(pieces)


def _read_at_once(pieces: Generator[bytes]) -> Generator[bytes]:
    """The first piece as soon as it is there, and all the others read before the second is sent."""
    yield next(pieces, b"")
    with TemporaryFile() as file:
        for piece in pieces:
            file.write(piece)
        file.seek(0)
        while piece := file.read(FILE_PIECE_BYTES):
            yield piece
