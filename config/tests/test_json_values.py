"""The values of a JSON body are counted before parsing."""

import pytest
from rest_framework.test import APIClient

from config.api.http import negotiation
from config.api.http.negotiation import MAX_JSON_VALUES, _has_more_values_than

BULK = "/api/events/bulk/"


@pytest.mark.parametrize("value", [b"[]", b"{}", b"0", b'""', b"[0]", b'{"a":0}'])
def test_a_body_of_too_many_values_is_refused_unread(db, olga, signed_in, monkeypatch, value):
    client: APIClient = signed_in(olga)
    body = b"[" + b",".join([value] * (MAX_JSON_VALUES + 1)) + b"]"
    monkeypatch.setattr(negotiation.orjson, "loads", None)  # would be a fault

    response = client.post(BULK, body, content_type="application/json")

    assert response.status_code == 400
    assert response.json()["detail"] == "The JSON has more than 50,000 values."


@pytest.mark.parametrize(
    ("body", "is_more"),
    [
        (b"[1,2,3]", False),
        (b"[1,2,3,4]", True),
        (b"[[[[", True),
        (b'["a,b,c,d,e"]', False),
        (b'["a\\",b,c,d,e"]', False),
        (b'["a\\\\",1,2,3]', True),
        (b'["\xff,,,,"]', False),
        (b'["no end,,,,', False),
        (b'["a,,,,"' * 4, True),
        (b',"' * 1_000_000, True),
        (b'["a,,,"' + b'\\"' * 1_000_000, False),
    ],
)
def test_separators_in_strings_do_not_count(body, is_more):
    assert _has_more_values_than(body, 3) is is_more


def test_a_text_full_of_commas_is_a_text(db, olga, signed_in):
    rows = [
        {"name": "Talk", "location": "Hall", "start_time": "2999-05-25T14:00:00Z"}
        | {"description": ",[{" * 3000}
    ] * 7

    response = signed_in(olga).post(BULK, rows)

    assert (response.status_code, response.json()["created"]) == (201, 7)
