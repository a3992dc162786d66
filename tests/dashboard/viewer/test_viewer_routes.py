"""The routes that the viewer fetches from, and what Python makes of what it sends."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard.viewer import describe, routes
from dashboard.viewer.bundle import BUNDLE, bundle_url
from engine.nouns import Case, Geometry

GREY = np.arange(5 * 4 * 3, dtype=np.int16).reshape(5, 4, 3) - 30
COLOUR = np.arange(2 * 2 * 2 * 3, dtype=np.uint8).reshape(2, 2, 2, 3)


@pytest.fixture
def client() -> TestClient:
    arrays = {"grey": GREY, "colour": COLOUR, "picture": COLOUR[..., 0]}
    find = lambda _request, name: arrays.get(name)  # noqa: E731
    return TestClient(Starlette(routes=routes(find, find)))


def test_slices_come_raw_and_little_endian(client):
    answer = client.get("/hf/cases/grey/voxels?first=1&count=3", headers={"accept-encoding": "gzip"})
    assert answer.content == GREY[1:4].astype("<i2").tobytes()
    assert answer.headers["content-encoding"] == "identity"
    assert answer.headers["cache-control"] == "no-store"


def test_a_big_endian_array_is_turned(client):
    find = lambda _request, _name: GREY.astype(">i2")  # noqa: E731
    answer = TestClient(Starlette(routes=routes(find, find))).get("/hf/cases/x/voxels?first=0&count=1")
    assert answer.content == GREY[:1].astype("<i2").tobytes()


def test_colour_comes_as_bytes_and_grey_pictures_are_widened(client):
    assert client.get("/hf/cases/colour/voxels?first=0&count=2").content == COLOUR.tobytes()
    assert client.get("/hf/cases/picture/voxels?first=0&count=2").content == COLOUR[..., 0].astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("first=5&count=1", 416),
        ("first=-1&count=1", 416),
        ("first=0&count=0", 416),
        ("first=4&count=2", 416),
        ("first=0&count=65", 416),
        ("first=x&count=1", 400),
        ("first=1e9&count=1", 400),
        ("first=99999999999999999999&count=1", 416),
    ],
)
def test_slices_that_are_not_there_are_refused(client, query, status):
    assert client.get(f"/hf/cases/grey/voxels?{query}").status_code == status


def test_an_unknown_case_or_overlay_is_not_found(client):
    assert client.get("/hf/cases/none/voxels?first=0&count=1").status_code == 404
    assert client.get("/hf/overlays/none").status_code == 404
    assert client.get("/hf/overlays/picture").content == COLOUR[..., 0].tobytes()


def test_the_viewers_file_is_kept_by_browsers_under_an_address_with_its_hash(client):
    answer = client.get(bundle_url(), headers={"accept-encoding": "gzip"})
    assert answer.content == BUNDLE.read_bytes()
    assert "immutable" in answer.headers["cache-control"]
    assert len(gzip.compress(answer.content, 6)) < 1_500_000
    assert client.get("/hf/assets/viewer-0000000000000000.js").status_code == 404


def test_a_case_is_described_in_plain_values():
    case = Case("c1", "volume", "Case 1", (5, 4, 3), Geometry(spacing_mm=(2.0, 0.5, 0.5)), "p", is_hu=True)
    told = describe(case, synthetic=True)
    assert json.loads(json.dumps(told))["geometry"]["spacing_mm"] == [2.0, 0.5, 0.5]
    assert told["shape"] == [5, 4, 3]
    assert told["voxels"] == "/hf/cases/c1/voxels"
    assert (told["colour"], told["synthetic"], told["title"]) == (False, True, "Case 1")
