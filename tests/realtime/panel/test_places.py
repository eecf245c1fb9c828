"""What the page learns of where the picture can go."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

from realtime.commands.setup_camera import for_page
from realtime.panel.places import Places
from realtime.sinks.base import Found
from realtime.sinks.registry import SINK_KINDS, Candidate
from tests.panel_rig import Served
from tests.session_rig import three_avatars


def test_a_page_learns_what_there_is_and_how_to_get_more(tmp_path: Path) -> None:
    missing = Candidate(SINK_KINDS["pipewire"], Found(usable=False, why="it does not run"))
    found = [missing]
    rig = three_avatars(tmp_path)
    served = Served(rig, features=[Places(lambda: {"command": "do it"}, lambda: found)])
    try:
        assert served.ask("/places", key=False)[0] == 401
        told = json.loads(served.ask("/places")[2])
        assert told["remedy"] == {"command": "do it"}
        assert told["cameras"] == [
            {"choice": "pipewire", "name": "pipewire", "usable": False, "why": "it does not run"}
        ]
        found[0] = replace(missing, found=Found(True, "every program lists it", "AI avatar"))
        [camera] = json.loads(served.ask("/places")[2])["cameras"]
        assert camera["usable"] and camera["name"] == "AI avatar"
    finally:
        served.panel.close()
        rig.close()


def test_the_remedy_is_one_command_for_a_shell() -> None:
    told = for_page()
    assert json.loads(json.dumps(told)) == told
    assert shlex.split(told["command"])[-2:] == ["setup-camera", "--yes"]
    assert all(step["line"] and step["what"] for step in told["does"])
