"""What the tests of the bundle share."""

from __future__ import annotations

import pytest

from models.errors import UserError
from scripts.assets.landmarker.bundle import Bundle


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """MediaPipe's bundle, from the cache or the network."""
    try:
        return Bundle.fetch()
    except UserError as error:
        pytest.skip(str(error))
