"""Photos written by real encoders, read back; and everything that people name by mistake."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms

from models import photos
from models.errors import UserError
from models.face.finder import FaceFinder
from models.photos import crop_to_face, list_photos, load_image, load_photo
from models.types import Face, Image
from tests.paths import DATA


@pytest.fixture
def gradient() -> np.ndarray:
    """Red grows to the right, green grows downward, blue is even; 96 wide, 80 high."""
    y, x = np.mgrid[0:80, 0:96]
    return np.stack([x * 255 / 95, y * 255 / 79, np.full_like(x, 90)], axis=-1).astype(np.uint8)


def save(path: Path, pixels: np.ndarray, **options) -> Path:
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


def difference(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("a.png", 0),
        ("a.bmp", 0),
        ("a.tiff", 0),
        ("a.ppm", 0),
        ("a.jpg", 3),
        ("a.webp", 3),
        ("a.avif", 4),
        ("a.gif", 12),
    ],
)
def test_formats(tmp_path, gradient, name, limit):
    image = load_image(save(tmp_path / name, gradient))
    assert image.dtype == np.uint8 and image.flags.c_contiguous
    assert difference(image, gradient) <= limit


def test_the_ending_of_the_name_does_not_matter(tmp_path, gradient):
    PIL.Image.fromarray(gradient).save(tmp_path / "photo.jpg", format="PNG")
    assert difference(load_image(tmp_path / "photo.jpg"), gradient) == 0


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr"])
def test_modes(tmp_path, gradient, mode):
    picture = PIL.Image.fromarray(gradient).convert(mode)
    picture.save(tmp_path / "a.tiff")
    assert difference(load_image(tmp_path / "a.tiff"), np.array(picture.convert("RGB"))) < 1.5


def test_cmyk_jpeg(tmp_path, gradient):
    PIL.Image.fromarray(gradient).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert difference(load_image(tmp_path / "a.jpg"), gradient) < 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_becomes_light_grey(tmp_path, gradient, mode):
    picture = PIL.Image.fromarray(gradient)
    if mode == "LA":
        picture = picture.convert("L")
    alpha = np.zeros((80, 96), np.uint8)
    alpha[:, :48] = 255
    picture.putalpha(PIL.Image.fromarray(alpha))
    if mode == "PA":
        picture = picture.quantize(64)
    picture.save(tmp_path / "a.png")
    image = load_image(tmp_path / "a.png")
    assert (image[:, 48:] == 240).all()
    assert np.abs(image[:, :48].astype(int) - 240).mean() > 20


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits(tmp_path, gradient, name, channels):
    deep = gradient.astype(np.uint16) * 257
    if channels == 1:
        deep, expected = deep[..., 0], np.repeat(gradient[..., :1], 3, axis=2)
    else:
        deep, expected = deep[..., ::-1], gradient
        if channels == 4:
            deep = np.dstack([deep, np.full((80, 96), 65535, np.uint16)])
    assert cv2.imwrite(str(tmp_path / name), deep)
    assert difference(load_image(tmp_path / name), expected) <= 1


def test_float_tiff(tmp_path, gradient):
    save(tmp_path / "a.tiff", (gradient[..., 0] / 255).astype(np.float32))
    assert difference(load_image(tmp_path / "a.tiff")[..., 0], gradient[..., 0]) <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_a_turned_camera(tmp_path, gradient, orientation, name):
    # What EXIF says must be done with the stored picture, told with numpy.
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 1),
    }[orientation]
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / name, gradient, exif=exif, quality=95)
    assert difference(load_image(tmp_path / name), undo(gradient)) < 4


def test_heic(tmp_path):
    """The package reads HEIC only, so this file of one grey colour was made elsewhere."""
    path = DATA / "grey.heic"
    image = load_image(path)
    assert image.shape == (64, 96, 3)
    assert np.abs(image.astype(int) - 128).max() <= 3


def test_the_first_frame_of_an_animation(tmp_path, gradient):
    frames = [PIL.Image.fromarray(gradient), PIL.Image.fromarray(255 - gradient)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    assert difference(load_image(tmp_path / "a.webp"), gradient) == 0


def test_a_broken_colour_profile_is_ignored(tmp_path, gradient):
    save(tmp_path / "a.png", gradient, icc_profile=b"no profile")
    assert difference(load_image(tmp_path / "a.png"), gradient) == 0


def test_a_colour_profile_is_applied(tmp_path, gradient):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    save(tmp_path / "a.png", gradient, icc_profile=srgb)
    assert difference(load_image(tmp_path / "a.png"), gradient) < 1
    # The same profile with its red and blue primaries swapped must swap the colours.
    swapped = srgb.replace(b"rXYZ", b"....").replace(b"bXYZ", b"rXYZ").replace(b"....", b"bXYZ")
    save(tmp_path / "b.png", gradient, icc_profile=swapped)
    assert difference(load_image(tmp_path / "b.png"), gradient[..., ::-1]) < 3


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8_001, 20_000, 200_000])
def test_a_picture_bomb_is_refused_by_its_header(tmp_path, side, monkeypatch):
    (tmp_path / "bomb.png").write_bytes(png_header(side, side))
    monkeypatch.setattr(photos, "_to_rgb", lambda picture: pytest.fail("was decoded"))
    with pytest.raises(UserError, match="more than (36|64) million pixels"):
        load_image(tmp_path / "bomb.png")


def patched(data: bytes, old: bytes, new: bytes) -> bytes:
    """A small file's size replaced by a large one in its header."""
    assert old in data and len(old) == len(new)
    return data.replace(old, new, 1)


