"""Markdown of organizers as safe HTML, and as plain text."""

import html
import re
from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

_TAGS = {
    "a", "blockquote", "br", "code", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href"}, "ol": {"start"}}
# The page's own headings are of the first two levels.
_HEADING_SHIFT = 2
# The parser takes time in proportion to the square of them: two seconds for 10,000 brackets, and
# 20 ms for these. No text that people write has as many.
_MAX_BRACKETS = 1_000
_MAX_MARKS = 3_000
_CACHED_TEXTS = 500  # a few kilobytes each
_TAG = re.compile(r"<[^>]*>")


def _shift_headings(state: Any) -> None:
    token: Token
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + _HEADING_SHIFT)}"


# Without raw HTML, and without images, which would come from other hosts. A line break of the text
# is one of the page, since most descriptions are plain text.
_parser = MarkdownIt("js-default", {"html": False, "breaks": True, "linkify": True})
_parser.disable("image")
_parser.core.ruler.push("shift_headings", _shift_headings)


@lru_cache(maxsize=_CACHED_TEXTS)
def markdown_to_html(text: str) -> str:
    """Safe HTML: no scripts, styles, images or forms, and links that search engines ignore."""
    return nh3.clean(
        _parser.render(text) if _is_quick(text) else _plain(text),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow ugc noopener noreferrer",
    )


def _is_quick(text: str) -> bool:
    return text.count("[") <= _MAX_BRACKETS and sum(map(text.count, "*_~")) <= _MAX_MARKS


def _plain(text: str) -> str:
    return f"<p>{html.escape(text)}</p>\n".replace("\n\n", "</p>\n<p>")


def markdown_to_text(text: str, length: int) -> str:
    """The text without its marks, on one line of at most `length` characters."""
    plain = html.unescape(_TAG.sub(" ", markdown_to_html(text)))
    plain = re.sub(r"\s+([.,;:!?])", r"\1", " ".join(plain.split()))
    if len(plain) <= length:
        return plain
    return plain[: length - 1].rsplit(" ", 1)[0].rstrip() + "…"
