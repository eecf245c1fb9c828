"""The network of face units, on a real picture."""

from __future__ import annotations

from models.face.finder import FaceFinder
from models.types import Image
from scripts.assets.landmarker.blendshapes import Blendshapes
from scripts.assets.landmarker.bundle import Bundle


def test_blendshapes_see_the_smile(bundle: Bundle, astronaut: Image) -> None:
    units = Blendshapes(bundle).of(FaceFinder().find_faces(astronaut)[0].landmarks)
    assert units.shape == (52,)
    smile_left, smile_right, blink_left, jaw_open = units[44], units[45], units[9], units[25]
    assert smile_left > 0.5 and smile_right > 0.5
    assert blink_left < 0.4 and jaw_open < 0.4
