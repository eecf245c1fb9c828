"""`avatarify-like`, with the time code of each camera picture drawn on the picture it caused.

    python -m scripts.rigs.marked_run run --source face.jpg ...

The avatar does not show what the camera sees, so a code would be lost. Where the webcam's picture
comes in, its code is read; when the avatar picture of that very camera picture is composed, it is
drawn there. A recording also gets, below it, the time at which it was given the picture. Nothing
else differs from the tool.
"""

from __future__ import annotations

from collections import OrderedDict

from realtime.cameras.webcam import Webcam
from realtime.canvas.compositor import Compositor
from realtime.cli import main
from realtime.frames import AvatarFrame, CameraFrame
from realtime.sinks.recording.recorder import Recorder
from scripts.rigs import timecode

_REMEMBERED = 100
"""Camera pictures: those of three seconds at 30 fps, far longer than one takes to the output."""


def mark() -> None:
    """From now on, codes go from webcams to composed pictures."""
    codes: OrderedDict[float, int] = OrderedDict()
    read, compose, write = Webcam.read, Compositor.compose, Recorder.write

    def read_with_code(camera: Webcam) -> CameraFrame:
        frame = read(camera)
        code = timecode.read(frame.image)
        if code is not None:
            codes[frame.captured_at] = code
            while len(codes) > _REMEMBERED:
                codes.popitem(last=False)
        return frame

    def compose_with_code(compositor: Compositor, frame: AvatarFrame) -> AvatarFrame:
        composed = compose(compositor, frame)
        code = None if frame.captured_at is None else codes.get(frame.captured_at)
        if code is None:
            return composed
        image = composed.image.copy()
        timecode.draw(image, code)
        return AvatarFrame(image, composed.captured_at, composed.live)

    def write_with_time(recorder: Recorder, frame: AvatarFrame) -> None:
        image = frame.image.copy()
        timecode.draw(image, timecode.now(), row=1)
        write(recorder, AvatarFrame(image, frame.captured_at, frame.live))

    setattr(Webcam, "read", read_with_code)  # noqa: B010
    setattr(Compositor, "compose", compose_with_code)  # noqa: B010
    setattr(Recorder, "write", write_with_time)  # noqa: B010


if __name__ == "__main__":
    mark()
    main()
