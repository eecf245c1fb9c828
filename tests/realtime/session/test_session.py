"""Every command without a browser: sent as a page sends it, and seen in what goes out."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from models.animator import Slider
from models.errors import UserError
from models.face.face_file import face_path, write_face
from models.face.finder import FaceFinder
from models.photos import load_image
from realtime.animation.framing import FramedTracker, Framing
from realtime.canvas.output_gate import OutputGate
from realtime.commands.terminal import terminal_press
from realtime.frames import AvatarFrame, CameraFrame
from realtime.paths import asset_path
from realtime.session.avatar_entry import AvatarState
from realtime.session.keys import KEYS
from realtime.session.session import Command
from realtime.session.settings import AvatarSettings, Settings, load, save
from scripts.rigs.fakes import (
    FakeAnimator,
    FakeTracker,
    camera_image,
    face,
    shows_camera,
)
from tests.placed_face import placed
from tests.session_rig import SIZE, Finder, Rig, StillAnimator, photo, three_avatars, wait

EARLIER = """\
# Written by avatarify-like when something is changed in its panel.
mirror_preview = true
mirror_output = false
blur = false
landmarks = false
stages = false
overlay = 0.4

[framing]
auto = false
side = 0.5
x = 0.375
y = 0.5

[avatars."ä \\"quoted\\".jpg"]
relative = false
motion = 1.0
expression = 1.0
eyes = 0.25
mouth = 1.0
smoothing = 1.0

