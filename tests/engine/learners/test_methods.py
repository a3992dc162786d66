"""What is particular to each meta-learner: its paper's equations by hand, and what makes it that method."""

from __future__ import annotations

import math

import pytest
import torch

from engine.learners import CLASSES, Support, head, learner, learners, lstm_meta, matching
from engine.learners.maml import ANIL, MAML
from engine.learners.platipus import Platipus
from engine.learners.scratch import Scratch
from tests.engine.learners.test_learners import make_query, make_support

NAMES = [each.name for each in learners(CLASSES)]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_answer(name):
    support = make_support((3, 4))
    query, _ = make_query(support)
    answers = []
    for other in (1, 2):
        torch.manual_seed(other)  # what else is going on in the program must not matter
        answers.append(learner(name).adapt(support, seed=3).logits(query))
    assert torch.equal(*answers)


@pytest.mark.parametrize("make", [Platipus, Scratch])
def test_another_seed_draws_another_start(make):
    support = make_support((3, 4), apart=1.0)
    query, _ = make_query(support)
    one, other = (make().adapt(support, seed=seed).logits(query) for seed in (0, 1))
    assert not torch.allclose(one, other, atol=1e-4)


def test_only_platipus_has_samples_and_its_answer_is_their_mean():
    support = make_support((3, 4))
    query, _ = make_query(support, 5)
    for name in NAMES:
        adapted = learner(name).adapt(support)
        samples = adapted.samples(query)
        if name != "platipus":
            assert samples is None
            continue
        assert samples.shape == (20, len(query), 2)
        assert torch.allclose(samples.mean(0), adapted.probabilities(query), atol=1e-5)
        sharper = adapted.with_temperature(0.5)
        assert sharper.samples(query).max() >= samples.max()


def test_platipus_models_disagree_less_the_more_cases_there_are():
    spreads = []
    for count in (1, 5, 25):
        support = make_support((count, count), apart=1.0)
        query = torch.randn(60, 40, generator=torch.Generator().manual_seed(9))
        adapted = learner("platipus").adapt(support)
        spreads.append(float(adapted.samples(query)[..., 0].std(0).mean()))
    assert spreads[0] > spreads[1] > spreads[2] > 0


def test_platipus_models_agree_where_the_cases_decide():
    support = make_support((5, 5), apart=6.0)
    adapted = learner("platipus").adapt(support)
    known, _ = make_query(support, 20)
    unknown = support.embeddings.mean(0) + torch.randn(40, 40, generator=torch.Generator().manual_seed(1))
    assert adapted.samples(known).std(0).mean() < adapted.samples(unknown).std(0).mean()


def test_matching_is_the_papers_attention_by_hand():
    """Two cases along the axes, a query between: cosines 1/sqrt(2) and 1/2 of a right angle's sides."""
    support = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    query = torch.tensor([[3.0, 0.0]])
    log = matching.attention(query, support, 2.0)
    cosines = torch.tensor([1.0, 0.0, math.sqrt(0.5)])
    expected = torch.softmax(2 * cosines, 0)
    assert torch.allclose(log.exp()[0], expected)
    answer = matching.answer(log, torch.tensor([0, 1, 1]), 2).exp()[0]
    assert torch.allclose(answer, torch.tensor([expected[0], expected[1] + expected[2]]))


def test_full_context_reads_the_support_as_written():
    """g and f written out step by step with the module's own weights."""
    torch.manual_seed(0)
    size, net = 4, matching.FullContext(4, looks=2)
    support, query = torch.randn(3, size), torch.randn(2, size)
    forward, _ = torch.nn.LSTM.forward(net.reader, support)
    assert torch.allclose(net.see_support(support), forward[:, :4] + forward[:, 4:] + support)
    g = net.see_support(support)
    for q, seen in zip(query, net.see_query(query, g), strict=True):
        h, c = q, torch.zeros(size)
        for _ in range(2):
            a = torch.softmax(g @ h, 0)
            r = (a[:, None] * g).sum(0)
            i, f, o, new = net.gates(torch.cat([q, h, r])).split(size)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(new)
            h = torch.sigmoid(o) * torch.tanh(c) + q
        assert torch.allclose(seen, h, atol=1e-6)


