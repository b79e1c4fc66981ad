"""Heads and bodies as bytes: what is read, and what is rejected."""

import pytest

from config.server.http1 import BadRequest, ChunkedBody, SizedBody, parse_head


def parsed(*lines: str):
    return parse_head("\r\n".join(lines), {"REMOTE_ADDR": "192.0.2.1"})


def test_a_head_becomes_a_wsgi_environment():
    request = parsed(
        "POST /a%20b/%C3%A9?x=%41&y=1 HTTP/1.1",
        "Host: events.example:80",
        "content-type: application/json",
        "CONTENT-LENGTH: 12",
        "X-List: a",
        "x-list:\tb \t",
        "Cookie: a=1",
        "Cookie: b=2",
        "X-Text: caf\xe9",
        "Empty:",
    )

    assert request.environ == {
        "REMOTE_ADDR": "192.0.2.1",
        "REQUEST_METHOD": "POST",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "PATH_INFO": "/a b/\xc3\xa9",
        "QUERY_STRING": "x=%41&y=1",
        "HTTP_HOST": "events.example:80",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "12",
        "HTTP_X_LIST": "a,b",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_X_TEXT": "caf\xe9",
        "HTTP_EMPTY": "",
    }
    assert (request.length, request.is_kept, request.expects_continue) == (12, True, False)


@pytest.mark.parametrize(
    ("target", "path", "query", "host"),
    [
        ("/", "/", "", "a"),
        ("/p??q", "/p", "?q", "a"),
        ("//p", "//p", "", "a"),
        ("*", "*", "", "a"),
        ("http://b:81/p?q=1", "/p", "q=1", "b:81"),
        ("HTTPS://b", "/", "", "b"),
    ],
)
def test_a_target_is_a_path_and_a_query(target, path, query, host):
    environ = parsed(f"OPTIONS {target} HTTP/1.1", "Host: a").environ

    assert (environ["PATH_INFO"], environ["QUERY_STRING"], environ["HTTP_HOST"]) == (
        path, query, host,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["X_Forwarded_For", "X-Forwarded_For", "Content_Length", "Proxy"])
def test_a_field_that_could_pass_for_another_is_dropped(name):
    environ = parsed("GET / HTTP/1.1", "Host: a", f"{name}: 1").environ

    assert {key for key in environ if key.startswith(("HTTP_", "CONTENT_"))} == {"HTTP_HOST"}


@pytest.mark.parametrize(
    ("version", "fields", "is_kept"),
    [
        ("1.1", [], True),
        ("1.1", ["Connection: close"], False),
        ("1.1", ["Connection: Upgrade", "Connection: Close"], False),
        ("1.0", [], False),
        ("1.0", ["Connection: Keep-Alive"], True),
    ],
)
def test_a_client_says_whether_it_goes_on(version, fields, is_kept):
    assert parsed(f"GET / HTTP/{version}", "Host: a", *fields).is_kept is is_kept


@pytest.mark.parametrize(
    "lines",
    [
        ["GET / HTTP/1.1"],  # no host
        ["GET / HTTP/1.1", "Host: a", "Host: b"],
        ["GET / HTTP/2.0", "Host: a"],
        ["PRI * HTTP/2.0"],
        ["GET /", "Host: a"],
        ["GET  / HTTP/1.1", "Host: a"],
        ["GET / HTTP/1.1 ", "Host: a"],
        ["G(T / HTTP/1.1", "Host: a"],
        ["CONNECT a:443 HTTP/1.1", "Host: a"],
        ["GET p HTTP/1.1", "Host: a"],
        ["GET ftp://a/ HTTP/1.1", "Host: a"],
        ["GET http:/// HTTP/1.1", "Host: a"],
        ["GET / HTTP/1.1", "Host: a", "No colon"],
        ["GET / HTTP/1.1", "Host : a"],
        ["GET / HTTP/1.1", "Host: a", " folded: b"],
        ["GET / HTTP/1.1", "Host: a", ": b"],
        ["GET / HTTP/1.1", "Host: a", "X: \x00"],
        ["GET / HTTP/1.1", "Host: a", "X: a\rY: b"],
        ["GET / HTTP/1.1", "Host: a", "X: a\nY: b"],
        ["GET / HTTP/1.1", "Host: a", *["X: 1"] * 100],
        ["POST / HTTP/1.1", "Host: a", "Content-Length: 1", "Content-Length: 1"],
        ["POST / HTTP/1.1", "Host: a", "Content-Length: +1"],
        ["POST / HTTP/1.1", "Host: a", "Content-Length: 1, 1"],
        ["POST / HTTP/1.1", "Host: a", "Content-Length: \xb2"],
        ["POST / HTTP/1.1", "Host: a", "Content-Length:"],
        ["POST / HTTP/1.1", "Host: a", "Content-Length: 1", "Transfer-Encoding: chunked"],
        ["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: gzip, chunked"],
        ["POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["POST / HTTP/1.0", "Host: a", "Transfer-Encoding: chunked"],
        ["GET / HTTP/1.1", "Host: a", "Authorization: a", "Authorization: b"],
    ],
)
def test_a_head_that_two_servers_could_read_in_two_ways_is_rejected(lines):
    with pytest.raises(BadRequest):
        parsed(*lines)


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_a_chunked_body_is_read_however_it_arrives(step):
    chunks = b"4\r\nWiki\r\n5;name=value\r\npedia\r\n0A\r\n in chunks\r\n0\r\n"
    sent = chunks + b"Trailer: x\r\n\r\nGET / "
    body, rest = ChunkedBody(100), b""

    for start in range(0, len(sent), step):
        piece = sent[start : start + step]
        rest += piece if body.is_complete else body.feed(piece)

    assert body.is_complete
    assert (body.size, body.file().read(), rest) == (19, b"Wikipedia in chunks", b"GET / ")
    body.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n", b"x\r\n", b"-1\r\n", b"0x1\r\n", b"1 \r\na\r\n", b"1\r\nab\r\n", b"1\r\na\n1\r\n",
        b"123456789\r\n", b"1;\x00\r\n",
    ],
)  # fmt: skip
def test_a_malformed_chunk_is_rejected(sent):
    with pytest.raises(BadRequest):
        ChunkedBody(100).feed(sent)


@pytest.mark.parametrize("kind", ["first line", "trailer"])
def test_chunks_hold_no_endless_lines(kind):
    sent = {"first line": b"1;" + b"x" * 300, "trailer": b"0\r\n" + b"X: y\r\n" * 3000}

    with pytest.raises(BadRequest):
        ChunkedBody(100).feed(sent[kind])


def test_a_body_ends_where_its_length_says():
    body = SizedBody(5, limit=10)

    rests = [body.feed(piece) for piece in (b"he", b"ll", b"oGET /")]

    assert (body.is_complete, body.file().read(), rests) == (True, b"hello", [b"", b"", b"GET /"])
    body.close()


def test_a_body_over_its_limit_is_not_kept():
    chunked = ChunkedBody(10)

    chunked.feed(b"8\r\n12345678\r\n8\r\n12345678\r\n")

    assert (chunked.is_too_large, chunked.is_complete) == (True, False)
    assert SizedBody(11, limit=10).is_too_large
    chunked.close()


def test_a_large_body_is_kept_in_a_file():
    body = SizedBody(3_000_000, limit=3_000_000)

    for _ in range(3):
        body.feed(b"x" * 1_000_000)

    assert body.file().read() == b"x" * 3_000_000
    body.close()
