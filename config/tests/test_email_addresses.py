"""One mailbox has one spelling, and mail is sent to the given domain."""

import os
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.notifications.backends import SmtpBackend
from accounts.notifications.composing import Mail
from accounts.tests.mail_server import MailServer, running
from config.api.text.email_addresses import (
    InvalidAddress,
    canonical_address,
    deliverable_address,
    is_plain,
    mailbox_of,
)

EXAMPLES = int(os.environ.get("ADDRESS_EXAMPLES", "100"))
MUELLER = "ann@müller.example"


@pytest.mark.parametrize(
    ("given", "canonical", "deliverable"),
    [
        ("ann@example.com", "ann@example.com", "ann@example.com"),
        ("  Ann.Smith+x@EXAMPLE.com. ", "ann.smith+x@example.com", "ann.smith+x@example.com"),
        ("ann@müller.example", MUELLER, "ann@xn--mller-kva.example"),
        ("ann@mu\u0308ller.example", MUELLER, "ann@xn--mller-kva.example"),
        ("Ann@xn--mller-kva.example", MUELLER, "ann@xn--mller-kva.example"),
        ("ann@XN--MLLER-KVA.example", MUELLER, "ann@xn--mller-kva.example"),
        ("ann@MÜLLER。example", MUELLER, "ann@xn--mller-kva.example"),
        ("x@faß.example", "x@faß.example", "x@xn--fa-hia.example"),
        ("x@fass.example", "x@fass.example", "x@fass.example"),
        ("x@ＦＡＳＳ.example", "x@fass.example", "x@fass.example"),
        (
            "x@bücher.βόλος.example",
            "x@bücher.βόλος.example",
            "x@xn--bcher-kva.xn--nxasmm1c.example",
        ),
        ("x@例え.テスト", "x@例え.テスト", "x@xn--r8jz45g.xn--zckzah"),
        ("x@نامه\u200cای.com", "x@نامه\u200cای.com", "x@xn--mgba3gch31f060k.com"),
        ("x@Ꭰ.com", "x@Ꭰ.com", "x@xn--58d.com"),
        ("x@r3---sn.example", "x@r3---sn.example", "x@r3---sn.example"),
        ('"Ann"@example.com', "ann@example.com", "ann@example.com"),
        ('"a\\b"@example.com', "ab@example.com", "ab@example.com"),
        ('"a@b"@example.com', '"a@b"@example.com', '"a@b"@example.com'),
        ("O'Brien@example.com", "o'brien@example.com", "o'brien@example.com"),
        ("root@localhost", "root@localhost", "root@localhost"),
        (f"{'x' * 64}@example.com", f"{'x' * 64}@example.com", f"{'x' * 64}@example.com"),
    ],
)
def test_an_address_has_one_spelling(given, canonical, deliverable):
    assert canonical_address(given) == canonical
    assert canonical_address(canonical) == canonical
    assert deliverable_address(given) == deliverable
    assert canonical_address(deliverable) == canonical


@pytest.mark.parametrize("character", [
    "\u00ad", "\u034f", "\u061c", "\u115f", "\u180e", "\u200b", "\u200e", "\u202e", "\u2060",
    "\u2066", "\u3164", "\ufe0f", "\ufeff", "\U000e0041", "\x00", "\x07", "\x7f", "\u0085",
    "\ud800", "\ue000", "\u0378",
])  # fmt: skip
@pytest.mark.parametrize("form", ["a{}n@example.com", "ann@exa{}mple.com", "{}ann@example.com."])
def test_invisible_characters_are_rejected_and_named(character, form):
    if form.startswith("{}") and not character.strip():
        pytest.skip("trimmed")

    with pytest.raises(InvalidAddress) as refusal:
        canonical_address(form.format(character))

    assert str(refusal.value) == f"Remove the invisible character U+{ord(character):04X}."


