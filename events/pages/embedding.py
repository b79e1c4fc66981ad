"""Events in a frame on other sites, those of `EMBED_ORIGINS`."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from config.api.http.parameters import check_parameters
from config.api.pages import public_page
from config.errors import NotFound

from ..images import image_of
from ..links import page_link
from ..models import Event
from ..search.filters import EventFilter
from ..services import is_key_of
from .listing import PAGING, PublicEvents, cards_of, without_empty

_KNOWN = frozenset({*EventFilter.base_filters, *PAGING})
_REPEATABLE = frozenset(
    name for name, each in EventFilter.base_filters.items() if getattr(each, "takes_several", False)
)


def _framed(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Lets the sites of `EMBED_ORIGINS`, and no others, show the page in a frame."""

    @wraps(view)
    def handle(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response: Any = view(request, *args, **kwargs)
        if settings.EMBED_ORIGINS:
            response._csp_replace = {"frame-ancestors": list(settings.EMBED_ORIGINS)}
            response.xframe_options_exempt = True
        response["X-Robots-Tag"] = "noindex"
        return response  # type: ignore[no-any-return]

    return handle


@_framed
@public_page()
def embedded_event(request: HttpRequest, pk: int) -> HttpResponse:
    is_opened = is_key_of(request.GET.get("key"), pk)  # of an unlisted event
    events = Event.objects.visible_to(AnonymousUser(), is_opened=is_opened).for_listing()
    event = events.filter(pk=pk).first()
    if event is None:
        raise NotFound
    card = {"event": event, "path": page_link(event), "image": image_of(event)}
    return render(request, "events/embedded.html", {"cards": [card], "is_single": True})


@_framed
@public_page()
def embedded_list(request: HttpRequest) -> HttpResponse:
    """The list with the filters of the address. A misspelt one is an error, as in the API."""
    check_parameters(request.GET, _KNOWN, repeatable=_REPEATABLE, ignores_tracking=True)
    request.GET = without_empty(request.GET)  # type: ignore[assignment]  # stubs
    page = PublicEvents().read(request)
    links = {name: _in_frame(link) for name, link in page.links.items()}
    return render(request, "events/embedded.html", {"cards": cards_of(page), "links": links})


def _in_frame(link: str | None) -> str | None:
    return link and f"{reverse('embedded-list')}?{urlsplit(link).query}"
