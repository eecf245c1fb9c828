"""Our side of obs-websocket 5, against a server that answers as OBS does."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import pytest
from websockets.sync.server import ServerConnection, serve

from scripts.rigs.obs import Client, ObsError
from scripts.soak.obs import misread

SALT, CHALLENGE, PASSWORD = "lM1GncleQOaCu9lT1yeUZhFYnqhsLLP1G5lAGo3ixaI=", "+IxH4C", "secret"


@contextmanager
def obs(password: str = "") -> Iterator[str]:
    """An OBS with one source "avatar"; gives its address."""

    def talk(link: ServerConnection) -> None:
        def tell(code: int, **data: Any) -> None:
            link.send(json.dumps({"op": code, "d": data}))

        asked = {"authentication": {"salt": SALT, "challenge": CHALLENGE}} if password else {}
        tell(0, obsWebSocketVersion="5.5.2", rpcVersion=1, **asked)
        identity = json.loads(link.recv())
        assert identity["op"] == 1 and identity["d"]["rpcVersion"] == 1
        if password:
            secret = base64.b64encode(hashlib.sha256(f"{password}{SALT}".encode()).digest())
            proof = base64.b64encode(hashlib.sha256(secret + CHALLENGE.encode()).digest())
            if identity["d"].get("authentication") != proof.decode():
                link.close(4009, "Authentication failed.")
                return
        tell(2, negotiatedRpcVersion=1)
        for text in link:
            request = json.loads(text)["d"]
            tell(5, eventType="SceneChanged", eventIntent=4)  # Nobody asked for it.
            tell(7, requestId="another", requestStatus={"result": True, "code": 100})
            known = request["requestData"].get("sourceName") == "avatar"
            picture = np.zeros((20, 30, 3), np.uint8)
            picture[:] = (0, 0, 255)  # Red, for OpenCV.
            data = base64.b64encode(cv2.imencode(".png", picture)[1].tobytes()).decode()
            tell(
                7,
                requestId=request["requestId"],
                requestType=request["requestType"],
                requestStatus={"result": True, "code": 100}
                if known
                else {"result": False, "code": 600, "comment": "No source was found."},
                **(
                    {"responseData": {"imageData": f"data:image/png;base64,{data}"}}
                    if known
                    else {}
                ),
            )

    with serve(talk, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_a_screenshot_is_asked_for_and_decoded(password: str) -> None:
    with obs(password) as address, Client(address, password) as client:
        for _ in range(2):
            picture = client.screenshot("avatar")
            assert picture.shape == (20, 30, 3)
            assert (picture == (255, 0, 0)).all()


def test_what_obs_refuses_is_told() -> None:
    with obs() as address, Client(address) as client:
        with pytest.raises(ObsError, match="GetSourceScreenshot: No source was found"):
            client.screenshot("nothing")
        assert client.screenshot("avatar").any(), "it goes on"


def test_a_wrong_password_and_nobody_there_are_told() -> None:
    with obs(PASSWORD) as address:
        with pytest.raises(ObsError, match="Authentication failed"):
            Client(address, "wrong")
    with pytest.raises(ObsError, match=address):
        Client(address)


def test_what_obs_makes_of_a_v4l2_cameras_colours() -> None:
    # Seen in OBS 29.0.2 for these colours; BT.601's and BT.709's coefficients explain it.
    colours = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 120, 90), (128, 128, 128)])
    seen = [(255, 25, 0), (0, 216, 0), (0, 15, 255), (207, 127, 88), (128, 128, 128)]
    assert np.abs(misread(colours.astype(np.float64)) - seen).max() <= 2
