"""A backend whose frames take long, behind the program's command line: for processes of tests."""

from __future__ import annotations

import sys
import time
from typing import Any

from models import backends
from models.animator import Animator
from models.types import Image
from realtime.cli import app

SECONDS = 0.4
"""That a frame takes: more than `realtime.pipeline.kept_frames.WORTH`."""


def _create(choice: str) -> Animator:
    animator = backends.create_animator(backends.DEFAULT)
    quick = animator.render

    def render(avatar: Any, pose: Any) -> Image:
        time.sleep(SECONDS)
        print("drawn", file=sys.stderr, flush=True)
        return quick(avatar, pose)

    setattr(animator, "render", render)  # noqa: B010  it is a method
    return animator


BACKEND = backends.Backend(_create)


if __name__ == "__main__":
    backends._BUILT_IN["slow"] = "tests.end_to_end.slow_backend:BACKEND"
    app()
