import base64
import io

import numpy as np
import pytest
from PIL import Image

from app.imaging import prepare, read, to_png
from app.recognizer import Recognizer
from tests.calls import assert_problem, blank, count, predict, submit
from tests.drawings import BLACK, WHITE, colour, draw, encode, photo, seven
from tests.scenes import FILES, animated

MEGABYTE = 1_000_000
FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif", "BMP": "image/bmp"}


def fifty_megapixels() -> bytes:
    return encode(Image.new("1", (10_000, 5_000), 1))


# what cannot be used: the picture, the status, the error's name
UNUSABLE = {
    "blank": (blank(), 422, "BlankImage"),
    "one pixel": (encode(np.full((1, 1), 200, np.uint8)), 422, "BlankImage"),
    "text": (b"seven\n" * 50, 415, "NotAnImage"),
    "50 megapixels": (fifty_megapixels(), 413, "ImageTooLarge"),
    "11 MB": (bytes(11 * MEGABYTE), 413, "BodyTooLarge"),
    "truncated JPEG": (encode(photo(draw(3)), "JPEG")[:2000], 400, "MalformedImage"),
    "truncated PNG": (encode(photo(draw(3)))[:2000], 400, "MalformedImage"),
}


# --- answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("digit", range(10))
def test_drawn_digit_is_read(client, model, digit):
    answer = predict(client, encode(draw(digit))).json()
    assert answer["digit"] == digit
    assert answer["confidence"] == max(answer["probabilities"]) == answer["probabilities"][digit]
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert answer["unsure"] == (answer["confidence"] < model.card.unsure_below)
    assert answer["model"] == model.version
    assert answer.get("preview") is None


def test_answer_is_what_imaging_and_model_give(client, model):
    data = encode(photo(draw(5, 700)), "JPEG")
    assert predict(client, data).json()["probabilities"] == model.read(prepare(read(data))).probabilities


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read(client, kind):
    data = encode(colour(draw(4), BLACK, WHITE), kind)
    assert predict(client, data, FORMATS[kind]).json()["digit"] == 4


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/jpeg", "application/x-www-form-urlencoded", ""])
def test_announced_type_does_not_matter(client, kind):
    assert predict(client, seven(), kind).json()["digit"] == 7


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animation_is_read_by_its_first_frame(client, kind):
    assert predict(client, animated(3, kind), "image/gif").json()["digit"] == 3


def test_cmyk_jpeg_is_read(client):
    assert predict(client, FILES["jpeg cmyk"](8), "image/jpeg").json()["digit"] == 8


def test_large_photo_is_read(client):
    data = encode(photo(draw(2, (3000, 2000))), "JPEG", quality=85)
    assert predict(client, data, "image/jpeg").json()["digit"] == 2


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_form_gives_the_same_as_the_body(client, path):
    data = encode(draw(9))
    by_form = client.post(path, files={"file": ("nine.png", data, "image/png")})
    by_body = client.post(path, content=data, headers={"Content-Type": "image/png"})
    assert by_form.json() == by_body.json()


def test_preview_is_what_the_model_saw(client, model):
    answer = predict(client, seven(), preview=True).json()
    kind, encoded = answer["preview"].split(",")
    assert kind == "data:image/png;base64"
    seen = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert (seen.format, seen.mode, seen.size) == ("PNG", "L", (28, 28))
    np.testing.assert_allclose(np.asarray(seen) / 255, prepare(draw(7)), atol=0.51 / 255)


def test_prediction_leaves_no_row(client, database):
    predict(client, seven())
    assert count(database) == 0


# --- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_unusable_picture_is_refused(client, path, name):
    data, status, error = UNUSABLE[name]
    assert_problem(client.post(path, content=data, headers={"Content-Type": "image/png"}), status, error)


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_unusable_picture_in_a_form_is_refused(client, path, name):
    data, status, error = UNUSABLE[name]
    assert_problem(client.post(path, files={"file": ("x.png", data, "image/png")}), status, error)


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_picture_is_not_stored(client, database, name):
    data, status, error = UNUSABLE[name]
    assert_problem(submit(client, data), status, error)
    assert count(database) == 0


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_body_of_unknown_length_is_refused_once_it_is_too_large(client, path):
    sent = 0

    def endless():
        nonlocal sent
        while sent < 50:
            sent += 1
            yield bytes(MEGABYTE)

    assert_problem(client.post(path, content=endless(), headers={"Content-Type": "image/png"}), 413, "BodyTooLarge")


