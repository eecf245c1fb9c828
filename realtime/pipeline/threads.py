"""How many threads the libraries may use."""

from __future__ import annotations

import sys

import cv2

from models.environment import cores


def limit_threads(count: int | None = None) -> None:
    """Give OpenCV a few threads.

    What it computes is so small that more threads wait for each other longer than they compute, and
    capture, output and the program that shows the camera need cores too.

    Args:
        count: how many; None: one on up to two cores and two on more.
    """
    cv2.setNumThreads(count or (1 if cores() <= 2 else 2))


def switch_quickly() -> None:
    """Let a thread that becomes ready wait for the others' Python code at most a millisecond.

    The usual five add up over the stages of a frame when the panel's thread works too: with a page
    open, that is the difference between 37 and 4 milliseconds more at the 99th percentile.
    """
    sys.setswitchinterval(0.001)
