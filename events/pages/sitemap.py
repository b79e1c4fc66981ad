"""The sitemap for search engines (sitemaps.org), of the events that start next."""

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils.html import escape

from config.api.http.rate_limits import check_limit
from config.api.http.throttling import client_network
from config.api.pages import public_page

from ..links import page_url
from ..models import Event

# The format allows 50,000. Search engines find the others by the links of the list.
MAX_EVENTS = 10_000


@public_page()
def sitemap(request: HttpRequest) -> HttpResponse:
    check_limit("feed", client_network(request))
    events = Event.objects.visible_to(AnonymousUser()).published().upcoming()
    rows = events.only("name", "updated_at").order_by("start_time", "pk")[:MAX_EVENTS]
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n',
        f"<url><loc>{escape(settings.PUBLIC_URL)}/</loc></url>\n",
    ]
    parts += [
        f"<url><loc>{escape(page_url(row))}</loc><lastmod>{row.updated_at:%Y-%m-%d}</lastmod></url>\n"
        for row in rows.iterator(chunk_size=1000)
    ]
    return HttpResponse("".join([*parts, "</urlset>\n"]), content_type="application/xml")
