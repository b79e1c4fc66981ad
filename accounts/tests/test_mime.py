"""Messages as the standard library parses them."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.notifications import mime
from accounts.notifications.composing import Mail
from accounts.notifications.kinds import Attachment

# Of one line: `accounts.notifications.rendering` leaves out controls.
_LINES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=200)


def parsed(content: bytes) -> EmailMessage:
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r")
    return message_from_bytes(content, policy=SMTP)


@given(_LINES)
@example("=?utf-8?q?evil=2Eexample?=")
@example("x" * 990)
@example("Grüße " * 30)
def test_a_header_comes_back_as_it_was(value):
    [(name, text)] = parsed(mime.header("Subject", value.strip()) + b"\r\n").items()

    assert (name, " ".join(text.split())) == ("Subject", " ".join(value.split()))


@pytest.mark.parametrize("value", ["x\r\nBcc: eve@example.com", "x\ny", "ü\rz"])
def test_a_header_with_a_line_break_is_refused(value):
    with pytest.raises(ValueError, match="Subject"):
        mime.header("Subject", value)


@pytest.mark.parametrize("name", ["Events", "Große, Feste", "A, B", "Straße " * 20])
def test_a_mailbox_has_its_name(name):
    [sender] = parsed(mime.field("From", mime.mailbox(name, "a@b.example")) + b"\r\n")[
        "From"
    ].addresses

    # Between encoded words the parser keeps a space too many.
    assert (sender.display_name.split(), sender.addr_spec) == (name.split(), "a@b.example")


@given(st.lists(_LINES, min_size=1, max_size=5))
@example([".", "From here", "x ", "\t", "a" * 2000])
@example(["日本語" * 100])
@example(["a = b", "ü" + "a" * 75, "--boundary"])
def test_a_text_comes_back_as_it_was(lines):
    content = mime.text_part("\n".join(lines), "plain")

    assert content.isascii()
    part = parsed(content)
    assert part.get_content_type() == "text/plain"
    decoded = part.get_payload(decode=True).decode()
    assert decoded.split("\r\n")[:-1] == lines[: len(lines) - (lines[-1] == "")]


def test_a_message_has_texts_images_and_files_in_their_places():
    mail = Mail(to="bob@example.com", subject="Grüße", text="Hi\n", html="<p>Hi</p>")
    mail.headers = {"Auto-Submitted": "auto-generated"}
    mail.attachments = [
        Attachment(b"BEGIN\r\n", "text/calendar", "event.ics", {"method": "REQUEST"}),
        Attachment(bytes(200), "image/png", "ticket.png", inline="ticket"),
        Attachment(b"%PDF", "application/pdf", "plan.pdf"),
    ]

    message = parsed(mail.as_bytes())

    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html",
        "image/png", "text/calendar", "application/pdf",
    ]  # fmt: skip
    *_, image, calendar, plan = message.walk()
    assert (image["Content-ID"], image.get_content()) == ("<ticket>", bytes(200))
    assert image.get_content_disposition() == "inline"
    assert (calendar.get_filename(), calendar.get_param("method")) == ("event.ics", "REQUEST")
    assert (plan.get_content(), plan.is_attachment()) == (b"%PDF", True)
    assert (message["Subject"], message["MIME-Version"]) == ("Grüße", "1.0")
    assert message.defects == []
