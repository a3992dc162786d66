"""The learning curve: the law is found again where it holds, the interval is wide where little is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.evidence.learning_curve import FEWEST_PATIENTS, Handfuls, _follow, curve, try_handfuls
from engine.learners import NumberSupport, Support, learner


def blobs(count: int, apart: float, seed: int = 0, each: int = 1) -> Support:
    """`count` patients of two classes with `each` cases, 8 numbers a case."""
    rng = np.random.default_rng(seed)
    targets = torch.arange(2).repeat(count // 2).repeat_interleave(each)
    numbers = rng.normal(size=(count * each, 8)).astype(np.float32)
    numbers[:, 0] += apart * (2 * targets.numpy() - 1)
    groups = tuple(f"p{i // each}" for i in range(count * each))
    return Support(torch.from_numpy(numbers), targets, ("a", "b"), groups)


@pytest.mark.parametrize(("floor", "fall", "rate"), [(0.1, 0.8, 0.5), (0.0, 0.9, 1.0), (0.25, 0.0, 1.0)])
def test_a_curve_that_follows_the_law_is_followed_beyond_what_was_tried(floor, fall, rate):
    sizes = np.array([4, 6, 8, 12, 16, 19])
    ahead = np.array([20, 40, 80])
    found = _follow(sizes, (floor + fall * sizes.astype(float) ** -rate)[None], ahead)[0]
    assert found == pytest.approx(floor + fall * ahead.astype(float) ** -rate, abs=1e-3)


def test_more_labels_are_taken_to_do_no_harm():
    sizes = np.array([4, 8, 16])
    found = _follow(sizes, np.array([[0.1, 0.2, 0.3]]), np.array([16, 32]))[0]
    assert found == pytest.approx([0.2, 0.2])


def test_no_patient_judges_a_model_that_it_taught_and_every_class_teaches():
    support = blobs(12, 1.0, each=2)
    seen = []

    class Watched:
        name = "watched"

        def adapt(self, part, **_):
            seen.append(part)
            return learner("nearest").adapt(part)

    tried = try_handfuls(Watched(), support, handfuls=5)
    assert [len(set(part.groups)) for part in seen] == tried.size.tolist()
    patients = sorted(set(support.groups))
    for part, judged in zip(seen, tried.judged, strict=True):
        assert len(part.targets.unique()) == 2
        assert {patients[i] for i in np.flatnonzero(judged)} == set(patients) - set(part.groups)
        assert judged[judged > 0].min() == 2  # both cases of a patient, or none
    # The largest size is leaving each patient out once, which is the test that the page shows.
    last = tried.size == 11
    assert last.sum() == 12 and (tried.judged[last].sum(0) == 2).all()


def test_the_interval_shrinks_with_patients_and_lies_around_the_fit():
    widths = []
    for count in (12, 40):
        found = curve(try_handfuls(learner("nearest"), blobs(count, 0.8), handfuls=6), count, most=1.0)
        for fit, low, high in (found.now, found.then):
            assert 0 <= low <= fit <= high <= 1
        assert found.then_patients == 2 * count and found.ahead[-1] == 2 * count
        assert found.gain[1] >= 0 and found.gain[0] == pytest.approx(found.now[0] - found.then[0])
        widths.append(found.then[2] - found.then[1])
    assert widths[1] < 0.75 * widths[0]


def test_too_few_patients_allow_nothing_beyond_what_was_tried():
    count = FEWEST_PATIENTS - 2
    found = curve(try_handfuls(learner("nearest"), blobs(count, 1.0)), count, most=1.0)
    assert found.sizes and found.error
    assert found.now is None and found.then is None and found.ahead == ()


def test_the_same_seed_gives_the_same_curve():
    one, two = (curve(try_handfuls(learner("nearest"), blobs(14, 1.0), seed=3), 14, seed=3) for _ in range(2))
    assert one == two


def test_numbers_have_a_curve_of_their_distance_from_the_truth():
    rng = np.random.default_rng(0)
    numbers = torch.from_numpy(rng.normal(size=(16, 3)).astype(np.float32))
    support = NumberSupport(numbers, 10 * numbers[:, 0], "mg", tuple(map(str, range(16))))
    found = curve(try_handfuls(learner("ridge"), support, handfuls=4), 16)
    assert found.error[0] > found.error[-1] > 0
    assert found.then[0] <= found.now[0]


def test_trials_are_weighed_by_how_much_they_judged():
    tried = Handfuls(np.array([2, 2, 3]), np.array([[1, 0], [0, 4], [0, 1]]), np.array([[1, 0], [0, 4], [0, 2]]))
    assert curve(tried, 4).error == (1.0, 0.5)
