"""Descriptions as HTML: safe, and quick to render whatever they contain."""

import re

import pytest

from config.api.text.markdown import markdown_to_html, markdown_to_text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a\nb", "<p>a<br>\nb</p>\n"),
        ("# A\n## B\n##### C", "<h3>A</h3>\n<h4>B</h4>\n<h6>C</h6>\n"),
        ("3. a\n4. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>\n'),
        ("a < b & c", "<p>a &lt; b &amp; c</p>\n"),
        ("<b>x</b>", "<p>&lt;b&gt;x&lt;/b&gt;</p>\n"),
        ("~~x~~ `y`", "<p><s>x</s> <code>y</code></p>\n"),
    ],
)
def test_markdown_becomes_html(text, html):
    assert markdown_to_html(text) == html


@pytest.mark.parametrize(
    "text",
    [
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        '<img src=x onerror="alert(1)">',
        "![x](https://example.org/x.png)",
        '[x](https://example.org "onmouseover=alert(1)")',
        "<style>*{}</style><iframe src=x></iframe>",
        "<https://example.org/\" onclick='x'>",
    ],
)
def test_nothing_unsafe_is_left(text):
    tags = re.findall("<[^>]*>", markdown_to_html(text))  # what is left outside of them is text

    for tag in tags:
        assert re.fullmatch(
            r'</?p>|</a>|<a href="https://example\.org[^"]*"( title="[^"]*")? rel="[a-z ]*">', tag
        )


@pytest.mark.parametrize("unit", ["*a ", "[", "![", "> ", "- ", "`", "a@b.c ", "<", "|a", "&amp;",
                                  "http://a.b ", "**a*", "\\", "\x00", "1. "])  # fmt: skip
def test_the_longest_descriptions_are_rendered(unit):
    text = (unit * 10_000)[:10_000]

    assert markdown_to_html(text) is not None
    assert len(markdown_to_text(text, 200)) <= 200


def test_a_text_that_would_take_seconds_is_shown_as_it_is():
    assert markdown_to_html("[" * 10_000) == f"<p>{'[' * 10_000}</p>\n"


def test_plain_text_has_no_marks():
    assert markdown_to_text("# Hi\n\n**Bold**, [a link](https://e.org) & more", 200) == (
        "Hi Bold, a link & more"
    )
    assert markdown_to_text("word " * 100, 22) == "word word word word…"
