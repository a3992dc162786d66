"""The finder: clicks teach where; no clicks leave the proposer's opinion; places are centred and apart."""

from __future__ import annotations

import numpy as np
from scipy.optimize import check_grad

from engine.encoders import finder as room
from engine.encoders.dense import Dense
from engine.encoders.finder import APART_MM, check, refine
from engine.nouns import Place

WIDTH = 12


def scan(rng: np.random.Generator, sign: float = 1.0) -> tuple[Dense, Place]:
    """A grid of places with noise for features; one is what a person means: feature 3 stands out, objectness not."""
    axes = [np.arange(n) * 6.0 for n in (10, 10, 10)]
    positions = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    features = rng.normal(0, 1, (len(positions), WIDTH))
    objectness = rng.uniform(0.01, 0.05, len(positions))
    lure, meant = rng.choice(len(positions), 2, replace=False)
    objectness[lure] = 0.3
    features[meant, 3] += 8 * sign
    dense = Dense(
        features.astype(np.float16),
        positions.astype(np.float32),
        objectness.astype(np.float32),
        positions.astype(np.float32),
        np.full(len(positions), 6.0, np.float32),
        "made up",
    )
    return dense, Place(tuple(positions[meant]))


def off(place: Place, truth: Place) -> float:
    return float(np.linalg.norm(np.array(place.centre_mm) - np.array(truth.centre_mm)))


def test_without_clicks_the_order_is_the_proposers():
    dense, _ = scan(np.random.default_rng(0))
    finder = refine([])
    assert finder.clicks == 0
    assert (np.argsort(finder.log_odds(dense)) == np.argsort(dense.objectness.astype(float))).all()
    assert np.allclose(finder.find(dense)[0].score, 0.3, atol=0.02)


def test_six_clicks_teach_what_is_meant_against_the_proposers_opinion():
    rng = np.random.default_rng(1)
    taught = [scan(rng) for _ in range(6)]
    finder = refine([(dense, [place]) for dense, place in taught])
    asked = [scan(rng) for _ in range(20)]
    before = sum(off(refine([]).find(dense)[0], place) < APART_MM for dense, place in asked)
    after = sum(off(finder.find(dense)[0], place) < APART_MM for dense, place in asked)
    assert before <= 4
    assert after >= 16


def test_clicks_on_the_opposite_teach_the_opposite():
    rng = np.random.default_rng(2)
    finder = refine([(d, [p]) for d, p in (scan(rng, -1.0) for _ in range(6))])
    assert finder.weights[3] < 0


def test_places_are_sorted_apart_and_scored_between_zero_and_one():
    dense, place = scan(np.random.default_rng(3))
    places = refine([(dense, [place])]).find(dense, count=7)
    assert len(places) == 7
    scores = [p.score for p in places]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < s < 1 for s in scores)
    assert all(off(a, b) >= APART_MM for i, a in enumerate(places) for b in places[:i])
    assert all(p.by == "finder" for p in places)


def test_the_gradient_of_learning_is_that_of_finite_differences():
    rng = np.random.default_rng(4)
    dense, place = scan(rng)
    mean, spread = np.zeros(WIDTH), np.ones(WIDTH)
    choices = room._choices(dense, [place], room._standardised(dense, mean, spread), rng)
    at = rng.normal(0, 0.3, WIDTH + 1)
    error = check_grad(lambda v: room._loss(v, choices)[0], lambda v: room._loss(v, choices)[1], at)
    assert error < 1e-3


def test_the_same_clicks_give_the_same_finder_and_other_clicks_another_key():
    rng = np.random.default_rng(5)
    one, two = scan(rng), scan(rng)
    first, again = refine([(one[0], [one[1]])], seed=3), refine([(one[0], [one[1]])], seed=3)
    other = refine([(one[0], [one[1]]), (two[0], [two[1]])], seed=3)
    assert first.identity == again.identity
    assert first.identity != other.identity != refine([]).identity


def test_two_places_in_one_scan_do_not_compete_with_each_other():
    rng = np.random.default_rng(6)
    dense, place = scan(rng)
    second = Place(tuple(dense.positions_mm[777].astype(float)))
    assert refine([(dense, [place, second])]).clicks == 2


def test_a_case_without_a_place_teaches_nothing():
    rng = np.random.default_rng(7)
    (one, place), (other, _) = scan(rng), scan(rng)
    assert refine([(one, [place]), (other, [])]).identity == refine([(one, [place])]).identity


def test_leaving_patients_out_counts_every_click_once():
    rng = np.random.default_rng(8)
    cases = [scan(rng) for _ in range(8)]
    checked = check([(d, [p]) for d, p in cases], ["a", "a", "b", "c", "d", "e", "f", "g"])
    assert checked.count == 8
    assert 5 <= checked.first <= checked.among_five <= 8


def test_leaving_patients_out_on_noise_finds_about_nothing():
    rng = np.random.default_rng(9)
    cases = [scan(rng, sign=0.0) for _ in range(8)]
    assert check([(d, [p]) for d, p in cases], [str(i) for i in range(8)]).first <= 2


def test_a_dense_comes_back_as_it_was_saved(tmp_path):
    dense, _ = scan(np.random.default_rng(10))
    dense.save(tmp_path / "dense.npz")
    back = Dense.load(tmp_path / "dense.npz")
    for name in ("features", "positions_mm", "objectness", "centres_mm", "radius_mm"):
        assert np.array_equal(getattr(back, name), getattr(dense, name))
        assert getattr(back, name).dtype == getattr(dense, name).dtype
    assert back.identity == "made up"
    assert not list(tmp_path.glob("*.part"))


def test_an_empty_scan_has_no_places():
    empty = Dense(*(np.zeros((0, n), np.float32) for n in (WIDTH, 3)), np.zeros(0), np.zeros((0, 3)), np.zeros(0), "")
    assert refine([]).find(empty) == []
