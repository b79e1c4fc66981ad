"""E-mail addresses: each mailbox has one canonical spelling, which is stored and compared.

`canonical_address` defines it: the local part in lower case and the domain in Unicode (U-labels,
RFC 5890, section 2.3.2.1). U-labels and the A-labels of the DNS convert into each other without
loss, so two canonical addresses are equal if and only if their domains are equal in the DNS. Mail
is sent to `deliverable_address`, which has A-labels.

The conversion is IDNA 2008 with the mapping of UTS #46, non-transitional. Python's codec `idna`,
which Django uses, is IDNA 2003. It turns faß.example into fass.example, which is another domain.
"""

import re
import unicodedata

import idna
from django.conf import settings

MAX_LENGTH = 254  # octets of a whole address: RFC 5321, section 4.5.3.1.3, without < and >
MAX_LOCAL_LENGTH = 64  # octets: RFC 5321, section 4.5.3.1.1
_MAX_INPUT_LENGTH = 1000  # decomposed and padded spellings are longer than what they stand for

INVALID = "Enter a valid email address."
INVISIBLE = "Remove the invisible character {}."
NOT_ASCII = "Use an address with letters of ASCII alone before the @."
LOCAL_TOO_LONG = "Use at most 64 bytes before the @."
TOO_LONG = "Use an address of at most 254 bytes."
NO_DOMAIN = "Check the domain after the @: it is not valid in the DNS (IDNA 2008)."

# Matches nearly all addresses, in canonical spelling. `idna` handles `xn--`.
_PLAIN = re.compile(
    r"(?=[^@]{1,64}@)[a-z0-9]+(?:[._+-][a-z0-9]+)*@"
    r"(?:(?!xn--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
)

_ATOM = r"[^\x00-\x20\x7f\"(),:;<>@\[\\\].]+"  # atext of RFC 5322, and RFC 6531 beyond ASCII
_DOT_ATOM = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_QUOTED = re.compile(r'"((?:[^\x00-\x20\x7f"\\]|\\[^\x00-\x20\x7f])+)"')
_LDH_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ASCII_TOP_LEVEL = re.compile(r"[a-z][a-z-]{0,61}[a-z]")

# Default_Ignorable_Code_Point of Unicode that has no general category of its own.
_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"


class InvalidAddress(ValueError):
    """Mail cannot be sent to this text. `str()` is the error text for a user."""


def is_plain(text: str) -> bool:
    """Whether a quick test shows that an address is canonical. False is inconclusive."""
    return len(text) <= MAX_LENGTH and _PLAIN.fullmatch(text) is not None


def canonical_address(text: str) -> str:
    """The one spelling of the mailbox that `text` names. Raises `InvalidAddress`.

    Invisible characters are rejected and not removed, since two addresses that look alike must not
    be two people. Joiners in domains are an exception: some scripts need them, where IDNA 2008
    allows them (RFC 5892, appendix A).
    """
    text = text.strip()
    if is_plain(text):
        return text
    if text.isascii() and is_plain(lowered := text.lower()):
        return lowered
    if len(text) > _MAX_INPUT_LENGTH:
        raise InvalidAddress(TOO_LONG)
    local, at, domain = text.rpartition("@")
    if not at:
        raise InvalidAddress(INVALID)
    _reject_invisible(local)
    _reject_invisible(domain, allowed=_JOINERS)
    local, labels = _canonical_local(local), _labels(domain)
    ascii_domain = ".".join(map(_a_label, labels))
    if len(ascii_domain) + len(local.encode()) + 1 > MAX_LENGTH:
        raise InvalidAddress(TOO_LONG)
    return f"{local}@{'.'.join(labels)}"


def mailbox_of(text: str) -> str:
    """The canonical address. For other texts, such as user names, the text in lower case."""
    if "@" not in text:
        return text.strip().lower()
    try:
        return canonical_address(text)
    except InvalidAddress:
        return text.strip().lower()


