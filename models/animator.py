"""The contract that every backend fulfils, and the registry of backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from models.errors import UserError
from models.types import Avatar, Crop, Face, Image, Keypoints, Photo, Strengths


class Animator(Protocol):
    """A way to move a photo: keypoint detector, relative motion and generator.

    `detect`, `relative` and `absolute` are called by one thread, `render` by another and `prepare`
    by a third, at the same time: they share nothing that changes.
    """

    name: str
    """The backend's name, as `--backend` takes it before a colon."""

    @property
    def device(self) -> str:
        """Where it computes and why, in a few words for the status line: "CPU (no GPU needed)"."""
        ...

    sliders: tuple[str, ...]
    """The fields of `Strengths` that `strengthen` heeds; it ignores the others."""

    def prepare(self, photo: Photo, size: int) -> Avatar:
        """Make a photo ready to be rendered with its longer side at most `size` pixels.

        Raises:
            UserError: the photo cannot be animated by this backend.
        """
        ...

    def detect(self, frame: Image, face: Face, crop: Crop) -> Keypoints | None:
        """Keypoints of the driving frame in `crop`, or None if this frame is of no use."""
        ...

    def relative(
        self, avatar: Any, reference: Keypoints, driving: Keypoints, adapt_scale: bool
    ) -> Keypoints:
        """The motion from `reference` (the calibration frame) to `driving`, applied to the source.

        With `adapt_scale`, motion is scaled by the ratio of the source's face to the reference's.
        """
        ...

    def strengthen(
        self, reference: Keypoints, driving: Keypoints, strengths: Strengths
    ) -> Keypoints:
        """The driving keypoints with more or less of their motion since `reference`."""
        ...

    def absolute(self, avatar: Any, driving: Keypoints) -> Keypoints:
        """The source's keypoints placed where the driving ones are, without a calibration."""
        ...

    def render(self, avatar: Any, keypoints: Keypoints) -> Image:
        """The avatar's picture with the face moved to `keypoints`; the size of `avatar.still`."""
        ...


def _mesh(choice: str) -> Animator:
    if choice:
        raise UserError("The backend mesh has no models to choose from; say --backend mesh.")
    from models.mesh.backend import MeshAnimator

    return MeshAnimator()


def _fomm(choice: str) -> Animator:
    from models.fomm.backend import create

    return create(choice)


BACKENDS: dict[str, Callable[[str], Animator]] = {"mesh": _mesh, "fomm": _fomm}
"""Name to constructor, which takes what follows a colon; modules are imported when chosen."""


def create_animator(name: str) -> Animator:
    """Build the backend called `name`, such as "mesh", "fomm" or "fomm:MODEL".

    Raises:
        UserError: no backend has this name, or it cannot be built here.
    """
    backend, _, choice = name.partition(":")
    try:
        build = BACKENDS[backend]
    except KeyError:
        raise UserError(
            f"There is no backend called {backend!r}; choose one of: {', '.join(sorted(BACKENDS))}."
        ) from None
    return build(choice)
