"""Sheets show the moments of a clip in which most is to be seen."""

from __future__ import annotations

from models.face.moment import Moment
from models.face.tracker import FaceTracker
from realtime.cameras.clip import ClipReader
from realtime.paths import asset_path
from scripts.evaluation.contact_sheet import telling_moments


def test_the_telling_moments_of_a_clip_are_its_extremes() -> None:
    clip = ClipReader(asset_path("demo.mp4"))
    chosen = telling_moments(clip)
    assert 4 <= len(chosen) <= 7 and len(set(chosen)) == len(chosen)
    tracker, faces = FaceTracker(), []
    for image, _ in clip.frames():
        face = tracker.track(image)
        assert face is not None
        faces.append(Moment.of(face))
    shown = [faces[number] for number in chosen]
    assert shown[0].badness == min(face.badness for face in faces)
    assert max(face.mouth for face in shown) == max(face.mouth for face in faces)
    assert min(face.eyes for face in shown) == min(face.eyes for face in faces)
    assert max(face.yaw for face in shown) == max(face.yaw for face in faces)
    assert min(face.yaw for face in shown) == min(face.yaw for face in faces)
