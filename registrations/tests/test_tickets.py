"""Tickets as images."""

import io

import pytest
import segno
from PIL import Image

from registrations.tickets import ticket_png


@pytest.mark.parametrize("code", ["MZXW6YTBOI2DKNRX", "A" * 26, "0", "ö" * 20])
def test_ticket_has_the_pixels_of_the_library(code):
    expected = io.BytesIO()
    segno.make_qr(code, error="m", mask=0).save(
        expected, kind="png", scale=8, border=4, light="#fff"
    )

    with Image.open(io.BytesIO(ticket_png(code))) as ticket, Image.open(expected) as reference:
        ticket.load()  # checks the sums of all chunks

        assert ticket.mode == "1"
        assert ticket.size == reference.size
        assert ticket.convert("L").tobytes() == reference.convert("L").tobytes()