[avatars."a\\\\b\\u007f\\n.png"]
relative = true
motion = 1.0
expression = 1.0
eyes = 1.0
mouth = 1.0
smoothing = 1.0
"""
"""As version 0.1.0 wrote it."""

EARLIER_STRENGTHS = {"motion": 1.0, "expression": 1.0, "eyes": 0.25, "mouth": 1.0}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = three_avatars(tmp_path)
    rig.start()
    yield rig
    rig.close()


def test_avatars_are_chosen_by_id_number_and_in_turn(rig: Rig) -> None:
    assert rig.level() == 60
    rig.do("avatar", rig.id_of("two"))
    wait(lambda: rig.level() == 120)
    assert rig.session.state()["current"] == rig.id_of("two")
    rig.do("number", 1)
    assert rig.level() == 60, "what is ready is shown with the next picture of the camera"
    rig.do("previous")
    assert rig.level() == 120
    rig.do("next")
    assert rig.level() == 60
    wait(lambda: all(entry.state is AvatarState.READY for entry in rig.library.entries))
    rig.do("random")
    assert rig.level() != 60


def test_what_is_noted_about_a_photo_is_told_when_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StillAnimator, "notes", {60: ("a note.",), 120: ("two", "three")})
    photo(tmp_path, "one.png", 60)
    photo(tmp_path, "two.png", 120)
    rig = Rig(tmp_path)
    assert rig.lines == ["fake: a note."]
    rig.start()
    rig.do("avatar", rig.id_of("two"))
    wait(lambda: {"fake: two", "fake: three"} <= set(rig.lines))
    for name in ("two", "one"):
        rig.do("avatar", rig.id_of(name))
    wait(lambda: rig.lines.count("fake: a note.") == 2)
    assert rig.lines.count("fake: two") == 1, "it was shown already"
    rig.close()
    assert {"fake: a note.", "fake: two"} <= {said["line"] for said in rig.session.state()["said"]}


def test_the_old_avatar_stays_until_the_new_one_is_ready(rig: Rig) -> None:
    photo(rig.folder, "new.png", 230)
    rig.animator.gate.clear()
    rig.do("reload")
    seen = len(rig.sink.frames)
    state = rig.do("avatar", rig.id_of("new"))
    assert state["wanted"] == rig.id_of("new") != state["current"]
    assert rig.level() == 60
    rig.animator.gate.set()
    wait(lambda: rig.level() == 230)
    levels = [int(frame.image[90, 160].mean()) for frame in rig.sink.frames[seen:]]
    assert set(levels) == {60, 230}
    assert levels == sorted(levels), "one change, and nothing else between"


def test_a_photo_without_a_face_is_told_and_passed_over(rig: Rig) -> None:
    photo(rig.folder, "a_dark.png", 0)
    rig.do("reload")
    dark = rig.id_of("a_dark")
    rig.do("avatar", dark)
    refused = wait(lambda: rig.library.find(dark).state is AvatarState.REFUSED)  # type: ignore[union-attr]
    assert refused
    wait(lambda: any("No face" in said["line"] for said in rig.session.state()["said"]))
    described = next(one for one in rig.session.state()["avatars"] if one["id"] == dark)
    assert "No face was found in a_dark.png" in described["reason"]
    assert str(rig.folder) not in str(rig.session.state()), "no path goes to a page"
    rig.do("number", 2)
    rig.do("previous")
    wait(lambda: rig.session.state()["current"] == rig.id_of("two"))


def test_added_photos_are_kept_and_can_be_removed(rig: Rig) -> None:
    source = photo(rig.folder.parent, "x.png", 200)
    entry = rig.add(source.read_bytes(), "../../My <face>.png")
    assert entry.path.parent == rig.own and entry.path.name == "My _face.jpg"
    again = rig.add(source.read_bytes(), "../../My <face>.png")
    assert again.path.name == "My _face-2.jpg"
    rig.do("avatar", entry.id)
    assert rig.level() == 200
    rig.do("remove", entry.id)
    assert not entry.path.exists() and rig.level() != 200
    rig.do("remove", rig.id_of("two"))
    assert (rig.folder / "two.png").exists(), "the user's folder is left alone"
    assert "two" not in [one["name"] for one in rig.session.state()["avatars"]]
    rig.do("reload")
    assert "two" in [one["name"] for one in rig.session.state()["avatars"]]


def test_a_face_that_is_not_found_is_taken_from_the_file_beside_the_photo(rig: Rig) -> None:
    dark = [photo(rig.folder, name, 0) for name in ("dark_a.png", "dark_b.png")]
    write_face(dark[0], np.zeros((256, 256, 3), np.uint8), placed(256, 256))
    face_path(dark[1]).write_text("{}")
    rig.do("reload")
    good, bad = rig.id_of("dark_a"), rig.id_of("dark_b")
    rig.do("avatar", good)
    wait(lambda: rig.session.state()["current"] == good)
    rig.do("avatar", bad)
    wait(lambda: rig.library.find(bad).state is AvatarState.REFUSED)  # type: ignore[union-attr]
    entry = rig.library.find(bad)
    assert entry is not None and "in dark_b.png.face.json cannot be used" in entry.reason
    assert str(rig.folder) not in entry.reason


def test_the_points_of_a_photo_go_with_it_and_are_not_taken_for_anothers(rig: Rig) -> None:
    source = photo(rig.folder.parent, "x.png", 200)
    data, image = source.read_bytes(), np.full((256, 256, 3), 200, np.uint8)
    entry = rig.add(data, "x.png")
    path = write_face(entry.path, image, placed(256, 256))
    rig.do("remove", entry.id)
    assert not entry.path.exists() and not path.exists()
    write_face(entry.path, image, placed(256, 256))
    again = rig.add(data, "x.png")
    assert again.path == entry.path and not path.exists()
    assert again.ready is not None
    assert np.array_equal(again.ready.face.landmarks, Finder().find_faces(image)[0].landmarks)


def test_photos_that_cannot_be_added(rig: Rig) -> None:
    dark = photo(rig.folder.parent, "dark.png", 0)
    for data, reason in (
        (b"", "not a picture"),
        (b"MZ" * 1000, "not a picture"),
        (dark.read_bytes(), "No face"),
        (dark.read_bytes()[:200], "broken|not a picture"),
    ):
        entry = rig.add(data, "bad.png")
        assert entry.state is AvatarState.REFUSED and re.search(reason, entry.reason)
        assert entry.no_face == (reason == "No face")
        assert entry in rig.library.entries, "it stays, with its reason"
    assert not rig.own.exists()


def test_a_picture_bomb_is_not_decoded(rig: Rig, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    PIL.Image.new("1", (12_000, 12_000)).save(bomb)
    assert bomb.stat().st_size < 100_000
    assert "million pixels" in rig.add(bomb.read_bytes(), "bomb.png").reason


def test_the_last_avatar_cannot_be_removed(tmp_path: Path) -> None:
    photo(tmp_path, "one.png", 60)
    rig = Rig(tmp_path)
    with pytest.raises(UserError, match="switch to another"):
        rig.do("remove", rig.library.entries[0].id)
    with pytest.raises(UserError, match="no other avatar"):
        rig.do("random")


def test_calibrate_and_reset(rig: Rig) -> None:
    wait(lambda: rig.animation.reference_face is not None)
    before = rig.animation.reference_face
    rig.do("calibrate")
    wait(lambda: rig.animation.reference_face is not before)
    assert rig.session.figures()["calibration"] == "calibrated"
    before = rig.animation.reference_face
    rig.do("reset")
    wait(lambda: rig.animation.reference_face is not before)


def test_the_search_follows_the_avatar_and_gives_a_score(rig: Rig) -> None:
    assert rig.do("search")["searching"]
    match = wait(lambda: (rig.session.figures()["match"] or {}).get("best"))
    assert 0 < match <= 1
    first = rig.animation.search
    rig.do("next")
    wait(lambda: rig.animation.search is not first and rig.animation.search is not None)
    assert not rig.do("search", False)["searching"]
    assert rig.session.figures()["match"] is None


def test_motion_and_sliders_are_kept_for_each_avatar(rig: Rig) -> None:
    state = rig.do("motion", 0.5)
    assert [one["name"] for one in state["sliders"]] == ["motion", "eyes", "smoothing"]
    assert [one["value"] for one in state["sliders"]] == [0.5, 1, 1]
    assert all(one["usable"] for one in state["sliders"])
    assert rig.animation.tuning.settings.strengths == {"motion": 0.5, "eyes": 1}
    rig.do("smoothing", 0)
    assert rig.animation.tuning.smoothing == 0
    rig.do("number", 2)
    wait(lambda: rig.session.state()["current"] == rig.library.entries[1].id)
    assert rig.animation.tuning.settings.strengths == {"motion": 1, "eyes": 1}
    rig.do("number", 1)
    assert rig.animation.tuning.settings.strengths["motion"] == 0.5
    state = rig.do("relative")
    assert not state["relative"] and rig.animation.tuning.settings.motion == "absolute"
    assert [one["name"] for one in state["sliders"] if one["usable"]] == ["smoothing"]
    with pytest.raises(UserError, match="no effect"):
        rig.do("eyes", 2)


def test_a_slider_that_the_backend_does_not_have(rig: Rig) -> None:
    with pytest.raises(UserError, match="no command 'mouth'"):
        rig.do("mouth", 2)


def test_strength_changes_what_is_rendered(tmp_path: Path) -> None:
    photo(tmp_path, "one.png", 60)
    rig = Rig(tmp_path)
    animator = FakeAnimator()
    rig.animation.set_avatar(rig.animation.avatar, animator)

    def shift(strength: float) -> float:
        rig.do("motion", strength)
        rig.do("smoothing", 0)
        for index in range(200):
            image = np.zeros((48, 64, 3), np.uint8)
            rig.tracker._faces = lambda count: face((40.0 if count > 60 else 0.0, 0.0))
            rig.animation.step(CameraFrame(image, index / 30, index))
        return float(animator.rendered[-1].values[0, 0])

    full = shift(1.0)
    assert full > 0.05
    assert shift(0.5) == pytest.approx(full / 2, rel=0.05)
    assert shift(0.0) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("name", ["mirror_preview", "mirror_output", "blur", "landmarks", "stages"])
def test_switches_turn_over_and_take_values(rig: Rig, name: str) -> None:
    before = rig.session.state()["settings"][name]
    assert rig.do(name)["settings"][name] is not before
    assert rig.do(name, before)["settings"][name] is before
    assert rig.do(name, before)["settings"][name] is before


def test_mirror_and_badge_reach_the_picture(rig: Rig) -> None:
    rig.do("mirror_output", True)
    assert rig.composer.mirror and rig.gate.mirror
    with_badge = rig.next_frame().image
    state = rig.do("badge")
    assert not state["badge"]
    assert (rig.next_frame().image != with_badge).any()
    assert rig.do("badge", True)["badge"]
    assert (rig.next_frame().image == with_badge).all()


def test_the_overlay_goes_in_steps_from_nothing_to_all(rig: Rig) -> None:
    assert rig.do("overlay", 0.5)["settings"]["overlay"] == 0.5
    for _ in range(8):
        state = rig.do("overlay_by", 0.1)
    assert state["settings"]["overlay"] == 1
    for _ in range(12):
        state = rig.do("overlay_by", -0.1)
    assert state["settings"]["overlay"] == 0


def test_framing_zooms_moves_and_comes_back(rig: Rig) -> None:
    assert rig.do("mirror_preview", False)["settings"]["framing"]["auto"]
    framing = rig.do("zoom", -0.5)["settings"]["framing"]
    assert framing == {"auto": False, "side": 0.5, "x": 0.5, "y": 0.5}
    wait(lambda: rig.view.seen is not None and rig.view.seen.box == (16, 12, 48, 36))
    assert rig.do("pan", "left")["settings"]["framing"]["x"] == pytest.approx(0.48)
    assert rig.do("nudge", "down")["settings"]["framing"]["y"] == pytest.approx(0.5 + 1 / 48)
    for _ in range(40):
        framing = rig.do("pan", "left")["settings"]["framing"]
    assert framing["x"] == 0.25, "it stops at the border"
    rig.do("mirror_preview", True)
    framing = rig.do("pan", "left")["settings"]["framing"]
    assert framing["x"] > 0.25, "left as it is seen in the mirrored preview"
    assert rig.do("auto_framing", True)["settings"]["framing"]["auto"]
    wait(lambda: rig.view.seen is not None and rig.view.seen.box == (0, 0, 64, 48))


def test_landmarks_stay_in_pixels_of_the_whole_picture() -> None:
    view = FramedTracker(FakeTracker([face()]))
    image = np.zeros((480, 640, 3), np.uint8)
    whole = view.track(image)
    view.framing = Framing(False, 0.5, 0.75, 0.75)
    part = view.track(image)
    assert whole is not None and part is not None
    np.testing.assert_allclose(part.landmarks - whole.landmarks, [(320, 240, 0)] * 478, atol=1e-3)


def test_freeze_keeps_the_picture(rig: Rig) -> None:
    assert rig.do("freeze")["frozen"]
    rig.do("number", 2)
    wait(lambda: rig.session.state()["current"] == rig.library.entries[1].id)
    assert int(rig.next_frame().image[90, 160].mean()) == 60
    assert not rig.do("freeze")["frozen"]
    assert rig.level() == 180


def test_hide_shows_the_card(rig: Rig) -> None:
    before = rig.next_frame().image
    assert rig.do("hide", True)["hidden"]
    card = rig.next_frame().image
    assert (card != before).any() and not (card == 60).all(-1).any()
    assert (card.astype(int) > 200).any(), "there are letters on it"
    assert not rig.do("hide", False)["hidden"]
    assert rig.level() == 60


def test_the_real_face_is_shown_only_after_a_confirmation(rig: Rig) -> None:
    assert rig.do("pass_through")["asking"]
    assert not shows_camera(rig.next_frame().image)
    state = rig.do("confirm", False)
    assert not state["asking"] and not state["pass_through"]
    rig.do("confirm", True)
    assert not shows_camera(rig.next_frame().image), "an answer without a question"
    rig.do("pass_through", True)
    assert rig.do("confirm", True)["pass_through"]
    assert shows_camera(rig.next_frame().image)
    rig.do("hide", True)
    assert not shows_camera(rig.next_frame().image), "hiding comes first"
    rig.do("hide", False)
    rig.do("freeze", True)
    assert not rig.do("pass_through")["pass_through"]
    assert not shows_camera(rig.next_frame().image), "no frozen picture of it stays"
    assert all(not shows_camera(frame.image) for frame in rig.sink.frames[-2:])


def test_a_lost_camera_brings_the_avatar_back() -> None:
    now = [0.0]
    view = FramedTracker(FakeTracker([face()]))
    gate = OutputGate(SIZE, lambda: view.seen, clock=lambda: now[0])
    frame = AvatarFrame(np.zeros((180, 320, 3), np.uint8), None, True)
    assert gate.pass_through(gate.ask())
    assert not shows_camera(gate(frame).image), "nothing was seen yet"
    view.track(camera_image())
    assert shows_camera(gate(frame).image)
    now[0] = 0.9
    assert shows_camera(gate(frame).image)
    now[0] = 2.0
    assert not shows_camera(gate(frame).image)


def test_an_old_question_is_not_agreed_to() -> None:
    now = [0.0]
    gate = OutputGate(SIZE, lambda: None, clock=lambda: now[0])
    question = gate.ask()
    now[0] = 60.0
    assert not gate.pass_through(question) and not gate.open


def test_recordings_start_and_stop(rig: Rig) -> None:
    assert rig.do("record")["recording"] == "take 0.mp4"
    wait(lambda: len(rig.recordings[0].frames) > 5)
    assert rig.do("record", True)["recording"] == "take 0.mp4"
    assert rig.do("record")["recording"] is None
    assert rig.recordings[0].closed
    wait(lambda: any("take 0.mp4" in line for line in rig.lines))
    rig.do("record", True)
    wait(lambda: rig.recordings[1].frames)
    assert len(rig.sink.frames) > 5, "the call was not interrupted"


def test_the_end(rig: Rig) -> None:
    rig.do("quit")
    rig.thread.join(20)
    assert rig.session.over.is_set() and rig.sink.closed


@pytest.mark.parametrize(
    "message",
    [
        None, 5, [], {}, {"do": 5}, {"do": "sing"}, {"do": "__init__"}, {"do": "next", "value": 1},
        {"do": "number", "value": 99}, {"do": "number", "value": "1"}, {"do": "number"},
        {"do": "number", "value": True}, {"do": "avatar", "value": "../../etc/passwd"},
        {"do": "avatar", "value": "x" * 10_000}, {"do": "motion", "value": 3},
        {"do": "motion", "value": float("nan")}, {"do": "motion", "value": 10**400},
        {"do": "motion", "value": "1"}, {"do": "overlay", "value": -0.1},
        {"do": "pan", "value": "away"}, {"do": "pan", "value": ["left"]},
        {"do": "hide", "value": "yes"}, {"do": "zoom"}, {"do": "remove", "value": {}},
    ],
)  # fmt: skip
def test_nonsense_is_refused(tmp_path: Path, message: object) -> None:
    photo(tmp_path, "one.png", 60)
    rig = Rig(tmp_path)
    before = {**rig.session.state(), "revision": 0}
    with pytest.raises(UserError):
        rig.session.do(Command.parse(message))
    assert {**rig.session.state(), "revision": 0} == before


def test_settings_survive_a_restart(tmp_path: Path) -> None:
    photo(tmp_path, "one.png", 60)
    file = tmp_path / "config" / "settings.toml"
    rig = Rig(tmp_path, file)
    rig.do("mirror_output", True)
    rig.do("motion", 1.5)
    rig.do("zoom", -0.2)
    rig.do("badge", False)
    rig.do("blur", False)
    rig.session.save()
    assert tomllib.loads(file.read_text())["avatars"]["one.png"]["motion"] == 1.5
    state = Rig(tmp_path, file).session.state()
    assert state["settings"]["mirror_output"] and not state["settings"]["blur"]
    assert state["sliders"][0]["value"] == 1.5 and state["settings"]["framing"]["side"] == 0.8
    assert state["badge"], "the badge is back: leaving it out is for one run"


def test_options_of_the_command_line_are_not_kept(tmp_path: Path) -> None:
    photo(tmp_path, "one.png", 60)
    file = tmp_path / "settings.toml"
    rig = Rig(tmp_path, file)
    rig.session.do(Command("mirror_output", True), keep=False)
    rig.do("landmarks", True)
    rig.session.save()
    kept = load(file)
    assert kept.landmarks and not kept.mirror_output
    assert rig.session.state()["settings"]["mirror_output"]


def test_settings_are_written_soon_and_seldom(tmp_path: Path) -> None:
    photo(tmp_path, "one.png", 60)
    file = tmp_path / "settings.toml"
    rig = Rig(tmp_path, file)
    rig.session.tick()
    assert not file.exists()
    rig.do("overlay", 0.5)
    rig.session.tick()
    assert not file.exists()
    rig.session._unsaved = 0.0
    rig.session.tick()
    assert load(file).overlay == 0.5


def test_odd_settings_files(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    names = ['ä "quoted".jpg', "a\\b\x7f\n.png", "平仮名.webp", "\udcff.jpg"]
    settings = Settings(avatars={name: AvatarSettings(strengths={"eyes": 0.25}) for name in names})
    save(settings, file)
    assert list(load(file).avatars.values()) == [AvatarSettings(strengths={"eyes": 0.25})] * 4
    assert list(load(file).avatars)[:3] == names[:3]
    file.write_text(
        'blur = "yes"\noverlay = 1e9\nframing = 3\n[avatars]\nx = 1\n[avatars.y]\n'
        'motion = -4\nsmoothing = 7\neyes = nan\n"a b" = 1\n'
    )
    odd = load(file)
    assert odd.blur and odd.overlay == 1 and odd.framing == Framing()
    assert odd.avatars == {"y": AvatarSettings(smoothing=2, strengths={"motion": -4})}
    motion = Slider("motion", "Motion", least=0.5)
    assert odd.of("y").tuning(True, [motion]).settings.strengths == {"motion": 0.5}
    file.write_text("this is not TOML")
    assert load(file) == Settings()
    assert (tmp_path / "settings.broken.toml").read_text() == "this is not TOML"


def test_settings_of_an_earlier_version_are_read(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(EARLIER, encoding="utf-8")
    settings = load(file)
    assert not settings.blur and settings.overlay == 0.4 and settings.framing.x == 0.375
    names = ['ä "quoted".jpg', "a\\b\x7f\n.png"]
    assert list(settings.avatars) == names
    assert settings.of(names[0]) == AvatarSettings(relative=False, strengths=EARLIER_STRENGTHS)
    save(settings, file)
    assert load(file) == settings and file.read_text("utf-8").startswith("# Written by")


def test_settings_that_cannot_be_kept_are_told_once(tmp_path: Path) -> None:
    photo(tmp_path, "one.png", 60)
    (tmp_path / "file").write_text("in the way")
    rig = Rig(tmp_path, tmp_path / "file" / "settings.toml")
    rig.do("blur", False)
    rig.session.save()
    rig.do("blur", True)
    rig.session.save()
    rig.pipeline._print_lines()
    assert len(rig.lines) == 1 and "cannot be kept" in rig.lines[0]


def test_every_key_sends_a_command_that_exists(rig: Rig) -> None:
    names = [key.key for key in KEYS]
    assert len(names) == len(set(names))
    for key in KEYS:
        assert key.command in rig.session.commands, key
    for wanted in "1 9 0 a d q l w s u h j k U H J K Z x f z c o r t i Escape".split():
        assert wanted in names, f"avatarify's key {wanted}"


def test_keys_of_the_terminal(rig: Rig) -> None:
    press = terminal_press(rig.session)
    press("t")
    assert rig.session.state()["settings"]["mirror_output"]
    press("2")
    wait(lambda: rig.session.state()["current"] == rig.library.entries[1].id)
    press("9")
    wait(lambda: any("no avatar 9" in line for line in rig.lines))
    press("0")
    wait(lambda: any("real face" in line for line in rig.lines))
    press("x")
    assert not rig.session.state()["pass_through"], "any other key is a no"
    press("0")
    press("y")
    assert rig.session.state()["pass_through"]
    press("0")
    assert not rig.session.state()["pass_through"]
    press("?")
    wait(lambda: any("calibrate" in line for line in rig.lines))
    press("\x1b")
    rig.thread.join(20)
    assert rig.session.over.is_set()


def test_the_revision_rises_with_every_change(rig: Rig) -> None:
    seen = [rig.session.revision]
    for name, value in (("blur", None), ("hide", True), ("motion", 0.5), ("next", None)):
        rig.do(name, value)
        seen.append(rig.session.revision)
    assert seen == sorted(set(seen))
    assert {"motion", "eyes", "smoothing"} <= set(rig.session.commands)


def test_the_face_that_drives_can_be_locked(rig: Rig) -> None:
    wait(lambda: rig.view.seen is not None and rig.view.seen.face is not None)
    assert not rig.session.state()["locked"]
    assert rig.do("lock")["locked"] and rig.tracker.locked
    rig.do("lock", True)
    said = wait(lambda: [one["line"] for one in rig.session.state()["said"]])
    assert [line for line in said if "is locked" in line] == said[-1:], "told once"
    assert not rig.do("lock", False)["locked"] and not rig.tracker.locked


def test_no_face_cannot_be_locked(rig: Rig) -> None:
    rig.tracker._faces = [None]
    wait(lambda: rig.view.seen is not None and rig.view.seen.face is None)
    with pytest.raises(UserError, match="look at the camera"):
        rig.do("lock", True)
    assert not rig.session.state()["locked"]


def test_a_photo_that_is_dropped_upside_down_is_kept_upright_and_that_is_said(
    rig: Rig, tmp_path: Path
) -> None:
    image = load_image(asset_path("face.jpg"))
    dropped = tmp_path / "dropped.png"
    PIL.Image.fromarray(np.ascontiguousarray(image[::-1, ::-1])).save(dropped)
    rig.library._builder.finder = FaceFinder()
    entry = rig.add(dropped.read_bytes(), "Me.png")
    kept = load_image(entry.path)
    assert kept.shape == image.shape
    assert np.abs(kept.astype(int) - image).mean() < 3
    line = "The photo Me lay upside down; it was turned by 180 degrees."
    wait(lambda: line in [one["line"] for one in rig.session.state()["said"]])


def code(rig: Rig) -> str:
    return str(rig.session.state()["situation"]["code"])


def test_the_situation_follows_what_is_done_at_once(rig: Rig) -> None:
    wait(lambda: code(rig) == "live")
    assert rig.session.state()["situation"]["params"] == {"name": rig.sink.name}
    for name in ("freeze", "hide"):
        assert rig.do(name, True)["situation"]["code"] == {"freeze": "frozen"}.get(name, "hidden")
    rig.do("pass_through", True)
    assert code(rig) == "hidden", "a question shows nothing yet"
    assert rig.do("confirm", True)["situation"]["code"] == "real_face", "before all else"
    rig.do("hide", False)
    assert rig.do("pass_through", False)["situation"]["code"] == "live"


def test_what_said_that_the_real_face_is_shown_is_withdrawn_with_it(rig: Rig) -> None:
    def said() -> list[Any]:
        return [one for one in rig.session.state()["said"] if "real face" in one["line"]]

    rig.do("pass_through", True)
    rig.do("confirm", True)
    assert wait(said)[0]["alarm"] and not said()[0]["over"]
    assert rig.do("pass_through", False)
    assert said()[0]["over"]
    rig.do("pass_through", True)
    rig.do("confirm", True)
    rig.do("pass_through", False)
    wait(lambda: len(said()) == 2)
    assert all(one["over"] for one in said()), "also when it is heard after its end"


def test_pages_are_told_what_changes_by_itself(rig: Rig) -> None:
    wait(lambda: code(rig) == "live")
    rig.session.tick()
    before = rig.session.revision
    rig.session.tick()
    assert rig.session.revision == before, "nothing has changed"
    rig.tracker._faces = [None]
    wait(lambda: code(rig) == "no_face")
    rig.session.tick()
    assert rig.session.revision > before


def test_a_calibration_is_undone_by_command(rig: Rig) -> None:
    wait(lambda: rig.session.state()["calibration"]["state"] != "waiting")
    first = rig.animation._calibration.reference
    with pytest.raises(UserError, match="no former calibration"):
        rig.do("undo_calibration")
    rig.do("calibrate")
    wait(lambda: rig.session.state()["calibration"]["taken"] == 1)
    assert rig.session.state()["calibration"]["undo"]
    assert rig.animation._calibration.reference is not first
    rig.do("undo_calibration")
    wait(lambda: rig.animation._calibration.reference is first)
    assert not rig.session.state()["calibration"]["undo"]