@pytest.mark.parametrize("address", [
    "ann@☃.example", "ann@💩.la", "ann@xn--ls8h.la", "ann@exa\u200dmple.com",
    "ann@xn--a.example", "ann@xn--abc-.example", "ann@xn--mller-kva", "ann@[127.0.0.1]",
    "ann@127.0.0.1", "ann@example", "ann@example..com", "ann@.example.com", "ann@example.com..",
    "ann@-example.com", "ann@exam_ple.com", "ann@ex ample.com", "ann@ex\u3000ample.com",
    f"ann@{'x' * 64}.example", f"ann@{'ü' * 60}.example", "ann@", "ann@日本.1",
])  # fmt: skip
def test_a_domain_that_the_dns_cannot_have_is_rejected(address):
    with pytest.raises(InvalidAddress, match="Check the domain after the @"):
        canonical_address(address)


@pytest.mark.parametrize("address", [
    "", "ann", "@example.com", "ann smith@example.com", ".ann@example.com", "ann.@example.com",
    "a..b@example.com", "ann(x)@example.com", "a@b@example.com", 'a"b@example.com',
    '""@example.com', "ann＠example.com", "Ann <ann@example.com>",
])  # fmt: skip
def test_invalid_address_is_rejected(address):
    with pytest.raises(InvalidAddress):
        canonical_address(address)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (f"{'x' * 65}@example.com", "Use at most 64 bytes before the @."),
        (f"{'x' * 64}@{'abcdefghi.' * 19}com", "Use an address of at most 254 bytes."),
        ("a" * 10_000, "Use an address of at most 254 bytes."),
        ("josé@example.com", "Use an address with letters of ASCII alone before the @."),
        ("\u212aann@example.com", "Use an address with letters of ASCII alone before the @."),
    ],
)
def test_other_limits_say_what_to_do(address, words):
    with pytest.raises(InvalidAddress) as refusal:
        canonical_address(address)

    assert str(refusal.value) == words


def test_with_smtputf8_the_local_part_is_nfc_in_lower_case(settings):
    settings.SMTPUTF8 = True

    spellings = {
        canonical_address(text)
        for text in ("José@example.com", "JOSE\u0301@example.com", "jose\u0301@EXAMPLE.com")
    }

    assert spellings == {"josé@example.com"}
    assert canonical_address("\u212aann@example.com") == "kann@example.com"
    assert canonical_address("用户@例え.テスト") == "用户@例え.テスト"
    assert deliverable_address("用户@例え.テスト") == "用户@xn--r8jz45g.xn--zckzah"
    with pytest.raises(InvalidAddress, match="64 bytes"):
        canonical_address(f"{'ü' * 33}@example.com")


def test_mailbox_of_other_text_is_the_text_in_lower_case():
    assert mailbox_of(" Olga ") == "olga"
    assert mailbox_of("Nobody@nowhere") == "nobody@nowhere"


# --- any address ---

