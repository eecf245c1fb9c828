"""A photo for the background, given on the page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.errors import UserError
from realtime.panel import backdrop
from realtime.panel.backdrop import Backdrop
from realtime.session.background_photo import BackgroundPhoto
from tests.panel_rig import Served, jpeg
from tests.session_rig import three_avatars


def test_a_photo_that_is_given_is_the_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = BackgroundPhoto(tmp_path / "background.jpg")
    rig = three_avatars(tmp_path)
    served = Served(rig, features=[Backdrop(photo)])
    try:
        assert served.ask("/background", "POST", jpeg(9), key=False)[0] == 401
        with pytest.raises(UserError):
            photo()
        status, _, told = served.ask("/background", "POST", b"no picture")
        assert status == 422 and json.loads(told)["refused"].endswith(".")
        assert served.ask("/background", "POST", jpeg(200, (320, 200)))[0] == 204
        assert photo().kind == "photo" and (tmp_path / "background.jpg").is_file()
        monkeypatch.setattr(backdrop, "MAX_UPLOAD", 10)
        assert served.ask("/background", "POST", jpeg(9))[0] == 413
    finally:
        served.panel.close()
        rig.close()
