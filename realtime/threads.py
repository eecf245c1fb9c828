"""How many threads the libraries may use."""

from __future__ import annotations

import os

import cv2


def limit_threads(count: int | None = None) -> None:
    """Give OpenCV `count` threads: two by default, one where there is only one core.

    The networks are so small that more threads wait for each other longer than they compute, and
    capture and output need cores too.
    """
    cv2.setNumThreads(count or min(2, os.cpu_count() or 1))
