"""Photos as people have them: any size, any mode, turned by EXIF, with several faces or none."""

from __future__ import annotations

import io
import os
import stat
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
from PIL import ImageCms, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from models.errors import UserError
from models.face.face_file import face_path
from models.face.finder import FaceFinder
from models.face.orientation import turned, turned_points
from models.face.upright import upright
from models.types import Face, Image, Photo

MAX_PIXELS = 64_000_000
"""More than any usual camera has; decoded they take 192 MB."""

_MAX_PIXELS_OF = {
    "PNG": 36_000_000,
    "HEIF": 50_000_000,
    "WEBP": 40_000_000,
    "AVIF": 40_000_000,
}
"""Where the decoder is slow, or needs 16 bytes for each (WebP): two seconds, 1 GB at most."""

MIN_SIDE = 64
"""Pixels; less has no room for a face of `MIN_FACE_HEIGHT` and anything around it."""

MIN_FACE_HEIGHT = 40.0
"""Pixels; below, landmarks and picture are too coarse to be animated."""

_SUFFIXES = frozenset(
    ".jpg .jpeg .jfif .png .webp .bmp .tif .tiff .gif .heic .heif .avif .ppm .pgm".split()
)
# Only formats of pictures: Pillow would also run Ghostscript on a PostScript file.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "HEIF", "AVIF", "PPM")
_MAX_BYTES = 600_000_000
"""More than `MAX_PIXELS` take uncompressed, with four channels of 16 bits: 512 MB."""

_KEPT_PIXELS = 32_000_000
"""Larger pictures are halved as soon as they are decoded, or while: the avatar is at most 720
high, and what comes after the decoder would take longer than it."""

_SCANNED_PIXELS = 1_500_000_000
"""Pixels times passes over them: a progressive JPEG may ask for thousands of passes. The largest
photo may have 23; libjpeg writes 10."""

_BACKGROUND = (240, 240, 240)
"""RGB below what is transparent: light, as the pages that cut-out faces are made for, but not
white, in which white hair would end."""

_SCAN = b"\xff\xda"
"""JPEG's marker (ITU-T T.81) with which each pass begins."""

_STRIPS, _TILES = 273, 324
"""TIFF's tags (TIFF 6.0) with the places of a picture's parts."""

_SMALL_FACE = 0.22
"""Share of the photo's height below which a face is small. In an avatar 512 pixels high it would
have less than 113; a larger share would cut the surroundings off more photos."""

_CROP_SIDE = 3.2
"""Side of the crop around a small face, in its longer sides: room for hair and shoulders, and a
third of the height for the face."""


class NoFaceError(UserError):
    """A picture shows no face that is found and can be used; its points may be placed by hand."""


def load_image(path: Path) -> Image:
    """Read a picture file as it should be seen: turned upright, in sRGB, without transparency.

    JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC, AVIF and PPM; of an animation the first frame. Sixteen
    bits are scaled to eight, transparency is laid over a light grey.

    Raises:
        UserError: there is no such file, it is not a picture, broken, too large or too small.
    """
    return decode_image(_read(path), path)


