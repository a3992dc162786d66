"""One press of Adapt: everything in it holds together, turns into JSON and back, and can be stopped."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from engine.evidence import Judgement, judge
from engine.evidence.embedding_map import flatten
from engine.learners import Support, SupportError, learner, learners
from engine.sentences import say
from tests.engine.learners.test_learners import make_query, make_support

NAMES = [each.name for each in learners("classes")]


def ask(support: Support, name: str = "protonet", **options):
    query, targets = make_query(support, 4)
    cases = [f"case {i}" for i in range(len(support.targets))]
    asked = [f"query {i}" for i in range(len(query))]
    judgement, adapted = judge(
        learner(name), support, cases, query, asked, [f"q{i}" for i in range(len(query))], **options
    )
    return judgement, adapted, query, targets


@pytest.mark.parametrize("name", NAMES)
def test_a_judgement_holds_together(name):
    support = make_support((5, 6), apart=6.0)
    judgement, adapted, query, targets = ask(support, name)
    assert [p.predicted for p in judgement.predictions] == [support.classes[t] for t in targets.tolist()]
    for prediction, probabilities in zip(judgement.predictions, adapted.probabilities(query), strict=True):
        assert prediction.probabilities == pytest.approx(probabilities.tolist())
        assert all(
            a <= p <= b for a, p, b in zip(prediction.low, prediction.probabilities, prediction.high, strict=True)
        )
        distances = [n.distance for n in prediction.neighbours]
        assert distances == sorted(distances) and len(distances) == 5
        assert {t.label for t in prediction.typical} == set(support.classes)
    assert judgement.tested.count == 11
    kinds = [p.kind for p in judgement.points]
    assert (kinds.count("labelled"), kinds.count("query"), kinds.count("prototype")) == (11, 8, 2)


def test_a_judgement_survives_json():
    judgement, *_ = ask(make_support((1, 6)))
    assert Judgement.from_json(json.loads(json.dumps(judgement.to_json()))) == judgement
    assert all(say(note, language) for note in judgement.notes for language in ("en", "zh"))


def test_the_same_seed_gives_the_same_judgement():
    first, *_ = ask(make_support((4, 5)), seed=7)
    second, *_ = ask(make_support((4, 5)), seed=7)
    assert first.predictions == second.predictions and first.points == second.points


def test_a_typical_case_is_of_its_class():
    support = make_support((5, 5), apart=2.0)
    judgement, *_ = ask(support)
    label = {f"case {i}": support.classes[t] for i, t in enumerate(support.targets.tolist())}
    assert all(label[t.case] == t.label for p in judgement.predictions for t in p.typical)


def test_a_patient_on_both_sides_is_refused():
    support = make_support()
    with pytest.raises(SupportError, match="memory"):
        judge(learner("protonet"), support, ["c"] * 10, support.embeddings[:1], ["q"], ["p0"])


def test_progress_counts_up_and_may_stop_the_work():
    class Stop(Exception):
        pass

    seen = []
    ask(make_support(), progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1)) and seen[-1][0] == seen[-1][1]

    def stop(done, total):
        raise Stop

    with pytest.raises(Stop):
        ask(make_support(), progress=stop)


def test_the_map_keeps_distances_as_well_as_two_directions_can():
    """Points that lie in a plane of a high-dimensional space come out with their distances unchanged."""
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(12, 2)) @ np.linalg.qr(rng.normal(size=(50, 2)))[0].T
    axes, mean, share = flatten(flat)
    placed = (flat - mean) @ axes.T
    expected = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    assert np.allclose(np.linalg.norm(placed[:, None] - placed[None], axis=2), expected)
    assert share == pytest.approx(1.0)
    assert np.allclose(flatten(flat[::-1])[0], axes)  # the order of cases doesn't mirror the map


def test_the_map_of_two_cases_has_one_direction():
    axes, _, share = flatten(np.array([[0.0, 0.0, 1.0], [0.0, 2.0, 1.0]]))
    assert axes.shape == (2, 3) and share == pytest.approx(1.0)


def test_neighbours_are_of_other_patients():
    support = make_support((5, 5))
    query = support.embeddings[:2] + 0.01
    from engine.evidence.neighbours import nearest_labelled

    adapted = learner("nearest").adapt(support)
    cases = tuple(support.groups)
    found = nearest_labelled(adapted, support, cases, query, ("p0", "other"))
    assert "p0" not in [n.case for n in found[0]]
    assert found[1][0].case == "p1"
    assert torch.isfinite(torch.tensor([n.distance for n in found[0]])).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_learner_that_draws_models_shows_where_they_lie_and_the_others_show_nothing(name):
    judgement, adapted, query, _ = ask(make_support((4, 4), apart=1.0), name)
    samples = adapted.samples(query)
    for i, prediction in enumerate(judgement.predictions):
        if samples is None:
            assert prediction.sampled is None
            continue
        low, high = np.array(prediction.sampled).T
        drawn = samples[:, i].detach().numpy()
        inside = ((drawn >= low - 1e-6) & (drawn <= high + 1e-6)).mean(0)
        assert (inside >= 0.85).all() and (low <= high).all()  # nine of ten, less the ends of few draws
    assert Judgement.from_json(json.loads(json.dumps(judgement.to_json()))) == judgement


def test_platipus_draws_models():
    judgement, *_ = ask(make_support((4, 4), apart=1.0), "platipus")
    assert all(p.sampled is not None for p in judgement.predictions)
