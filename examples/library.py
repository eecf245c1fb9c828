"""Moving a photo from a program of one's own: prepare it, follow frames, draw.

python examples/library.py face.jpg clip.mp4 last.png
"""

import sys

import PIL.Image

from realtime.cameras.clip import ClipReader
from realtime.frames import CameraFrame
from realtime.library import prepare

photo, clip, output = sys.argv[1:]
animation = prepare(photo)
for number, (image, seconds) in enumerate(ClipReader(clip).frames()):
    followed = animation.follow(CameraFrame(image, seconds, number))
    picture = animation.draw(followed).image
PIL.Image.fromarray(picture).save(output)