def bombs(folder: Path, image: np.ndarray) -> dict[str, bytes]:
    """Small files that say that they are 16,000 pixels wide and high."""
    height, width = image.shape[:2]
    side = 16_000
    data = {
        name: save(folder / f"a.{name}", image).read_bytes()
        for name in ("jpg", "bmp", "gif", "ppm", "tiff", "avif")
    }
    big, small = struct.pack(">HH", side, side), struct.pack(">HH", height, width)
    low = struct.pack("<HH", width, height)
    data["jpg"] = patched(data["jpg"], small, big)
    data["bmp"] = patched(
        data["bmp"], struct.pack("<ii", width, height), struct.pack("<ii", side, side)
    )
    data["gif"] = data["gif"].replace(low, struct.pack("<HH", side, side))
    data["ppm"] = b"P6 16000 16000 255\n" + bytes(99)
    for tag, value in ((256, width), (257, height)):
        for kind, form in ((3, "<HHIHH"), (4, "<HHII")):
            rest = (0,) if kind == 3 else ()
            entry = struct.pack(form, tag, kind, 1, value, *rest)
            if entry in data["tiff"]:
                large = struct.pack(form, tag, kind, 1, side, *rest)
                data["tiff"] = patched(data["tiff"], entry, large)
    data["avif"] = data["avif"].replace(
        struct.pack(">II", width, height), struct.pack(">II", side, side)
    )
    canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (side - 1).to_bytes(3, "little") * 2
    inner = save(folder / "a.webp", image).read_bytes()[12:]
    data["webp"] = b"RIFF" + struct.pack("<I", len(canvas + inner) + 4) + b"WEBP" + canvas + inner
    heic = (DATA / "grey.heic").read_bytes()
    at = heic.index(b"ispe") + 8
    data["heic"] = heic[:at] + struct.pack(">II", side, side) + heic[at + 8 :]
    return data


