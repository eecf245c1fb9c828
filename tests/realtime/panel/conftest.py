"""A panel that answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.cameras.browser import BrowserFeed
from tests.panel_rig import Served
from tests.session_rig import three_avatars


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    rig = three_avatars(tmp_path)
    rig.start()
    served = Served(rig, feed=BrowserFeed(), output_key=tmp_path / "output-key.json")
    yield served
    served.panel.close()
    rig.close()
