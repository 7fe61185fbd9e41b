"""Match indexes of a few Pins, made in passing."""

import pytest
from match_worlds import opened


@pytest.fixture
def index(tmp_path):
    """Builds and opens the index of Pins given as mappings of fields; their ids are "0", "1", …"""

    def make(*pins):
        return opened(pins, tmp_path / f"match{len(list(tmp_path.iterdir()))}")

    return make
