"""Gathering of a whole world."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from limbeck.settings import Text
from limbeck.text import gather


@pytest.fixture
def gathered(tmp_path: Path) -> Callable[..., pa.Table]:
    """All `pin_texts` of some tables, bucket after bucket."""

    def run(files: dict[str, list[Path]], settings: Text) -> pa.Table:
        out = tmp_path / f"prepared{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        gather.prepare(files, settings, out, out / "scratch")
        parts = [gather.bucket(files, out, settings, n) for n in range(settings.buckets)]
        assert all(p.column("pin_id").to_pylist() == sorted(p.column("pin_id").to_pylist()) for p in parts)
        return pa.concat_tables(parts).sort_by("pin_id")

    return run
