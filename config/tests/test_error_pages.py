"""Pages for addresses that lead nowhere, and for faults of the service."""

import pytest
from django.test import Client

from config import pages


@pytest.mark.parametrize("path", ["/nothing", "/e/x", "/problems/no-such-thing", "/media/x"])
def test_an_unknown_address_shows_a_way_on(db, path):
    response = Client().get(path)

    page = response.content.decode()
    assert response.status_code == 404
    assert "There is no page at this address" in page
    assert '<a class="button" href="/">All events</a>' in page


def test_an_unknown_address_of_the_api_is_a_problem_document(db):
    assert Client().get("/api/nothing")["Content-Type"] == "application/problem+json"


def test_a_fault_is_explained_without_its_details(monkeypatch):
    def broken() -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(pages, "all_errors", broken)

    response = Client(raise_request_exception=False).get("/problems/")

    page = response.content.decode()
    assert response.status_code == 500
    assert "Something went wrong here" in page
    assert "secret" not in page


def test_a_form_without_its_cookie_gets_a_page_with_a_way_on(db):
    response = Client(enforce_csrf_checks=True).post(
        "/admin/login/?next=/admin/", {"username": "x"}
    )

    page = response.content.decode()
    assert response.status_code == 403
    assert "The form was not accepted" in page
    assert '<a class="button" href="/admin/login/?next=/admin/">Open the page again</a>' in page


def test_a_refused_sign_out_leads_to_a_page_that_opens(db):
    page = Client(enforce_csrf_checks=True).post("/admin/logout/", {}).content.decode()

    assert '<a class="button" href="/admin/">Open the page again</a>' in page