_LABELS = st.one_of(
    st.sampled_from([
        "example", "fass", "faß", "müller", "bücher", "ångström", "βόλος", "ελλάς", "παράδειγμα",
        "пример", "йод", "例え", "テスト", "가나다", "한국", "उदाहरण", "क्ष", "தமிழ்", "ไทย", "中国",
        "இந்தியா", "flag", "ñandú", "đặng", "việt", "łódź", "i̇stanbul", "straße",
        "münchen-ost", "r3---sn", "1und1", "ab", "x1", "aͤb",
    ]),
    st.text("abcnxyz019-", min_size=1, max_size=12)
    .map(lambda label: label.strip("-") or "a")
    .filter(lambda label: not label.startswith("xn--")),
    st.text(alphabet="aeoucinsyäöüéèçñåāőǎœøđłıжщійαβγωςあアー漢字가한", min_size=1, max_size=10),
)  # fmt: skip
_TOP_LEVEL = st.sampled_from(["com", "example", "org", "рф", "テスト", "한국", "ελ"])
_LOCAL = st.lists(
    st.text("abcxyz019!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=12), min_size=1, max_size=3
).map(".".join)


def _a_label(label: str) -> str:
    """By Python's codec for Punycode (RFC 3492), which maps nothing."""
    return label if label.isascii() else f"xn--{label.encode('punycode').decode()}"


@st.composite
def _respelled(draw, domain: list[str]) -> str:
    """The domain as somebody may write it: composed or not, with A-labels, in other letters."""
    labels = []
    for label in domain:
        how = draw(st.sampled_from(["as it is", "nfd", "a-label", "upper", "wide", "A-LABEL"]))
        if how == "nfd":
            label = unicodedata.normalize("NFD", label)  # noqa: PLW2901
        elif how == "upper" and "".join(map(str.lower, label.upper())) == label:
            label = label.upper()  # noqa: PLW2901
        elif how == "wide":
            label = "".join(  # noqa: PLW2901
                chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in label
            )
        elif how.lower() == "a-label":
            label = _a_label(label)  # noqa: PLW2901
            label = label.upper() if how == "A-LABEL" else label  # noqa: PLW2901
        labels.append(label)
    dots = st.sampled_from([".", ".", ".", "。", "．", "｡"])
    text = labels[0]
    for label in labels[1:]:
        text += draw(dots) + label
    return text + draw(st.sampled_from(["", "", "."]))


@st.composite
def _mailboxes(draw):
    """What a mail server knows a mailbox by, and two spellings of its address."""
    local = draw(_LOCAL)
    drawn = draw(st.lists(_LABELS, min_size=1, max_size=3))
    labels = [*(unicodedata.normalize("NFC", label) for label in drawn), draw(_TOP_LEVEL)]
    spellings = []
    for _ in range(2):
        written = draw(st.sampled_from([local, local.upper(), local.title(), f'"{local}"']))
        space = draw(st.sampled_from(["", "", " ", "\n", "\u00a0"]))
        spellings.append(f"{space}{written}@{draw(_respelled(labels))}{space}")
    return f"{local}@{'.'.join(map(_a_label, labels))}", *spellings


@pytest.fixture(scope="module")
def server():
    with running(MailServer()) as server:
        yield server


@pytest.fixture(scope="module")
def post(server):
    """One connection to a mail server."""
    backend = SmtpBackend(host="127.0.0.1", port=server.port, use_tls=False, use_ssl=False)
    backend.open()
    yield backend
    backend.close()


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(mailbox=_mailboxes())
def test_two_spellings_of_a_mailbox_are_one_identity_and_mail_reaches_it(mailbox, server, post):
    at_server, one, other = mailbox
    try:
        identity = canonical_address(one)
    except InvalidAddress:  # then so is every spelling of it, and the mailbox
        for text in (other, at_server):
            with pytest.raises(InvalidAddress):
                canonical_address(text)
        return

    mail = Mail(to=canonical_address(other), subject="S", text="T", html="<p>T</p>")
    server.attempts.clear()
    server.mails.clear()
    post.send_messages([mail])

    assert canonical_address(other) == identity == canonical_address(at_server)
    assert identity == canonical_address(identity)
    assert dict(server.attempts) == {at_server: 1}
    assert server.recipients == [at_server]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(_LOCAL, st.text(max_size=10)),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=6),
    st.sampled_from(["", ".com", "a.example", "。テスト", ".xn--p1ai.", "-x.org"]),
)
def test_accepted_address_is_sent_to_its_own_domain(local, start, end):
    domain = (start + end).rpartition("@")[2]
    try:
        address = deliverable_address(f"{local}@{start}{end}")
    except InvalidAddress:
        return
    sent_to = address.rpartition("@")[2]

    assert sent_to.isascii()
    if domain.isascii():
        assert sent_to == domain.strip().lower().removesuffix(".")
    else:
        accepted_domain = canonical_address(address).rpartition("@")[2]
        assert _folded(accepted_domain) == _folded(domain.strip())


def _folded(domain: str) -> str:
    """Without what UTS #46 maps away, by other means: compatibility forms, case and A-labels."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", domain).casefold())
    labels = text.replace("。", ".").removesuffix(".").split(".")
    labels = [
        label[4:].encode().decode("punycode") if label.startswith("xn--") else label
        for label in labels
    ]
    return ".".join(labels).casefold()


_WORD = st.text("abnxz019", min_size=1, max_size=8)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(_WORD, min_size=1, max_size=4),
    st.sampled_from("._+-"),
    st.lists(st.one_of(_WORD, st.sampled_from(["xn--mller-kva", "r3---sn", "a-b"])), min_size=1),
)
def test_plain_address_is_canonical(words, separator, labels):
    address = f"{separator.join(words)}@{'.'.join(labels)}.com"

    if is_plain(address):
        assert canonical_address(address) == address
        assert canonical_address(address.upper()) == address
        assert deliverable_address(address) == address
    else:
        assert "xn--" in address or len(address) > 254
