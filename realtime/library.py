"""Moving a photo from a program of one's own, in three calls: prepare, follow, draw."""

from __future__ import annotations

from pathlib import Path

from models.animator import Motion
from models.backends import DEFAULT, create_animator
from models.face.finder import FaceFinder
from models.face.tracker import FaceTracker
from models.photos import load_photo
from realtime.animation.animation import Animation


def prepare(
    photo: str | Path,
    *,
    backend: str = DEFAULT,
    size: int | None = None,
    motion: Motion = "relative",
    adapt_scale: bool = True,
) -> Animation:
    """Make a photo ready to be moved.

    What comes back follows a driver with `follow(frame)`, which takes a
    `realtime.frames.CameraFrame`, calibrates by itself and never raises, and renders with
    `draw(followed)`, which gives a `realtime.frames.AvatarFrame`: the avatar alone, without the
    badge. Whoever shows that to people should tell them what it is.

    Args:
        photo: a file that shows a face.
        backend: what `run --backend` takes.
        size: the picture's longer side in pixels, at most; None for what suits the backend.
        motion: since the calibration, or absolute.
        adapt_scale: scale the motion by the size of the faces.

    Returns:
        The animation, at rest.

    Raises:
        UserError: the photo or the backend cannot be used.
    """
    animator = create_animator(backend)
    loaded = load_photo(Path(photo), FaceFinder())
    avatar = animator.prepare(loaded, size or animator.best_size())
    return Animation(animator, FaceTracker(), avatar, motion=motion, adapt_scale=adapt_scale)
