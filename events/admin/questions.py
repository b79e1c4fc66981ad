"""The questions of events and series in the admin, which are read-only there."""

from django.utils.html import format_html, format_html_join

from ..models import Event, Series


def questions_list(row: Event | Series) -> str:
    """The current version and its questions. PUT …/form/ of the API changes them."""
    if row.form is None:
        return "None"
    questions = format_html_join(
        "",
        "<li>{} <small>{} · {}{}{}</small></li>",
        (
            (
                question["label"],
                question["key"],
                question["type"],
                ", required" if question["required"] else "",
                "" if question["active"] else ", no longer asked",
            )
            for question in row.form.questions
        ),
    )
    return format_html("Version {}<ol>{}</ol>", row.form.version, questions)
