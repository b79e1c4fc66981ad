"""Images of events: what is accepted, what is stored, and who sees it."""

import io
import re
import struct
import zlib
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from PIL import Image

from config.errors import ValidationFailed
from events.images.encoding import encode
from events.models import Event
from events.services import cancel_event, delete_unused_images, duplicate_event
from events.tests.factories import EventFactory
from events.tests.images import PNG, image_file

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(signed_in, olga):
    return signed_in(olga)


def path_of(event) -> str:
    return f"/api/events/{event.pk}/image/"


def put(client, event, content: bytes = PNG, *, alt: str = "A hall", media_type="image/png"):
    """The bytes as the body."""
    return client.put(f"{path_of(event)}?alt={alt}", content, content_type=media_type)


def put_form(client, event, content: bytes = PNG, **fields):
    file = SimpleUploadedFile("a.png", content, "image/png")
    return client.put(path_of(event), {"image": file, **fields}, format="multipart")


def files_of(image: dict) -> list[Image.Image]:
    """The images behind `srcset`, in its order."""
    browser = Client()
    urls = [part.split(" ")[0] for part in image["srcset"].split(", ")]
    bodies = [browser.get(url.removeprefix("http://localhost:8000")).content for url in urls]
    return [Image.open(io.BytesIO(body)) for body in bodies]


def refusal(response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def errors_of(response) -> list[tuple[str, str]]:
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


def test_an_image_is_stored_in_three_widths(client, anyone, event):
    response = put(client, event, image_file("JPEG", (2000, 1000)), media_type="image/jpeg")

    image = response.json()["image"]
    assert response.status_code == 200
    assert re.fullmatch(
        r"http://localhost:8000/media/events/[0-9a-f]{32}-1600x800-1600\.webp", image["url"]
    )
    assert [part.split(" ")[1] for part in image["srcset"].split(", ")] == ["480w", "960w", "1600w"]
    assert image["alt"] == "A hall"
    assert [file.size for file in files_of(image)] == [(480, 240), (960, 480), (1600, 800)]
    assert anyone.get(f"/api/events/{event.pk}/").json()["image"] == image
    assert anyone.get("/api/events/").json()["results"][0]["image"] == image


@pytest.mark.django_db(transaction=True)
def test_a_form_sets_the_image_outside_a_transaction_of_the_test(client, event):
    response = put_form(client, event, alt=" A hall ")

    assert response.status_code == 200
    assert response.json()["image"]["alt"] == "A hall"
    assert client.delete(path_of(event)).status_code == 204
    assert client.get(f"/api/events/{event.pk}/").json()["image"] is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_bytes_decide_the_format(client, event, kind):
    assert put(client, event, image_file(kind), media_type="image/png").status_code == 200
    assert put(
        client, event, image_file(kind), media_type="application/octet-stream"
    ).status_code == (200)


def test_a_small_image_is_not_enlarged(client, event):
    image = put(client, event, image_file(size=(100, 50))).json()["image"]

    assert [file.size for file in files_of(image)] == [(30, 15), (60, 30), (100, 50)]


def test_files_are_cached_for_good_and_each_upload_has_its_own(client, event):
    first = put(client, event).json()["image"]
    second = put(client, event).json()["image"]

    response = Client().get(first["url"].removeprefix("http://localhost:8000"))
    assert first["url"] != second["url"]
    assert response["Content-Type"] == "image/webp"
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_metadata_is_removed_and_the_image_is_upright(client, event):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010E] = "At home"
    exif.get_ifd(0x8825)[1] = "N"  # the place
    source = image_file("JPEG", (200, 100), exif=exif, comment=b"secret", icc_profile=b"broken")

    files = files_of(put(client, event, source, media_type="image/jpeg").json()["image"])

    assert files[-1].size == (100, 200)
    for file in files:
        assert not file.getexif()
        assert not {"exif", "comment", "icc_profile", "xmp"} & file.info.keys()


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [("RGBA", (255, 0, 0, 0), "RGBA"), ("LA", (9, 0), "RGBA"), ("P", 1, "RGB"), ("1", 1, "RGB"),
     ("L", 200, "RGB"), ("I;16", 65535, "RGB")],
)  # fmt: skip
def test_every_mode_of_pixels_is_read(mode, color, expected):
    out = io.BytesIO()
    Image.new(mode, (30, 20), color).save(out, "PNG")

    encoded = encode(out.getvalue())

    assert Image.open(io.BytesIO(encoded.files[30])).mode == expected


