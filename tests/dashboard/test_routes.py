"""What our routes serve: thumbnails, voxels, overlays, downloads, shipped files; and nothing of a removed project."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from dashboard.routes import ASSETS, asset_url
from engine.nouns import Case, Geometry
from tests.dashboard.serving import page_server


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with page_server(tmp_path_factory.mktemp("routes") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def client(page):
    return page.client()


def put_case(page, case: Case, voxels: np.ndarray) -> None:
    folder = page.data_dir / "cases" / case.id
    folder.mkdir(parents=True)
    np.save(folder / "voxels.npy", voxels)
    (folder / "case.json").write_text(json.dumps(case.to_json()), "utf-8")
    page.store.add_case(page.project.id, case)


@pytest.mark.parametrize(("name", "surround", "middle"), [("lung", -850, -600), ("abdomen", 60, 40)])
def test_a_thumbnail_shows_lung_where_there_is_lung_and_else_soft_tissue(page, client, name, surround, middle):
    """The middle of a window (-600 HU in lung, 40 HU in soft tissue) is drawn in middle grey."""
    voxels = np.full((1, 160, 160), surround, np.int16)
    voxels[:, 40:120, 40:120] = middle
    put_case(page, Case(name, "volume", "x", voxels.shape, Geometry(), "p", is_hu=True), voxels)
    picture = np.array(Image.open(io.BytesIO(client.get(f"/hf/cases/{name}/thumb").content)))
    assert abs(int(picture[80, 80]) - 127) <= 1


def test_a_thumbnail_keeps_the_patients_proportions(page, client):
    """40 rows of 2 mm and 80 columns of 0.5 mm are 80 x 40 mm: upright."""
    voxels = np.full((3, 40, 80), -2000, np.int16)
    voxels[1, :, 40:] = 1000
    geometry = Geometry(spacing_mm=(5.0, 2.0, 0.5))
    put_case(page, Case("thin", "volume", "x", voxels.shape, geometry, "p", is_hu=True), voxels)
    answer = client.get("/hf/cases/thin/thumb")
    picture = np.array(Image.open(io.BytesIO(answer.content)))
    assert answer.headers["content-type"] == "image/png"
    assert picture.shape == (160, 80)
    assert (picture[:, :39] == 0).all()
    assert (picture[:, 41:] == 255).all()


def test_a_colour_picture_has_a_colour_thumbnail(page, client):
    voxels = np.zeros((1, 50, 100, 3), np.uint8)
    voxels[..., 0] = 200
    put_case(page, Case("photo", "image", "x", voxels.shape, Geometry(measured=False), "p"), voxels)
    picture = np.array(Image.open(io.BytesIO(client.get("/hf/cases/photo/thumb").content)))
    assert picture.shape == (80, 160, 3)
    assert (picture == (200, 0, 0)).all()


def test_voxels_come_as_they_are_and_uncompressed(page, client):
    voxels = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) - 1000
    put_case(page, Case("ramp", "volume", "x", voxels.shape, Geometry(), "p", is_hu=True), voxels)
    answer = client.get("/hf/cases/ramp/voxels", params={"first": 1, "count": 2})
    assert np.array_equal(np.frombuffer(answer.content, "<i2").reshape(2, 5, 6), voxels[1:3])
    assert answer.headers["content-encoding"] == "identity"
    assert client.get("/hf/cases/ramp/voxels", params={"first": 3, "count": 2}).status_code == 416


def test_a_case_of_a_removed_project_is_not_served(page, client):
    other = page.store.create_project("other")
    case = Case("gone", "volume", "x", (1, 2, 2), Geometry(), "p")
    put_case(page, case, np.zeros((1, 2, 2), np.int16))
    page.store.add_case(other.id, case)
    page.store.remove_case(page.project.id, "gone")
    assert client.get("/hf/cases/gone/voxels").status_code == 200
    page.store.remove_project(other.id)
    assert client.get("/hf/cases/gone/voxels").status_code == 404
    assert client.get("/hf/cases/gone/thumb").status_code == 404


def test_an_overlay_is_served_by_its_id(page, client):
    folder = page.data_dir / "overlays"
    folder.mkdir()
    heat = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    heat.tofile(folder / "abc123.u8")
    (folder / "abc123.json").write_text(json.dumps({"shape": [2, 3, 4]}))
    assert client.get("/hf/overlays/abc123").content == heat.tobytes()
    assert client.get("/hf/overlays/nothing").status_code == 404


def test_an_export_is_a_file_to_keep_and_stands_in_the_log(page, client):
    folder = page.data_dir / "downloads" / "job1"
    folder.mkdir(parents=True)
    (folder / "预测.csv").write_text("case,predicted\n", "utf-8")
    answer = client.get("/hf/downloads/job1")
    assert answer.text == "case,predicted\n"
    assert answer.headers["content-disposition"].startswith("attachment")
    newest = page.store.audit_rows()[0]
    assert (newest.what, newest.detail) == ("download", {"export": "job1"})
    (folder / "预测.csv").unlink()
    (folder / "link.csv").symlink_to(page.data_dir / "handful.db")
    assert client.get("/hf/downloads/job1").status_code == 404


def test_a_shipped_file_is_kept_by_browsers_under_the_hash_of_its_bytes(client):
    path = next(each for each in sorted(ASSETS.rglob("*")) if each.is_file()).relative_to(ASSETS).as_posix()
    answer = client.get(asset_url(path))
    assert answer.content == (ASSETS / path).read_bytes()
    assert "immutable" in answer.headers["cache-control"]
    assert client.get(f"/hf/assets/{'0' * 16}/{path}").status_code == 404