def contextual(support: Support, mix: float) -> matching.Matching:
    torch.manual_seed(0)
    context = matching.FullContext(6, 3).requires_grad_(False)
    projection = torch.randn(6, support.embeddings.shape[1])
    return matching.Matching(matching.MatchingStart(torch.tensor(8.0), torch.tensor(mix), projection, context))


def test_full_context_does_not_depend_on_the_order_of_cases():
    support = make_support((4, 3, 5), apart=1.0)
    query, _ = make_query(support, 5)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(4))
    method = contextual(support, 5.0)
    first, second = (method.adapt(s).probabilities(query) for s in (support, support.take(order)))
    assert torch.allclose(first, second, atol=1e-5)
    off = contextual(support, 0.0).adapt(support).probabilities(query)
    assert not torch.allclose(first, off, atol=1e-3)  # it has a say
    plain = matching.Matching(matching.MatchingStart(torch.tensor(8.0), torch.tensor(0.0)))
    assert torch.allclose(off, plain.adapt(support).probabilities(query), atol=1e-5)  # and none at mix 0


def test_matching_gives_every_class_the_same_say():
    """One case against twenty in the same places: a query between goes to each alike."""
    embeddings = torch.cat([torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0]]).expand(20, 2)])
    support = Support(embeddings, torch.tensor([0] + [1] * 20), ("a", "b"), tuple(map(str, range(21))))
    shift = embeddings.mean(0)
    between = shift + torch.tensor([[0.0, 1.0]])
    adapted = matching.Matching().adapt(support)
    assert torch.allclose(adapted.probabilities(between), torch.tensor([[0.5, 0.5]]), atol=1e-4)


def test_the_rule_on_axes_does_not_mind_which_way_an_axis_points():
    torch.manual_seed(0)
    rule = lstm_meta.MetaLSTM(units=6)
    for parameter in rule.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    two = lstm_meta.TwoSided(rule)
    theta, gradient = torch.randn(5), torch.randn(5)
    sides = torch.tensor([1.0, -1.0, 1.0, -1.0, -1.0])
    one, other = (two(torch.tensor(0.7), s * gradient, s * theta, two.begin(theta)) for s in (torch.ones(5), sides))
    assert torch.allclose(one[0], other[0], atol=1e-6) and torch.allclose(one[1], other[1], atol=1e-6)
    assert not torch.allclose(rule(torch.tensor(0.7), gradient, theta, rule.begin(theta))[0], one[0], atol=1e-3)


def test_descent_in_the_axes_is_descent_in_the_embedding():
    """The untrained rule, keeping all and at one rate, is gradient descent on the head in all its numbers."""
    support = make_support((3, 4), apart=1.0)
    rate = 0.1
    rule = lstm_meta.MetaLSTM(keep=30.0, rate=rate)
    for parameter in [*rule.reader.parameters(), rule.input_gate.weight, rule.forget_gate.weight]:
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        ours = lstm_meta.adapt_head(lstm_meta.LSTMStart(rule, torch.tensor(0.0)), support, 6)
    start = head.plain_start(40)
    size = torch.tensor([rate * lstm_meta.UNIT**2])
    same = head.Start(start.gate, start.pull, {"rows": size, "bias": size, "gate": torch.zeros(1)})
    theirs, _ = MAML(same)._descend(support, 6, lstm_meta.Trace())
    assert torch.allclose(ours["rows"], theirs["rows"], atol=1e-4)
    assert torch.allclose(ours["bias"], theirs["bias"], atol=1e-4)


def test_anil_leaves_the_weighing_alone_and_maml_moves_it():
    support = make_support((3, 4), apart=1.0)
    rates = {n: torch.ones(3) for n in ("rows", "bias", "gate")}
    start = head.Start(torch.zeros(40), torch.tensor(0.5), rates)
    moved = [method(start)._descend(support, None, lstm_meta.Trace())[0]["gate"].abs().sum() for method in (MAML, ANIL)]
    assert moved[0] > 0 and moved[1] == 0


def test_scratch_learns_its_cases_to_the_end():
    support = make_support((5, 5), apart=3.0)
    adapted = Scratch().adapt(support)
    assert adapted.trace[-1].loss < 0.05 and adapted.trace[-1].loss < adapted.trace[0].loss