def test_a_cmyk_photo_is_read():
    out = io.BytesIO()
    Image.new("CMYK", (30, 20), (0, 255, 255, 0)).save(out, "JPEG")

    pixel = Image.open(io.BytesIO(encode(out.getvalue()).files[30])).getpixel((5, 5))

    assert pixel[0] > 150
    assert pixel[1] < 100


@pytest.mark.parametrize(
    "content", [b"GIF89a\x01\x00\x01\x00", b"<svg/>", b"%PDF-1.7",
                b"\x00" * 100, image_file("GIF"), image_file("BMP"), image_file("TIFF")],
)  # fmt: skip
def test_other_files_are_415(client, event, content):
    assert refusal(put(client, event, content)) == (415, "unsupported_media_type")
    assert refusal(put_form(client, event, content, alt="x")) == (415, "unsupported_media_type")


@pytest.mark.parametrize("media_type", ["image/gif", "text/plain", "application/json"])
def test_other_media_types_are_415(client, event, media_type):
    assert refusal(put(client, event, PNG, media_type=media_type)) == (
        415, "unsupported_media_type",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_truncated_and_damaged_images_are_400(client, event, kind):
    whole = image_file(kind, (300, 200))

    for content in (whole[: len(whole) // 2], whole[:-20] if kind != "PNG" else whole[:60]):
        response = put(client, event, content)
        assert errors_of(response) == [("image", "invalid")]
    assert Event.objects.get().image_name == ""


def bomb(width: int, height: int) -> bytes:
    """A small PNG that says it has so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b"\x00" * 1_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(8001, 5000), (12_000, 12_000), (60_000, 60_000), (2**31 - 1, 1)])
def test_decompression_bombs_are_refused_without_decoding(client, event, size):
    response = put(client, event, bomb(*size))

    code = response.json()["code"]
    assert response.status_code == 400
    assert code == "image_too_large"
    assert response.json()["max_pixels"] == 40_000_000


def test_eight_megabytes_are_the_limit(client, event):
    large = PNG + b"\x00" * (8 * 1024 * 1024 - len(PNG))

    assert put(client, event, large).status_code == 200
    assert refusal(put(client, event, large + b"\x00")) == (413, "payload_too_large")
    assert refusal(put_form(client, event, large + b"\x00", alt="x")) == (413, "payload_too_large")
    assert put_form(client, event, large, alt="x").status_code == 200


def test_an_image_needs_words_for_who_cannot_see_it(client, event):
    assert errors_of(client.put(path_of(event), PNG, content_type="image/png")) == [
        ("alt", "required")
    ]
    assert errors_of(put(client, event, alt="")) == [("alt", "blank")]
    assert errors_of(put(client, event, alt="x" * 501)) == [("alt", "max_length")]
    assert errors_of(put_form(client, event)) == [("alt", "required")]
    assert errors_of(client.put(path_of(event), {"alt": "x"}, format="multipart")) == [
        ("image", "required")
    ]
    assert errors_of(put_form(client, event, alt="x", tilte="x"))[0][1] == "unknown_field"


def test_very_long_or_wide_images_are_refused(client, event):
    assert errors_of(put(client, event, image_file(size=(2100, 100)))) == [("image", "invalid")]


def test_an_editor_sets_the_image_of_the_version_that_was_read(client, event):
    etag = client.get(f"/api/events/{event.pk}/")["ETag"]
    headers = {"If-Match": etag}
    path = f"{path_of(event)}?alt=x"

    first = client.put(path, PNG, content_type="image/png", headers=headers)
    second = client.put(path, PNG, content_type="image/png", headers=headers)

    assert first.status_code == 200
    assert first["ETag"] == client.get(f"/api/events/{event.pk}/")["ETag"] != etag
    assert refusal(second) == (412, "precondition_failed")
    assert refusal(client.delete(path_of(event), headers=headers)) == (412, "precondition_failed")


def test_a_cancelled_event_gets_no_image_but_can_lose_it(client, event):
    put(client, event)
    cancel_event(event)

    assert refusal(put(client, event)) == (409, "event_cancelled")
    assert client.delete(path_of(event)).status_code == 204
    assert client.delete(path_of(event)).status_code == 204


def test_an_image_that_is_sent_back_changes_nothing(client, event):
    image = put(client, event).json()["image"]

    response = client.patch(f"/api/events/{event.pk}/", {"name": "New", "image": None})

    assert response.status_code == 200
    assert response.json()["image"] == image


def test_a_copy_has_the_image(client, event, olga):
    image = put(client, event).json()["image"]
    copy = duplicate_event(Event.objects.get(), olga, start_time=timezone.now() + timedelta(days=9))
    put(client, event)

    assert client.get(f"/api/events/{copy.pk}/").json()["image"] == image
    assert len(files_of(image)) == 3


def test_unused_files_are_deleted_after_a_day(clock, client, event, olga):
    first = put(client, event).json()["image"]
    second = put(client, event).json()["image"]
    kept = put(client, EventFactory(organizer=olga, deleted_at=None)).json()["image"]
    Event.objects.exclude(pk=event.pk).update(deleted_at=timezone.now())

    assert delete_unused_images() == 0
    clock.shift(timedelta(days=2))
    assert delete_unused_images() == 3

    assert len(files_of(second)) == len(files_of(kept)) == 3
    assert Client().get(first["url"].removeprefix("http://localhost:8000")).status_code == 404


def test_a_full_disk_is_temporary(client, event, monkeypatch):
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(default_storage, "save", full)

    response = put(client, event)

    assert refusal(response) == (503, "temporarily_unavailable")
    assert response["Retry-After"] == "60"
    assert client.get(f"/api/events/{event.pk}/").json()["image"] is None


def test_no_file_but_those_of_images_is_served():
    default_storage.save("events/secret.txt", io.BytesIO(b"x"))

    for name in ("secret.txt", "..%2fsecret_key", f"{'a' * 32}-1x1-1.webp", "%00"):
        assert Client().get(f"/media/events/{name}").status_code == 404


def test_the_page_and_the_list_show_the_image(client, event):
    image = put(client, event, alt="A <hall>").json()["image"]
    path = client.get(f"/api/events/{event.pk}/").json()["page_url"]

    page = Client().get(path.removeprefix("http://localhost:8000")).content.decode()

    assert f'srcset="{image["srcset"]}"' in page
    assert 'alt="A &lt;hall&gt;"' in page
    assert f'<meta property="og:image" content="{image["url"]}">' in page
    assert f'"image":"{image["url"]}"' in page
    assert image["srcset"] in Client().get("/").content.decode()


def test_images_have_a_rate_limit_of_their_own(client, event, settings):
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "image": (2, 3600), "import": (1, 60)}

    statuses = [put(client, event).status_code for _ in range(3)]

    assert statuses == [200, 200, 429]


# --- scans of a JPEG ---


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def with_scans(number: int) -> bytes:
    """A progressive JPEG of 8 by 8 pixels whose further scans have nothing."""
    head = b"\xff\xd8" + segment(0xDB, bytes(1) + bytes([16]) * 64)
    head += segment(0xC2, struct.pack(">BHHB", 8, 8, 8, 1) + bytes([1, 0x11, 0]))
    head += segment(0xC4, b"\x00" + bytes([1] + [0] * 15) + b"\x00")
    head += segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\x00")
    first = segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + b"\x7f"
    further = segment(0xDA, bytes([1, 1, 0, 1, 63, 0])) + b"\x7f"
    return head + first + further * (number - 1) + b"\xff\xd9"


def test_a_jpeg_of_many_scans_is_refused(client, event):
    response = put(client, event, with_scans(51), media_type="image/jpeg")

    assert response.status_code == 400
    assert errors_of(response) == [("image", "invalid")]


@pytest.mark.parametrize(
    "content",
    [
        with_scans(50),
        with_scans(1) + b"\xff\xda" * 1000,
        with_scans(1)[:2] + segment(0xE3, b"\xff\xda" * 1000) + with_scans(1)[2:],
        image_file("JPEG", (400, 200), progressive=True),
    ],
    ids=["as many as allowed", "a film behind the end", "in a segment", "progressive"],
)
def test_bytes_that_are_no_scans_do_not_count(client, event, content):
    response = put(client, event, content, media_type="image/jpeg")

    assert response.status_code == 200, response.content


def test_a_jpeg_of_many_segments_is_refused():
    content = with_scans(1)

    with pytest.raises(ValidationFailed):
        encode(content[:20] + content[20:-2] + segment(0xFE, b"") * 6000 + content[-2:])