def decode_image(data: bytes, path: Path, max_pixels: int = MAX_PIXELS) -> Image:
    """As `load_image`, of a file's bytes.

    Args:
        data: the file's bytes.
        path: what to call it in messages; nothing is read from there.
        max_pixels: more are refused before they are decoded.

    Returns:
        (H, W, 3) RGB; half as wide and high as the file's where that has more than 32 million
        pixels.

    Raises:
        UserError: it is not a picture, broken, too large or too small.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns about large pictures; the limit below is our own.
            warnings.simplefilter("ignore")
            picture = _open(data)
            limit = min(max_pixels, _MAX_PIXELS_OF.get(picture.format or "", max_pixels))
            _check_size(path, *picture.size, limit)
            if _scanned(picture, data) > _SCANNED_PIXELS:
                raise UserError(
                    f"{path} would take minutes to decode; save it anew as an ordinary JPEG."
                )
            if picture.width * picture.height > _KEPT_PIXELS:
                # What a JPEG would lose by being halved is not even decoded.
                picture.draft(None, (picture.width // 2, picture.height // 2))
            picture.load()
            ImageOps.exif_transpose(picture, in_place=True)
            pixels = _to_rgb(_shrunk(picture))
    except UserError:
        raise
    except PIL.Image.DecompressionBombError as error:
        raise _too_large(path, max_pixels) from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"{path} is not a picture that can be read; use a JPEG, PNG, WebP, BMP, TIFF, GIF "
            "or HEIC file."
        ) from error
    except MemoryError as error:
        raise UserError(
            f"There is not enough memory to open {path}; use a smaller copy of it."
        ) from error
    except Exception as error:  # Decoders raise nearly anything on a broken file.
        raise UserError(
            f"{path} is broken or cut off and cannot be read; copy it again or use another photo."
        ) from error
    return pixels


def load_photo(
    path: Path, finder: FaceFinder, face: int | None = None, everyone: bool = False
) -> Photo:
    """Read a photo and choose the face to animate.

    Where the face is small in its photo, the photo is cropped to its surroundings; where it clearly
    lies on its side or upside down, the photo is turned.

    Args:
        path: the picture file.
        finder: knows its faces; a face that was placed by hand is the only one.
        face: which face, from 1 on, largest first; None for the largest.
        everyone: all faces, unless one is named.

    Raises:
        UserError: the file, or that of its face, cannot be read, or it shows no face, too few
            faces or too small a face.
    """
    image, faces, degrees = read_faces(path, finder)
    if everyone and face is None:
        return replace(choose_all(image, faces, path), turned=degrees)
    return replace(choose_face(image, faces, path, face), turned=degrees)


def read_faces(
    path: Path, finder: FaceFinder, turn: int | None = None
) -> tuple[Image, list[Face], int]:
    """Read a photo and find all its faces.

    Args:
        path: the picture file.
        finder: knows its faces; a face that was placed by hand is the only one.
        turn: degrees clockwise by which it is turned, 0, 90, 180 or 270; None: where its face
            clearly lies on its side or upside down, until it is upright.

    Returns:
        The picture, its faces, largest first, and by how many degrees it was turned unasked.

    Raises:
        UserError: the file, or that of its face, cannot be read.
    """
    image = load_image(path)
    placed = os.path.exists(face_path(path))  # Path.exists raises where a name is too long.
    if placed or turn is None:
        faces = finder.faces_of(image, path)
        if turn is None:
            # What somebody has placed stays as it was placed.
            return (image, faces, 0) if placed else turn_upright(image, faces, finder)
    turns = (turn or 0) // 90
    view = turned(image, turns)
    if not placed:
        return view, finder.find_faces(view), 0
    moved = [
        replace(one, landmarks=turned_points(one.landmarks, turns, image.shape)) for one in faces
    ]
    return view, moved, 0


def turn_upright(
    image: Image, faces: list[Face], finder: FaceFinder
) -> tuple[Image, list[Face], int]:
    """A picture turned so that its face is upright, if that clearly is one then.

    Args:
        image: (H, W, 3) RGB.
        faces: those that were found in it, largest first.
        finder: finds those of the turned one.

    Returns:
        The picture, its faces, and the degrees clockwise by which it was turned.
    """
    turns, faces = upright(image, faces, finder.find_faces)
    return turned(image, turns), faces, 90 * turns


def turned_line(name: str, degrees: int) -> str:
    """What to tell about a photo that was turned clockwise by 90, 180 or 270 degrees."""
    lay = "upside down" if degrees == 180 else "on its side"
    return f"The photo {name} lay {lay}; it was turned by {degrees} degrees."


def choose_face(image: Image, faces: list[Face], path: Path, face: int | None = None) -> Photo:
    """As `load_photo`, of a picture whose faces are known.

    Args:
        image: (H, W, 3) RGB.
        faces: those in it, largest first.
        path: what to call it in messages.
        face: which face, from 1 on; None for the largest.

    Raises:
        NoFaceError: it shows no face, or too small a one.
        UserError: it shows too few faces.
    """
    if not faces:
        raise NoFaceError(
            f"No face was found in {path}; use a photo of one person who looks at the camera, "
            "well lit, or place the points of an animal's or a drawing's face on the page that "
            "`avatarify-like run` opens."
        )
    number = 1 if face is None else face
    if not 1 <= number <= len(faces):
        shown = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
        choice = "leave --face out" if len(faces) == 1 else f"give --face 1 to {len(faces)}"
        raise UserError(
            f"{path} shows {shown}, so there is no face {number}; {choice} (the largest is 1)."
        )
    chosen = faces[number - 1]
    _, top, _, bottom = chosen.box
    if bottom - top < MIN_FACE_HEIGHT:
        raise NoFaceError(
            f"The face in {path} is only {max(bottom - top, 0):.0f} pixels high; use a photo in "
            f"which it has at least {MIN_FACE_HEIGHT:.0f}, better 200."
        )
    image, chosen = crop_to_face(image, chosen)
    return Photo(image, chosen, path.stem)


def choose_all(image: Image, faces: list[Face], path: Path) -> Photo:
    """The same with all faces that are large enough, the largest first.

    The picture stays whole where there are several.

    Raises:
        NoFaceError: it shows no face, or too small ones.
    """
    large = [face for face in faces if face.box[3] - face.box[1] >= MIN_FACE_HEIGHT]
    if len(large) < 2:
        return choose_face(image, faces, path)
    return Photo(image, large[0], path.stem, others=tuple(large[1:]))


def crop_to_face(
    image: Image, face: Face, small: float = _SMALL_FACE, room: float = _CROP_SIDE
) -> tuple[Image, Face]:
    """Crop a picture around a face that is small in it; else both come back as they are.

    The square keeps room for hair and shoulders and stays inside the picture as far as it can.

    Args:
        image: (H, W, 3).
        face: in its pixels.
        small: share of the picture's height below which it is cropped.
        room: side of the crop, in longer sides of the face.

    Returns:
        The cropped picture, and the same face in its pixels.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = face.box
    face_height = bottom - top
    if face_height >= small * height:
        return image, face
    side = room * max(face_height, right - left)
    # A little lower than the face, because the mesh ends at the chin and shoulders follow.
    x0, x1 = _window((left + right) / 2, side, width)
    y0, y1 = _window((top + bottom) / 2 + 0.15 * face_height, side, height)
    moved = face.landmarks - np.array([x0, y0, 0], np.float32)
    return np.ascontiguousarray(image[y0:y1, x0:x1]), replace(face, landmarks=moved)


