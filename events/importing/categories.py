"""The categories that rows name."""

import re
from dataclasses import dataclass, field

from django.utils.text import slugify

from ..models import Category

# Names that are not just their slug with a capital letter.
_SPELLINGS = {
    "api": "API",
    "cfml": "CFML",
    "cpp": "C++",
    "css": "CSS",
    "devops": "DevOps",
    "dotnet": ".NET",
    "graphql": "GraphQL",
    "ios": "iOS",
    "iot": "IoT",
    "javascript": "JavaScript",
    "opensource": "Open source",
    "php": "PHP",
    "sre": "SRE",
    "typescript": "TypeScript",
    "ux": "UX",
}


@dataclass
class Categories:
    """Those that exist, and with `creates` those that rows name besides."""

    creates: bool
    new: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        rows = list(Category.objects.values_list("pk", "slug", "name"))
        self._by_slug = {slug: pk for pk, slug, _ in rows}
        self._by_name = {name.casefold(): pk for pk, _, name in rows}

    def knows(self, text: str) -> bool:
        return self._find(text) is not None

    def id_of(self, text: str) -> int:
        """Of the category with this slug or name, which is made where there is none."""
        found = self._find(text)
        if found is None:
            slug = slugify(text)
            category, is_new = Category.objects.get_or_create(
                slug=slug, defaults={"name": _category_name(text)}
            )
            found = self._by_slug[slug] = category.pk
            if is_new:
                self.new.append(slug)
        return found

    def _find(self, text: str) -> int | None:
        return self._by_slug.get(slugify(text)) or self._by_name.get(text.casefold())


def _category_name(text: str) -> str:
    """`text`, when somebody wrote it with capitals; else as a name is written: `Tech comm`."""
    if text != text.lower():
        return text
    return _SPELLINGS.get(text) or text[0].upper() + re.sub(r"[-_]+", " ", text[1:])
