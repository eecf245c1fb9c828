"""Moving a photo from a program of one's own: prepare it, follow frames, draw.

python examples/library.py face.jpg clip.mp4 last.png
"""

import sys

import PIL.Image

from realtime.cameras import open_camera
from realtime.library import prepare

photo, clip, output = sys.argv[1:]
animation = prepare(photo)
with open_camera(clip, full_pace=True) as camera:
    for _ in range(60):
        followed = animation.follow(camera.read())
        picture = animation.draw(followed).image
PIL.Image.fromarray(picture).save(output)
