"""Moving a photo from a program of your own: prepare it, follow frames, draw.

python examples/library.py face.jpg clip.mp4 sheet.png
"""

import sys

import numpy as np
import PIL.Image

from realtime.cameras.clip import ClipReader
from realtime.frames import CameraFrame
from realtime.library import prepare

photo, clip, output = sys.argv[1:]
animation, shown = prepare(photo), []
for number, (image, seconds) in enumerate(ClipReader(clip).frames()):
    followed = animation.follow(CameraFrame(image, seconds, number))
    picture = animation.draw(followed).image
    if number % 30 == 0:
        shown.append(picture)
PIL.Image.fromarray(np.hstack(shown)).save(output)
