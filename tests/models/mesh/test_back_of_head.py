"""The back of the head: what a turned head shows beside the ear that comes nearer."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.face import measures
from models.face.finder import FaceFinder
from models.mesh.back_of_head import BackOfHead
from models.mesh.person import Person
from models.mesh.pose import Similarity, from_euler
from models.photos import load_photo
from models.types import Floats, Image
from realtime.paths import asset_path

SIZE = 384


class Head:
    """The demo photo's head, taken apart."""

    def __init__(self) -> None:
        photo = load_photo(asset_path("face.jpg"), FaceFinder(), None)
        self.image = np.asarray(cv2.resize(photo.image, (SIZE, SIZE)), np.uint8)
        ratio = SIZE / photo.image.shape[1]
        self.landmarks = np.asarray(photo.face.landmarks * ratio, np.float32)
        self.person = Person.of(self.image, self.landmarks)

    def turned(self, degrees: float, person: Person | None = None) -> tuple[Image, Image]:
        """The picture of the head turned by a yaw, and where the person is in it."""
        rotation = from_euler(float(np.radians(degrees)), 0.0, 0.0)
        pivot = self.landmarks[[234, 454]].mean(0)
        head = Similarity(1.0, rotation, np.asarray(pivot - rotation @ pivot, np.float32))
        matte = np.zeros((SIZE, SIZE), np.uint8)
        left, top, right, bottom = self.person.layers.box
        matte[top:bottom, left:right] = self.person.layers.matte
        target = head(self.landmarks)
        return (person or self.person).warp(head, target, matte=matte), matte


@pytest.fixture(scope="module")
def head() -> Head:
    return Head()


def outlines(matte: Image, landmarks: Floats) -> tuple[float, float]:
    """The mean left and right outline from the eyes to the mouth, in face heights."""
    ends = []
    for row in range(int(landmarks[168, 1]), int(landmarks[13, 1]), 2):
        inside = np.flatnonzero(matte[row] > 128)
        ends.append((inside[0], inside[-1]))
    left, right = np.mean(ends, axis=0) / measures.height(landmarks)
    return float(left), float(right)


@pytest.mark.parametrize("degrees", [25.0, -25.0])
def test_a_turned_head_goes_on_behind_its_ear_and_only_there(head: Head, degrees: float) -> None:
    without = replace(head.person, back=None)
    before = outlines(head.turned(degrees, without)[1], head.landmarks)
    now = outlines(head.turned(degrees)[1], head.landmarks)
    wider = before[0] - now[0], now[1] - before[1]
    # The nose turns to the left with a positive yaw, and the right ear comes nearer.
    near, far = wider[::-1] if degrees > 0 else wider
    assert near > 0.02
    assert abs(far) < 0.005


def test_behind_the_ear_there_is_hair_and_below_it_skin(head: Head) -> None:
    picture, matte = head.turned(25.0)
    old, old_matte = head.turned(25.0, replace(head.person, back=None))
    new = (matte > 200) & (old_matte < 20)
    tall, ears = measures.height(head.landmarks), float(head.landmarks[[234, 454], 1].mean())
    rows = np.arange(SIZE)[:, None] * np.ones((1, SIZE))
    hair = picture[new & (rows < ears)]
    neck = picture[new & (rows > ears + 0.35 * tall) & (rows < ears + 0.6 * tall)]
    skin = head.image[head.landmarks[50, 1].astype(int), head.landmarks[50, 0].astype(int)]
    assert len(hair) > 50 and len(neck) > 50
    assert np.median(hair.mean(1)) < 0.5 * skin.mean()
    hues = neck / neck.sum(1, keepdims=True)
    assert np.abs(np.median(hues, axis=0) - skin / skin.sum()).max() < 0.04


def test_a_head_at_rest_or_hardly_turned_is_as_without_it(head: Head) -> None:
    for degrees in (0.0, 3.0, -3.0):
        with_, _ = head.turned(degrees)
        without, _ = head.turned(degrees, replace(head.person, back=None))
        np.testing.assert_array_equal(with_, without)


def test_it_appears_little_by_little(head: Head) -> None:
    pictures = [head.turned(degrees)[0].astype(int) for degrees in np.arange(3.0, 9.0, 0.5)]
    without = replace(head.person, back=None)
    plain = [head.turned(d, without)[0].astype(int) for d in np.arange(3.0, 9.0, 0.5)]
    steps = [np.abs(b - a).mean() for a, b in zip(pictures, pictures[1:], strict=False)]
    usual = [np.abs(b - a).mean() for a, b in zip(plain, plain[1:], strict=False)]
    assert max(np.array(steps) / np.array(usual)) < 1.5


def made(person: Person, image: Image, landmarks: Floats, hair: Floats) -> BackOfHead | None:
    return BackOfHead.of(image, person.layers.matte, landmarks, np.zeros(2, np.float32), hair)


def test_long_hair_and_a_matte_that_lost_the_hair_get_none(head: Head) -> None:
    left, top, right, bottom = head.person.layers.box
    landmarks = head.landmarks - np.array([left, top, 0], np.float32)
    colours = head.person.layers.person
    usual = np.array([1.2, 1.2], np.float32)
    assert made(head.person, colours, landmarks, usual) is not None
    assert made(head.person, colours, landmarks, usual + 0.2) is None
    assert made(head.person, colours, landmarks, usual - 0.15) is None


def test_hair_of_the_skins_colour_and_a_photo_from_the_side_get_none(head: Head) -> None:
    left, top, right, bottom = head.person.layers.box
    landmarks = head.landmarks - np.array([left, top, 0], np.float32)
    usual = np.array([1.2, 1.2], np.float32)
    bald = np.full_like(head.person.layers.person, (200, 160, 140))
    assert made(head.person, bald, landmarks, usual) is None
    rotation = from_euler(float(np.radians(25.0)), 0.0, 0.0)
    pivot = landmarks.mean(0)
    aside = np.asarray((landmarks - pivot) @ rotation.T + pivot, np.float32)
    assert made(head.person, head.person.layers.person, aside, usual) is None


def test_heads_that_go_wild_still_give_a_picture(head: Head) -> None:
    for scale in (1e-6, 50.0):
        wild = Similarity(scale, from_euler(0.9, 0.5, 2.0), np.zeros(3, np.float32))
        behind = np.zeros((SIZE, SIZE, 3), np.uint8)
        assert head.person.back is not None
        head.person.back.lay(behind, wild, np.zeros(2, np.float32))
        assert behind.shape == (SIZE, SIZE, 3)
