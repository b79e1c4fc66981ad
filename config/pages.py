"""The page for developers and the pages that explain errors."""

import json
from datetime import timedelta

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from config.api.openapi.components import problem_example
from config.errors import FIELD_CODES, all_errors


def developers(request: HttpRequest) -> HttpResponse:
    base = request.build_absolute_uri("/").removesuffix("/")
    day = timezone.now() + timedelta(days=30)
    return render(request, "developers.html", {"base": base, "day": day})


def problem_list(request: HttpRequest) -> HttpResponse:
    return render(request, "problem_list.html", {"errors": all_errors()})


def problem(request: HttpRequest, slug: str) -> HttpResponse:
    error = next((each for each in all_errors() if each.slug() == slug), None)
    if error is None:
        raise Http404
    context = {
        "error": error,
        "example": json.dumps(problem_example(error), indent=2),
        "field_codes": FIELD_CODES if error.code == "validation_error" else {},
    }
    return render(request, "problem.html", context)