def test_bombs_of_every_kind_are_refused_undecoded(tmp_path, gradient, monkeypatch):
    monkeypatch.setattr(photos, "_to_rgb", lambda picture: pytest.fail("was decoded"))
    for name, data in bombs(tmp_path, gradient).items():
        path = tmp_path / f"bomb.{name}"
        path.write_bytes(data)
        tracemalloc.start()
        with pytest.raises(UserError) as caught:
            load_image(path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000, name
        tracemalloc.stop()
        if name not in ("webp", "avif", "heic"):  # Their decoders call the two sizes a fault.
            assert "million pixels" in str(caught.value), name


def test_a_jpeg_of_too_many_passes_is_refused(tmp_path, gradient):
    large = np.zeros((4000, 4000, 3), np.uint8)
    path = save(tmp_path / "a.jpg", large, progressive=True)
    assert load_image(path).shape == (4000, 4000, 3)
    data = path.read_bytes()
    last = data.rindex(b"\xff\xda")
    path.write_bytes(data[:-2] + data[last:-2] * 120 + data[-2:])
    with pytest.raises(UserError, match="take minutes"):
        load_image(path)


def test_what_looks_like_a_pass_in_other_formats_is_none(tmp_path):
    """Two bytes that are anywhere in pictures with noise; strips of a TIFF are not passes."""
    image = np.full((1000, 1200, 3), (255, 218, 255), np.uint8)
    for name in ("a.ppm", "a.bmp", "a.tiff"):
        path = save(tmp_path / name, image)
        assert path.read_bytes().count(b"\xff\xda") > 1_000_000
        assert (load_image(path) == image).all()
    path = save(tmp_path / "strips.tiff", image, compression="jpeg")
    passes = path.read_bytes().count(b"\xff\xda")
    assert passes > 30
    picture = PIL.Image.open(path)
    assert photos._scanned(picture, path.read_bytes()) <= 2 * image.shape[0] * image.shape[1]
    assert load_image(path).shape == image.shape


def test_a_large_jpeg_is_halved_while_it_is_decoded(tmp_path, gradient, monkeypatch):
    monkeypatch.setattr(photos, "_KEPT_PIXELS", 96 * 80 // 2)
    monkeypatch.setattr(PIL.Image.Image, "reduce", lambda *_: pytest.fail("decoded as a whole"))
    for options in ({}, {"progressive": True}, {"exif": turned(6)}):
        image = load_image(save(tmp_path / "a.jpg", gradient, quality=98, **options))
        image = np.rot90(image, 1) if "exif" in options else image
        assert image.shape == (40, 48, 3)
        assert difference(image, gradient[::2, ::2]) < 3


def test_a_large_photo_is_shrunk_and_keeps_its_looks(tmp_path, gradient, monkeypatch):
    monkeypatch.setattr(photos, "_KEPT_PIXELS", 96 * 80 // 4)
    for options in ({}, {"exif": turned(6)}):
        image = load_image(save(tmp_path / "a.png", gradient, **options))
        wide = np.rot90(image, 1) if options else image
        assert wide.shape == (40, 48, 3)
        assert difference(wide, gradient[::2, ::2]) < 2
    for mode in ("L", "P", "RGBA", "LA", "I;16", "F", "1", "CMYK"):
        picture = PIL.Image.fromarray(gradient)
        source = picture.convert("L").convert("I").convert("I;16") if mode == "I;16" else None
        path = tmp_path / "b.tiff"
        (source or picture.convert(mode)).save(path)
        assert load_image(path).shape == (40, 48, 3), mode


def turned(orientation: int) -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return exif


def sentence(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_image(path)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".") and path.name in text
    return text


def test_what_is_not_a_photo(tmp_path, gradient):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("This is a letter, not a picture. " * 50)
    (tmp_path / "vector.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n")
    (tmp_path / "folder.jpg").mkdir()
    save(tmp_path / "tiny.png", gradient[:63])
    assert "zero bytes" in sentence(tmp_path / "empty.jpg")
    assert "not a picture" in sentence(tmp_path / "text.jpg")
    assert "not a picture" in sentence(tmp_path / "vector.eps")
    assert "is a folder" in sentence(tmp_path / "folder.jpg")
    assert "no file" in sentence(tmp_path / "missing.jpg")
    assert "96 x 63" in sentence(tmp_path / "tiny.png")
    with pytest.raises(UserError, match="cannot be read"):
        load_image(Path("a\0b"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "not a file" in sentence(tmp_path / "pipe.jpg")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_a_file_of_somebody_else(tmp_path, gradient):
    save(tmp_path / "a.png", gradient).chmod(0)
    assert "permissions" in sentence(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tiff", "a.gif", "a.bmp"])
@pytest.mark.parametrize("keep", [0.3, 0.7])
def test_a_file_that_was_cut_off(tmp_path, name, keep):
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8)
    data = save(tmp_path / name, noise).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * keep)])
    assert "broken" in sentence(tmp_path / name) or "not a picture" in sentence(tmp_path / name)


def test_random_damage_is_a_sentence_or_a_picture(tmp_path, gradient):
    random = np.random.default_rng(7)
    for name in ("a.jpg", "a.png", "a.webp", "a.tiff", "a.gif", "a.avif"):
        good = save(tmp_path / name, gradient).read_bytes()
        for _ in range(25):
            bad = bytearray(good)
            for position in random.integers(0, len(bad), 8):
                bad[position] = random.integers(0, 256)
            (tmp_path / name).write_bytes(bad)
            try:
                image = load_image(tmp_path / name)
            except UserError as error:
                assert name in str(error)
            else:
                assert image.ndim == 3 and image.shape[2] == 3


def face_at(cx: float, cy: float, height: float) -> Face:
    angle = np.linspace(0, 2 * np.pi, 478, endpoint=False, dtype=np.float32)
    points = np.stack(
        [cx + 0.4 * height * np.cos(angle), cy + 0.5 * height * np.sin(angle), 0 * angle], axis=-1
    )
    return Face(points.astype(np.float32), None, 1.0)


class Known(FaceFinder):
    """Knows the faces of all pictures, without networks."""

    def __init__(self, faces: list[Face]) -> None:
        self._faces = faces

    def find_faces(self, image: Image) -> list[Face]:
        return self._faces


def test_choosing_a_face(tmp_path, gradient):
    path = save(tmp_path / "two.png", np.tile(gradient, (5, 5, 1)))
    faces = [face_at(150, 200, 200), face_at(350, 200, 120)]
    assert load_photo(path, Known(faces)).face is faces[0]
    assert load_photo(path, Known(faces), 2).face is faces[1]
    assert load_photo(path, Known(faces)).name == "two"
    for wrong in (0, -1, 3):
        with pytest.raises(UserError, match="shows 2 faces.*--face 1 to 2"):
            load_photo(path, Known(faces), wrong)
    with pytest.raises(UserError, match="shows 1 face,"):
        load_photo(path, Known(faces[:1]), 2)


def test_no_face_and_a_tiny_face(tmp_path, gradient):
    path = save(tmp_path / "sky.png", gradient)
    with pytest.raises(UserError, match=r"No face was found in .*sky\.png; use"):
        load_photo(path, Known([]))
    with pytest.raises(UserError, match="only 20 pixels high"):
        load_photo(path, Known([face_at(50, 40, 20)]))


@pytest.mark.parametrize(("cx", "cy"), [(500, 400), (60, 60), (940, 740), (500, 30)])
def test_a_small_face_is_cropped_to(cx, cy):
    y, x = np.mgrid[0:800, 0:1000]
    image = np.stack([x // 4, y // 4, x * 0], axis=-1).astype(np.uint8)
    face = face_at(cx, cy, 100)
    cropped, moved = crop_to_face(image, face)
    assert cropped.shape == (320, 320, 3) and cropped.flags.c_contiguous
    # The same picture content lies under the landmarks as before.
    shift = (face.landmarks - moved.landmarks)[0]
    assert np.allclose(face.landmarks - moved.landmarks, shift, atol=1e-3) and shift[2] == 0
    assert (cropped[0, 0, :2] == shift[:2] // 4).all()
    left, top, right, bottom = moved.box
    if (cx, cy) == (500, 400):
        assert top > 80 and 320 - bottom > 80


def test_a_large_face_keeps_the_whole_photo():
    image = np.zeros((400, 900, 3), np.uint8)
    face = face_at(450, 200, 90)
    assert crop_to_face(image, face) == (image, face)


def test_the_real_finder(shared, tmp_path):
    finder = FaceFinder()
    whole = load_photo(shared / "real" / "s9.jpg", finder)
    left, top, right, bottom = whole.face.box
    height, width = whole.image.shape[:2]
    assert 0 <= left < right <= width and 0 <= top < bottom <= height

    # The same painting small in a large photo: the crop finds the same face at the same place.
    canvas = np.full((height * 4, width * 6, 3), 128, np.uint8)
    canvas[height * 2 : height * 3, width * 3 : width * 4] = whole.image
    photo = load_photo(save(tmp_path / "far.png", canvas), finder)
    assert photo.image.shape[0] < canvas.shape[0]
    again = finder.find_faces(photo.image)[0]
    assert np.abs(again.landmarks[:, :2] - photo.face.landmarks[:, :2]).mean() < 0.02 * (
        bottom - top
    )


def test_listing_a_folder(tmp_path, gradient):
    for name in ("b.JPG", "a.png", "C.webp", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [path.name for path in list_photos(tmp_path)] == ["a.png", "b.JPG", "C.webp"]
    with pytest.raises(UserError, match="cannot be listed"):
        list_photos(tmp_path / "a.png")
    with pytest.raises(UserError, match="cannot be listed"):
        list_photos(tmp_path / "missing")