def deliverable_address(text: str) -> str:
    """The address for mail servers, with A-labels. Raises `InvalidAddress`.

    It has only ASCII unless `needs_smtputf8`.
    """
    return ascii_address(canonical_address(text))


def ascii_address(address: str) -> str:
    """A valid address with A-labels. Raises `InvalidAddress`."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{ascii_host(domain)}"


def needs_smtputf8(address: str) -> bool:
    """Whether a mail server has to offer SMTPUTF8 (RFC 6531) to take mail for this address."""
    return not address.isascii()


def ascii_host(host: str) -> str:
    """A host name with A-labels. An ASCII name is unchanged. Raises `InvalidAddress`."""
    return host if host.isascii() else ".".join(map(_a_label, _labels(host)))


def _reject_invisible(text: str, *, allowed: str = "") -> None:
    for character in text:
        if character in allowed or (" " <= character <= "~"):
            continue
        if unicodedata.category(character) in _INVISIBLE_CATEGORIES or _IGNORABLE.match(character):
            raise InvalidAddress(INVISIBLE.format(f"U+{ord(character):04X}"))


def _canonical_local(local: str) -> str:
    if not local.isascii():
        if not settings.SMTPUTF8:
            raise InvalidAddress(NOT_ASCII)
        if any(unicodedata.category(character)[0] == "Z" for character in local):
            raise InvalidAddress(INVALID)
        local = unicodedata.normalize("NFC", local).lower()
        local = unicodedata.normalize("NFC", local)
    local = local.lower()
    if quoted := _QUOTED.fullmatch(local):
        local = _requoted(re.sub(r"\\(.)", r"\1", quoted[1]))
    elif not _DOT_ATOM.fullmatch(local):
        raise InvalidAddress(INVALID)
    if len(local.encode()) > MAX_LOCAL_LENGTH:
        raise InvalidAddress(LOCAL_TOO_LONG)
    return local


def _requoted(content: str) -> str:
    """A quoted string without quotes where it needs none (RFC 5321, section 4.1.2)."""
    if _DOT_ATOM.fullmatch(content):
        return content
    return '"' + re.sub(r'(["\\])', r"\\\1", content) + '"'


def _labels(domain: str) -> list[str]:
    """The U-labels of a domain. Raises `InvalidAddress`."""
    try:
        mapped = idna.uts46_remap(domain, std3_rules=True)
        labels = [_u_label(label) for label in mapped.removesuffix(".").split(".")]
    except (idna.IDNAError, UnicodeError) as error:
        raise InvalidAddress(NO_DOMAIN) from error
    if labels == ["localhost"]:
        return labels
    top = labels[-1]
    if len(labels) < 2 or (top.isascii() and not _ASCII_TOP_LEVEL.fullmatch(top)):
        raise InvalidAddress(NO_DOMAIN)
    return labels


def _u_label(label: str) -> str:
    """Raises `idna.IDNAError`."""
    if label.isascii() and not label.startswith("xn--"):
        # `idna` would reject hyphens that occur in the DNS: r3---sn.example.
        if not _LDH_LABEL.fullmatch(label):
            raise idna.IDNAError("no label of letters, digits and hyphens")
        return label
    unicode_label = idna.ulabel(label)
    is_mapped = idna.uts46_remap(unicode_label, std3_rules=True) != unicode_label
    if is_mapped or unicode_label.isascii():
        raise idna.IDNAError("not what anybody could type")
    if any(
        unicodedata.category(character) in _INVISIBLE_CATEGORIES and character not in _JOINERS
        for character in unicode_label
    ):
        raise idna.IDNAError("characters that this version of Unicode does not know")
    return unicode_label


def _a_label(label: str) -> str:
    if label.isascii():
        return label
    try:
        return idna.alabel(label).decode("ascii")
    except idna.IDNAError as error:  # longer than the DNS allows
        raise InvalidAddress(NO_DOMAIN) from error
