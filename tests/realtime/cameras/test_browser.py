"""A page's webcam: its pictures count from when they were captured."""

from __future__ import annotations

import io
import json
import math

import PIL.Image
import pytest

from realtime.cameras.browser import BrowserFeed


def picture() -> bytes:
    data = io.BytesIO()
    PIL.Image.new("RGB", (64, 48)).save(data, "JPEG")
    return data.getvalue()


def times(feed: BrowserFeed, *pairs: tuple[float | None, float]) -> list[float]:
    """What the feed says when pictures were captured: of those captured and arrived at."""
    found = []
    for captured, arrived in pairs:
        feed.put("page", picture(), captured, arrived)
        taken = feed.take(1)
        assert taken is not None
        found.append(taken[1])
    return found


def test_a_picture_counts_from_its_capture() -> None:
    feed = BrowserFeed()
    feed.begin("page")
    assert feed.put("page", picture(), 100.0, 100.3) == pytest.approx(0.3)
    assert times(feed, (100.1, 100.4), (None, 101.0)) == [100.1, 101.0]


def test_times_that_cannot_be_are_corrected() -> None:
    feed = BrowserFeed()
    feed.begin("page")
    odd = (math.nan, math.inf, -math.inf, 1e300, 5000.0)
    assert times(feed, *((value, 1000.0 + n) for n, value in enumerate(odd))) == [
        1000.0, 1001.0, 1002.0, 1003.0, 1004.0
    ]  # fmt: skip
    assert times(feed, (3.0, 2000.0)) == [1990.0], "no picture is hours old"


def test_time_does_not_go_back_when_a_page_comes_to_know_its_clock() -> None:
    feed = BrowserFeed()
    feed.begin("page")
    found = times(feed, (10.0, 10.2), (9.9, 10.25), (9.95, 10.3), (10.2, 10.4))
    assert found == sorted(set(found)) and found[-1] == 10.2


def test_messages_are_json_without_such_times() -> None:
    feed = BrowserFeed()
    json.dumps(feed.put("page", picture(), math.nan, 5.0), allow_nan=False)