def test_picture_of_nearly_10_mb_is_read(client):
    noise = np.random.default_rng(0).integers(0, 2, (1500, 2180), dtype=np.uint8) * 20
    picture = np.stack([np.maximum(draw(6, (2180, 1500)), noise)] * 3, -1)
    data = encode(picture, "BMP")
    assert 9.7 * MEGABYTE < len(data) < 10 * MEGABYTE
    assert predict(client, data, "image/bmp").json()["digit"] == 6
    assert client.post("/predict", files={"file": ("six.bmp", data, "image/bmp")}).json()["digit"] == 6


@pytest.mark.parametrize(
    "form",
    [
        {"data": {"file": "not a file"}, "files": {"other": b"1"}},
        {"files": {"picture": ("seven.png", seven(), "image/png")}},
        {"files": {"file": ("seven.png", b"", "image/png")}},
    ],
    ids=["text field", "another field", "empty file"],
)
def test_form_without_a_picture_is_refused(client, form):
    assert_problem(client.post("/predict", **form), 422, "MissingImage")


def test_empty_body_is_refused(client):
    assert_problem(predict(client, b""), 422, "MissingImage")


FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="\xe9.png"\r\n\r\n' + seven() + b"\r\n--x--\r\n"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", seven()),
        ("multipart/form-data; boundary=x", seven()),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"),
        ("multipart/form-data; boundary=" + "x" * 300, b"--x--\r\n"),
        ("multipart/form-data; charset=undefined; boundary=x", FORM),
        ("multipart/form-data; charset=punycode; boundary=x", FORM),
    ],
    ids=["no boundary", "no parts", "cut off", "long boundary", "no charset", "another charset"],
)
@pytest.mark.parametrize("path", ["/predict", "/submissions"])
def test_malformed_form_is_a_client_error(client, database, path, kind, body):
    response = client.post(path, content=body, headers={"Content-Type": kind})
    assert response.status_code in (400, 422)
    assert_problem(response, response.status_code)
    assert count(database) == 0


def test_many_files_are_refused(client):
    files = [("file", (f"{n}.png", seven(), "image/png")) for n in range(30)]
    assert_problem(client.post("/predict", files=files), 400)


def test_error_says_what_is_wrong(client):
    assert predict(client, blank()).json() == {"error": "BlankImage", "detail": "There is no ink on the image."}


# --- explain ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("digit", range(10))
def test_explanation_is_on_the_ink_and_supports_the_prediction(client, digit):
    answer = client.post("/explain", content=encode(draw(digit)), headers={"Content-Type": "image/png"}).json()
    relevance, image = np.array(answer["relevance"]), prepare(draw(digit))
    assert relevance.shape == (28, 28)
    assert np.abs(relevance).max() == pytest.approx(1)
    assert not relevance[image == 0].any()
    assert relevance.clip(0).sum() > np.abs(relevance.clip(max=0)).sum()  # more for it than against it
    assert answer["digit"] == digit
    assert answer["preview"].startswith("data:image/png;base64,")


def test_another_digit_is_explained_on_request(client):
    def relevance(**query) -> np.ndarray:
        answer = client.post("/explain", content=seven(), headers={"Content-Type": "image/png"}, params=query)
        return np.array(answer.json()["relevance"])

    assert np.array_equal(relevance(), relevance(digit=7))
    assert not np.array_equal(relevance(), relevance(digit=9))
    assert_problem(client.post("/explain", content=seven(), params={"digit": 10}), 422, "InvalidRequest")


def test_explanation_comes_with_the_same_prediction(client):
    explained = client.post("/explain", content=seven(), headers={"Content-Type": "image/png"}).json()
    predicted = predict(client, seven(), preview=True).json()
    assert {name: explained[name] for name in predicted} == predicted


# --- the kept sketch --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["jpeg strongly compressed", "png 16 bit", "webp transparent"])
def test_kept_sketch_gives_the_same_answer(client, model: Recognizer, name):
    data = FILES[name](5)
    assert predict(client, to_png(read(data))).json() == predict(client, data).json()