def list_photos(folder: Path) -> list[Path]:
    """The picture files of a folder by the ending of their names, sorted; not of its subfolders.

    Raises:
        UserError: it is not a folder or cannot be listed.
    """
    try:
        found = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()
        ]
    except OSError as error:
        raise UserError(
            f"The folder {folder} cannot be listed ({error.strerror}); name another one."
        ) from error
    return sorted(found, key=lambda path: (path.name.casefold(), path.name))


def _window(centre: float, side: float, limit: int) -> tuple[int, int]:
    """First and last+1 index of `side` pixels around `centre`, moved into 0..limit."""
    length = min(round(side), limit)
    start = min(max(round(centre - side / 2), 0), limit - length)
    return start, start + length


def _read(path: Path) -> bytes:
    """The bytes of a file that should be a picture."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UserError(f"{path} is a folder; name one picture file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path} is not a file; name a picture file.")
        if status.st_size == 0:
            raise UserError(f"{path} is empty (zero bytes); copy it again or use another photo.")
        if status.st_size > _MAX_BYTES:
            raise UserError(f"{path} is too large to be a photo; name a picture file.")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"There is no file {path}; check the name.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{os.fspath(path)!r} cannot be read ({reason}); check the name and its permissions."
        ) from error


def _open(data: bytes) -> PIL.Image.Image:
    """The picture's header; the pixels are decoded later."""
    import pi_heif

    pi_heif.register_heif_opener()
    PIL.Image.init()
    known = [name for name in _FORMATS if name in PIL.Image.OPEN]
    return PIL.Image.open(io.BytesIO(data), formats=known)


