"""Large responses for clients of any speed.

A client that reads for an hour must not occupy the database or delay other clients. So a file is
read from the database at full speed and buffered in a temporary file. Each open response occupies a
thread of the server, so the number of concurrent responses is limited.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from tempfile import TemporaryFile

from config.api.http.work_slots import FILES

PIECE_BYTES = 128 * 1024
# The size of pieces read from the temporary file. With smaller pieces, passing them between threads
# takes half of the time. Larger ones save little, and each client holds several of them in memory.
FILE_PIECE_BYTES = 512 * 1024


class StreamedPieces(Iterator[bytes]):
    """The pieces of a streamed response.

    The constructor reads the first piece, so that errors occur before the response begins. It
    raises `TemporarilyUnavailable` if too many responses are being streamed. The web server calls
    `close` when the client disconnects, which closes the source of the pieces too.
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
        yield from _buffered(pieces)


def _buffered(pieces: Generator[bytes]) -> Generator[bytes]:
    """Yields the first piece at once, then reads all others before it yields the second."""
    yield next(pieces, b"")
    with TemporaryFile() as file:
        for piece in pieces:
            file.write(piece)
        file.seek(0)
        while piece := file.read(FILE_PIECE_BYTES):
            yield piece
