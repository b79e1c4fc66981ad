"""The few pages that are for people: where to go, and what an error means."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from config.errors import FIELD_CODES, all_errors


def landing(request: HttpRequest) -> HttpResponse:
    return render(request, "landing.html")


def problem_list(request: HttpRequest) -> HttpResponse:
    return render(request, "problem_list.html", {"errors": all_errors()})


def problem(request: HttpRequest, slug: str) -> HttpResponse:
    found = next((error for error in all_errors() if error.slug() == slug), None)
    if found is None:
        raise Http404
    field_codes = FIELD_CODES if found.code == "validation_error" else {}
    return render(request, "problem.html", {"error": found, "field_codes": field_codes})
