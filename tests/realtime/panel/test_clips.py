"""The page's clips by HTTP: who may ask, what is taken, and what players get."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from realtime.clips.job import Choices, Job, JobState, new_id
from realtime.clips.store import Store
from realtime.panel import clips
from realtime.panel.clips import ClipsFeature
from realtime.paths import asset_path
from tests.panel_rig import Served, do, jpeg, next_of, state_where
from tests.session_rig import three_avatars

VIDEO = bytes(range(256)) * 40


def done_job(store: Store) -> Job:
    """A clip that was made in an earlier run."""
    photo = store.new_material("me.jpg", 0)
    shutil.copy(asset_path("face.jpg"), photo.path)
    photo.thumbnail.write_bytes(jpeg(80))
    video = store.new_material("clip.mp4", 0)
    shutil.copy(asset_path("demo.mp4"), video.path)
    job = Job(new_id(), photo.id, video.id, "me - clip", Choices(), 1e9)
    job = replace(job, state=JobState.DONE, length=2.0, signed=True)
    store.save(job)
    store.result(job).write_bytes(VIDEO)
    store.driver(job).write_bytes(VIDEO[::-1])
    return job


class Rig:
    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "clips")
        self.job = done_job(self.store)
        self.session = three_avatars(folder)
        self.session.start()
        find = self.session.session.photo_file
        self.feature = ClipsFeature(self.store.folder, find)
        self.served = Served(self.session, features=[self.feature])

    def ask(self, path: str, method: str = "GET", body: Any = None, **more: Any) -> Any:
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        return self.served.ask(f"/clips{path}", method, body, **more)

    def refused(self, path: str, body: Any) -> str:
        status, _, text = self.ask(path, "POST", body)
        assert status == 422
        return str(json.loads(text)["refused"])

    def address(self, what: str) -> str:
        status, _, text = self.ask("/link", "POST", {"job": self.job.id, "what": what})
        assert status == 200
        address = json.loads(text)["address"]
        assert address.startswith("/clips/media?token=")
        return str(address.removeprefix("/clips"))

    def wait(self, what: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        until = time.monotonic() + 60
        while not what(state := dict(self.feature.state())):
            assert time.monotonic() < until, "it did not come true"
            time.sleep(0.02)
        return state


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.served.panel.close()
    rig.session.close()


def test_a_player_gets_the_file_and_parts_of_it_by_its_token_alone(rig: Rig) -> None:
    address = rig.address("result")
    status, headers, data = rig.ask(address, key=False)
    assert (status, data) == (200, VIDEO)
    assert headers["content-type"] == "video/mp4" and headers["accept-ranges"] == "bytes"
    assert headers["cache-control"] == "no-store"
    status, headers, data = rig.ask(address, key=False, Range="bytes=100-299")
    assert (status, data) == (206, VIDEO[100:300])
    assert headers["content-range"] == f"bytes 100-299/{len(VIDEO)}"
    status, _, data = rig.ask(address, key=False, Range="bytes=-50")
    assert (status, data) == (206, VIDEO[-50:])
    assert rig.ask(address, key=False, Range=f"bytes={len(VIDEO)}-")[0] == 416
    assert rig.ask(rig.address("driver"), key=False)[2] == VIDEO[::-1]


def test_what_is_saved_has_a_name(rig: Rig) -> None:
    _, headers, _ = rig.ask(rig.address("download"), key=False)
    assert headers["content-disposition"].startswith("attachment")
    assert "me%20-%20clip.mp4" in headers["content-disposition"]


def test_a_token_is_for_one_file_and_ends_with_it(rig: Rig) -> None:
    address = rig.address("result")
    assert rig.ask("/media?token=wrong")[0] == 401, "not even with the key"
    assert rig.ask("/media")[0] == 401
    rig.feature.actions()["clips.remove"](rig.job.id)
    assert rig.ask(address, key=False)[0] == 401
    assert not rig.store.job_folder(rig.job).exists()
    assert rig.refused("/link", {"job": rig.job.id}) == "This clip is no longer in the list."


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/photo", "POST"),
        ("/video", "POST"),
        ("/avatar", "POST"),
        ("/moments", "GET"),
        ("/best", "POST"),
        ("/preview", "POST"),
        ("/link", "POST"),
        ("/material/{photo}/thumbnail", "GET"),
        ("/material/{video}/frames/0", "GET"),
        ("/material/{video}/faces/0", "GET"),
    ],
)
def test_nothing_is_given_or_taken_without_the_key(rig: Rig, path: str, method: str) -> None:
    path = path.format(photo=rig.job.photo, video=rig.job.video)
    body = json.dumps({"job": rig.job.id}).encode() if method == "POST" else None
    assert rig.ask(path, method, body, key=False)[0] == 401
    assert rig.feature.state()["photo"] is None


def test_a_photo_without_a_face_is_refused_in_a_sentence_without_folders(rig: Rig) -> None:
    assert rig.ask("/photo", "POST", jpeg(90, (300, 300)), x_name="my%20lawn.jpg")[0] == 201
    photo = rig.wait(lambda state: state["photo"]["state"] != "looking")["photo"]
    assert photo["state"] == "refused" and photo["name"] == "my lawn"
    assert photo["reason"].startswith("No face was found in my lawn.jpg;")
    assert rig.refused("/best", {}) == "Choose a photo first."


def test_an_avatar_of_the_list_is_taken_and_what_nobody_needs_goes(rig: Rig) -> None:
    folder = rig.store.folder / "material"
    with rig.served.page() as page:
        avatar = next_of(page, "state")["avatars"][1]
        assert rig.ask("/avatar", "POST", {"id": avatar["id"]})[0] == 204
        state = state_where(page, lambda state: state["clips"]["photo"] is not None)
        assert state["clips"]["photo"]["name"] == avatar["name"]
        assert len(list(folder.iterdir())) == 3
        do(page, "clips.clear")
        state_where(page, lambda state: state["clips"]["photo"] is None)
    assert {path.name for path in folder.iterdir()} == {rig.job.photo, rig.job.video}
    assert rig.refused("/avatar", {"id": "../../etc/passwd"}).startswith("This avatar")


def test_what_is_too_large_is_not_kept(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "MAX_VIDEO", 1000)
    status, _, text = rig.ask("/video", "POST", b"x" * 2000)
    assert status == 413 and "use a smaller one" in json.loads(text)["refused"]
    # Without saying how much will come.
    status, _, _ = rig.ask(
        "/video",
        "POST",
        b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n",
        Transfer_Encoding="chunked",
        Content_Length="",
    )
    assert status == 413
    kept = {path.name for path in (rig.store.folder / "material").iterdir()}
    assert kept == {rig.job.photo, rig.job.video} and rig.feature.state()["video"] is None


@pytest.mark.parametrize("name", ["..%2F..%2Fjob.json", "...", "", "a%00b.mp4", "ä" * 300])
def test_no_name_leads_out_of_the_folder(rig: Rig, name: str) -> None:
    assert rig.ask("/video", "POST", b"no video", x_name=name or "%20")[0] == 201
    video = rig.wait(lambda state: state["video"]["state"] != "looking")["video"]
    assert video["state"] == "refused" and str(rig.store.folder) not in video["reason"]
    assert (rig.store.folder / "material" / video["id"]).is_dir()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 5000, b'"x"'])
def test_requests_that_say_nothing_are_refused(rig: Rig, body: bytes) -> None:
    assert "cannot be understood" in rig.refused("/best", body)


def test_paths_that_are_no_ids_find_nothing(rig: Rig) -> None:
    for path in ("/material/..%2Fjobs/thumbnail", f"/material/{'0' * 16}/frames/1"):
        assert rig.ask(path)[0] in (404, 422)
    assert rig.ask(f"/material/{rig.job.video}/frames/99")[0] == 404


def test_what_a_clip_was_made_of_can_be_taken_up_again(rig: Rig) -> None:
    rig.feature.actions()["clips.reuse"](rig.job.id)
    state = rig.wait(
        lambda state: "looking" not in (state["photo"]["state"], state["video"]["state"])
    )
    assert (state["photo"]["id"], state["video"]["id"]) == (rig.job.photo, rig.job.video)
    assert state["photo"]["state"] == state["video"]["state"] == "ready"
    moments = json.loads(rig.ask("/moments")[2])
    assert len(moments["moments"]) == len(moments["faces"]) == 240
    best = json.loads(rig.ask("/best", "POST", {"start": 2, "end": 4})[2])["best"]
    assert len(best) == 5
    assert all(2 <= one["seconds"] < 4 for one in best)
    assert [one["score"] for one in best] == sorted((one["score"] for one in best), reverse=True)
    times = sorted(one["seconds"] for one in best)
    assert min(b - a for a, b in zip(times, times[1:], strict=False)) >= 0.15
    assert rig.ask(f"/material/{rig.job.video}/faces/{best[1]['sample']}")[2][:2] == b"\xff\xd8"
    asked = {"sample": 100, "reference": best[1]["sample"], "start": 2, "end": 4}
    status, headers, data = rig.ask("/preview", "POST", asked)
    assert (status, headers["content-type"], data[:2]) == (200, "image/jpeg", b"\xff\xd8")
    assert "not in the chosen part" in rig.refused("/preview", {**asked, "sample": 10})
    with pytest.raises(Exception, match="outside of the chosen part"):
        rig.feature.actions()["clips.start"]({"reference": best[0]["sample"], "end": 1.0})