def _check_size(path: Path, width: int, height: int, limit: int) -> None:
    if width * height > limit:
        raise _too_large(path, limit)
    if min(width, height) < MIN_SIDE:
        raise UserError(
            f"{path} is only {width} x {height} pixels; use a photo of at least "
            f"{MIN_SIDE} x {MIN_SIDE}, better 512 x 512."
        )


def _scanned(picture: PIL.Image.Image, data: bytes) -> int:
    """How many pixels a decoder of JPEG goes over, in all passes; 0 for other formats."""
    if isinstance(picture, TiffImageFile):
        if picture.info.get("compression") not in ("jpeg", "tiff_jpeg"):
            return 0
        places = picture.tag_v2.get(_STRIPS) or picture.tag_v2.get(_TILES) or (0,)
        parts = max(len(places), 1)
    elif picture.format in ("JPEG", "MPO"):
        parts = 1
    else:
        return 0
    return data.count(_SCAN) * picture.width * picture.height // parts


def _shrunk(picture: PIL.Image.Image) -> PIL.Image.Image:
    """The picture itself, or half as wide and high where it has more than `_KEPT_PIXELS`."""
    if picture.width * picture.height <= _KEPT_PIXELS:
        return picture
    if picture.mode in ("1", "P", "PA"):
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    elif picture.mode.startswith("I;"):
        picture = picture.convert("I")
    return picture.reduce(2)


def _too_large(path: Path, limit: int) -> UserError:
    return UserError(
        f"{path} has more than {limit // 1_000_000} million pixels; use a smaller copy of it."
    )


def _to_rgb(picture: PIL.Image.Image) -> Image:
    """The pixels in sRGB, (H, W, 3) uint8, without transparency."""
    profile = picture.info.get("icc_profile")
    if picture.mode == "F" or picture.mode.startswith("I"):
        picture = _to_eight_bits(picture)
    if "A" in picture.getbands() or "a" in picture.getbands() or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = PIL.Image.new("RGBA", layer.size, (*_BACKGROUND, 255))
        picture.alpha_composite(layer)
        picture = picture.convert("RGB")
    picture = _to_srgb(picture, profile)
    return np.array(picture.convert("RGB"), np.uint8, order="C")


def _to_eight_bits(picture: PIL.Image.Image) -> PIL.Image.Image:
    """Grey values of 16 or 32 bits or floats, scaled instead of cut off at 255."""
    values = np.asarray(picture, np.float32)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    highest = float(values.max(initial=0.0))
    # The full scale is not told: 0..1 for floats, else the narrowest usual one that holds them.
    if picture.mode == "F" and highest <= 1.0:
        scale = 1.0
    elif picture.mode in ("I", "F") and highest <= 255.0:
        scale = 255.0
    else:
        scale = 65535.0 if highest <= 65535.0 else highest
    eight = np.clip(values * (255.0 / scale) + 0.5, 0, 255).astype(np.uint8)
    return PIL.Image.fromarray(eight)


def _to_srgb(picture: PIL.Image.Image, profile: bytes | None) -> PIL.Image.Image:
    """Apply the embedded colour profile, such as the wide one of phones or a printer's CMYK."""
    if not profile or picture.mode not in ("RGB", "CMYK"):
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture  # A broken profile: the colours as they are written.
    return picture if converted is None else converted
