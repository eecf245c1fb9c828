"""The clip tab as a user has it: photo and clip, choices, a preview, the result, the download."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from axe_playwright_python.sync_playwright import Axe

from realtime.paths import asset_path
from realtime.provenance.verify import Verdict, examine
from scripts.rigs.browser import Browser
from tests.end_to_end.test_panel_browser import OPEN, Run, fake_webcam

pytestmark = [
    pytest.mark.devices,
    pytest.mark.skipif(sys.platform != "linux", reason="drives Chromium on Linux"),
]

DROP = """
([name, type, text]) => {
  const data = new DataTransfer();
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  data.items.add(new File([bytes], name, { type }));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    const event = new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true });
    document.getElementById("tab-clip").dispatchEvent(event);
  }
}
"""
STATE = "document.querySelector('.job')?.dataset.state"
READY = "!document.querySelector('.start').disabled"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    words = ("--source", str(asset_path("face.jpg")), "--camera", "demo", "--output", "none")
    run = Run(tmp_path / "home", *words)
    yield run
    run.close()


def drop(browser: Browser, path: Path, kind: str) -> None:
    text = base64.b64encode(path.read_bytes()).decode()
    browser.page.evaluate(DROP, [path.name, kind, text])


def beginning(path: Path, frames: int) -> Path:
    """The beginning of the demo clip, with 30 frames a second."""
    with (
        av.open(str(asset_path("demo.mp4"))) as source,
        av.open(str(path), "w") as target,
    ):
        stream = target.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 480, 480, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            if number == frames:
                break
            target.mux(stream.encode(frame.reformat(480, 480, "yuv420p")))
        target.mux(stream.encode(None))
    return path


def broken(browser: Browser) -> list[str]:
    """What axe finds wrong in the tab."""
    rules = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(browser.page, options={"runOnly": {"type": "tag", "values": rules}})
    return [
        f"{one['id']}: {[n['html'] for n in one['nodes']]}" for one in found.response["violations"]
    ]


def test_a_photo_and_a_clip_become_a_signed_video(run: Run, tmp_path: Path) -> None:
    with Browser(tmp_path / "profile", patience=120) as browser:
        page = browser.page
        page.set_viewport_size({"width": 1280, "height": 900})
        browser.open(run.url)
        browser.wait(OPEN)
        browser.wait("document.querySelectorAll('#list li').length === 2")  # The last adds one.
        page.click("#to-clip")
        assert "No clips yet" in page.inner_text(".clip-jobs")
        assert page.is_disabled(".start")

        # Both are dropped; they go to this tab and not to the avatars.
        drop(browser, asset_path("face.jpg"), "image/jpeg")
        drop(browser, beginning(tmp_path / "two seconds.mp4", 60), "video/mp4")
        browser.wait(READY)
        browser.wait("document.querySelectorAll('.moment').length === 5")
        browser.wait("document.querySelector('.clip-result img').naturalWidth > 0")
        assert browser.run("document.querySelectorAll('#list li').length") == 2
        assert not broken(browser)

        # The second best moment, by the keyboard; then a part of the clip.
        before = browser.run("document.querySelector('.clip-result img').src")
        page.focus(".moment-radio:checked")
        page.keyboard.press("ArrowRight")
        assert page.is_checked(".moment-radio >> nth=1")
        browser.wait(f"document.querySelector('.clip-result img').src !== {json.dumps(before)}")
        page.fill("#clip-to", "1.5")
        page.press("#clip-to", "Tab")
        browser.wait("document.querySelector('.trim-length').textContent.startsWith('1.5')")
        browser.run("new Promise((done) => setTimeout(done, 1500))")

        # It is made, and played beside the clip that it was made of.
        page.click(".start")
        browser.wait(f"{STATE} === 'running'")
        browser.wait("document.querySelector('.job progress').value > 0")
        browser.wait(f"{STATE} === 'done'")
        assert "signed" in page.inner_text(".job-line")
        page.click(".job .primary")
        browser.wait("document.querySelectorAll('.clip-player video')[1].currentTime > 0.3")
        page.evaluate("document.querySelectorAll('.clip-player video')[1].pause()")
        page.evaluate("document.querySelectorAll('.clip-player video')[1].currentTime = 1")
        browser.wait(
            "Math.abs(document.querySelectorAll('.clip-player video')[0].currentTime - 1) < 0.1"
        )
        assert not broken(browser)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        assert download.value.suggested_filename == "face - two seconds.mp4"
        result = tmp_path / "result.mp4"
        download.value.save_as(result)

        # One that is not wanted after all; and it goes, after a question.
        page.click(".start")
        browser.wait("document.querySelectorAll('.job').length === 2")
        page.get_by_role("button", name="Cancel").first.click()
        browser.wait(f"{STATE} === 'cancelled'")
        page.get_by_role("button", name="Remove").first.click()
        page.click("dialog[open] [value=yes]")
        browser.wait("document.querySelectorAll('.job').length === 1")
        errors = [line for line in browser.console if "error" in line]
        assert not errors, errors
    assert examine(result).verdict is Verdict.UNCHANGED
    with av.open(str(result)) as video:
        assert sum(1 for _ in video.decode(video=0)) == 45


def test_a_clip_is_recorded_with_the_webcam_of_the_page(run: Run, tmp_path: Path) -> None:
    webcam = tmp_path / "webcam.y4m"
    fake_webcam(webcam)
    flags = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={webcam}",
    )
    with Browser(tmp_path / "profile", flags=flags, patience=120) as browser:
        page = browser.page
        browser.open(run.url)
        browser.wait(OPEN)
        page.click("#to-clip")
        page.get_by_role("button", name="Record with the webcam").click()
        page.click(".recorder .primary")
        browser.wait("!document.querySelector('.recorder-time').hidden")
        browser.run("new Promise((done) => setTimeout(done, 2500))")
        page.click(".recorder .primary")
        browser.wait("document.querySelector('.clip-video .hint').textContent.endsWith('long')")
        assert page.is_hidden(".recorder")
        # One of the avatars moves by it.
        page.click(".face-button")
        browser.wait(READY)
        assert "Webcam" in page.inner_text(".clip-video .source-name")
        # Both lie there still when the page comes back.
        page.reload()
        browser.wait(OPEN)
        browser.wait(READY)
