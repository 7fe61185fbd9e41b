"""A small desk that every test of the rating desk may have."""

import pytest
from small_desks import PINS, RATERS, make_pairs, make_pictures

from limbeck.rate.desk import Desk
from limbeck.rate.store import ADMIN, writing


@pytest.fixture
def store(tmp_path):
    with writing(tmp_path / "ratings.sqlite") as store:
        store.invite([ADMIN, *RATERS])
        store.add(make_pairs())
        yield store


@pytest.fixture
def desk(store, tmp_path):
    return Desk(store, PINS, make_pictures(tmp_path / "pictures"), each=2, seed=0)
