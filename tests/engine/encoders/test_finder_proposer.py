"""The proposer on real volumes of voxels: coordinates, body, what is kept, and fresh phantoms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.encoders import load_encoder, proposer
from engine.encoders.body import body_and_lung
from engine.encoders.dense import MOST_PLACES, Dense, identity, propose
from engine.encoders.finder import APART_MM, encode_place, refine, settled
from engine.encoders.proposer import CELL, GRID_MM, load_proposer, look, to_grid
from engine.nouns import Geometry, Place, Volume
from engine.phantoms import make_phantom

UNSEEN = (61, 62, 63, 64)  # training begins at 10000, tuning at 5000


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def phantoms():
    return [
        make_phantom(seed, ("smooth", "spiculated")[i % 2], "A", size=192, slices=24, cover_mm=120, around_finding=True)
        for i, seed in enumerate(UNSEEN)
    ]


@pytest.fixture(scope="module")
def looked_at(phantoms):
    return [propose(p.volume) for p in phantoms]


def off(place: Place, point) -> float:
    return float(np.linalg.norm(np.array(place.centre_mm) - np.array(point)))


def test_a_voxel_keeps_its_place_in_mm_on_the_networks_grid():
    rng = np.random.default_rng(0)
    for spacing in ((5.0, 1.4, 1.4), (1.0, 0.7, 0.7), (2.0, 3.0, 3.0)):
        shape = [round(n / s) for n, s in zip((120, 150, 130), spacing, strict=True)]
        voxels = np.full(shape, -1000, np.int16)
        at = np.array([rng.integers(n // 4, 3 * n // 4) for n in shape])
        reach = [max(1, round(6 / s)) for s in spacing]
        voxels[tuple(slice(a - r, a + r + 1) for a, r in zip(at, reach, strict=True))] = 500
        grid = to_grid(Volume(voxels, Geometry(spacing_mm=spacing), is_hu=True))
        weight = grid.hu.numpy() + 1000
        centre = [
            (weight.sum(tuple({0, 1, 2} - {i})) * np.arange(n)).sum() / weight.sum() for i, n in enumerate(weight.shape)
        ]
        assert np.abs((grid.to_voxel(np.array(centre)) - at) * spacing).max() < 0.6
        assert np.allclose(grid.from_voxel(grid.to_voxel(np.array(centre))), centre)


def test_padding_outside_the_field_of_view_counts_as_air():
    voxels = np.full((4, 40, 40), -3024, np.int16)
    assert float(to_grid(Volume(voxels, Geometry(spacing_mm=(3.0, 1.5, 1.5)), is_hu=True)).hu.min()) >= -1024


def test_looking_in_slabs_is_looking_at_once(monkeypatch):
    hu = torch.from_numpy(np.random.default_rng(1).normal(-600, 300, (80, 40, 40)).astype(np.float32))
    whole = look(load_proposer(), hu)
    monkeypatch.setattr(proposer, "SLAB", 32)
    slabs = look(load_proposer(), hu)
    assert whole.logit.shape == slabs.logit.shape == (1, 40, 10, 10)
    assert torch.allclose(whole.logit, slabs.logit, atol=1e-3)


def test_the_finding_lies_in_the_body_and_the_table_does_not(phantoms):
    for phantom in phantoms:
        grid = to_grid(phantom.volume)
        body, lung = body_and_lung(grid.hu)
        centre = grid.from_voxel(phantom.volume.geometry.to_voxel(np.array(phantom.truth.centre_mm)))
        assert body[tuple((centre // CELL).astype(int))]
        litres = lung.sum() * np.prod(np.array(CELL) * GRID_MM) / 1e6
        assert 0.5 < litres < 6
        assert not body[:, -1].any()  # the lowest rows: table and air


def test_fresh_phantoms_show_their_nodule_at_first_guess(phantoms, looked_at):
    hits = [off(refine([]).find(d)[0], p.truth.centre_mm) < APART_MM for p, d in zip(phantoms, looked_at, strict=True)]
    assert sum(hits) >= 3


def test_a_case_takes_under_two_megabytes_and_its_numbers_are_finite(looked_at, tmp_path):
    for dense in looked_at:
        dense.save(tmp_path / "d.npz")
        assert (tmp_path / "d.npz").stat().st_size < 2e6
        assert len(dense.objectness) <= MOST_PLACES
        assert np.isfinite(dense.features).all() and np.isfinite(dense.centres_mm).all()
        assert ((dense.objectness >= 0) & (dense.objectness <= 1)).all()
        assert Dense.load(tmp_path / "d.npz").identity == identity()


def test_the_patients_position_in_the_room_changes_nothing_but_the_numbers(phantoms, looked_at):
    volume = phantoms[0].volume
    moved = replace(volume, geometry=replace(volume.geometry, origin_mm=(100.0, -40.0, 7.0)))
    step = np.array(moved.geometry.origin_mm) - np.array(volume.geometry.origin_mm)
    again = propose(moved)
    assert np.allclose(again.positions_mm - step, looked_at[0].positions_mm, atol=1e-2)
    assert np.array_equal(again.features, looked_at[0].features)


def test_a_click_beside_the_finding_settles_on_it(phantoms, looked_at):
    for phantom, dense in zip(phantoms, looked_at, strict=True):
        truth = np.array(phantom.truth.centre_mm)
        if off(refine([]).find(dense)[0], truth) > APART_MM:
            continue
        click = Place(tuple(truth + np.array([3.0, -3.0, 2.0])))
        assert off(settled(dense, click), truth) < off(click, truth) + 0.5
    far = Place(tuple(dense.positions_mm[np.argmin(dense.objectness)].astype(float)))
    assert off(settled(dense, far), far.centre_mm) < 8.0


def test_a_place_becomes_an_embedding_of_fixed_length(phantoms, looked_at):
    encoder = load_encoder()
    clicked = encode_place(encoder, phantoms[0].volume, looked_at[0], Place(phantoms[0].truth.centre_mm))
    found = encode_place(encoder, phantoms[1].volume, looked_at[1], refine([]).find(looked_at[1])[0])
    assert clicked.embedding.shape == found.embedding.shape
    assert clicked.embedding.dtype == np.float32
    assert np.isfinite(clicked.embedding).all()
    assert clicked.slice_embeddings.shape[1] < clicked.embedding.shape[0]
    with pytest.raises(ValueError, match="outside"):
        encode_place(encoder, phantoms[0].volume, looked_at[0], Place((9e3, 0.0, 0.0)))


def test_scans_without_hu_and_single_slices_have_places_too():
    rng = np.random.default_rng(2)
    head = np.zeros((12, 128, 128), np.int16)
    head[:, 30:100, 30:100] = rng.normal(600, 40, (12, 70, 70))
    dense = propose(Volume(head, Geometry(spacing_mm=(5.0, 1.0, 1.0)), is_hu=False))
    middle = np.abs(dense.positions_mm[:, :2] - 64.5).max(1)
    assert len(dense.objectness) > 100 and (middle < 45).all()
    one = propose(Volume(head[:1], Geometry(spacing_mm=(5.0, 1.0, 1.0)), is_hu=False))
    assert len(refine([]).find(one, 3)) >= 1


def test_a_scan_of_air_is_survived():
    dense = propose(Volume(np.full((6, 64, 64), -1000, np.int16), Geometry(spacing_mm=(3.0, 1.5, 1.5)), is_hu=True))
    assert np.isfinite(dense.features).all()
