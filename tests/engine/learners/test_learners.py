"""One contract, checked for every learner: what goes in, what comes out, what is refused, what may not matter."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
import torch

import engine.learners as room
from engine.learners import CLASSES, Support, SupportError, learner, learners
from engine.sentences import LANGUAGES, say, table

NAMES = [each.name for each in learners(CLASSES)]


def make_support(counts=(5, 5), dimensions=40, apart=3.0, seed=0, names=None) -> Support:
    """Gaussian classes whose means lie `apart` standard deviations from 0 in random directions."""
    draw = torch.Generator().manual_seed(seed)
    targets = torch.cat([torch.full((n,), k) for k, n in enumerate(counts)])
    means = torch.randn(len(counts), dimensions, generator=draw)
    means = apart * means / means.norm(dim=1, keepdim=True)
    embeddings = means[targets] + torch.randn(len(targets), dimensions, generator=draw)
    classes = tuple(names or [f"class {k}" for k in range(len(counts))])
    return Support(embeddings, targets, classes, tuple(f"p{i}" for i in range(len(targets))))


def make_query(support: Support, count: int = 50, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Fresh cases near the class means of the support."""
    draw = torch.Generator().manual_seed(seed)
    means = torch.stack([support.embeddings[support.targets == k].mean(0) for k in range(len(support.classes))])
    targets = torch.arange(len(means)).repeat_interleave(count)
    return means[targets] + 0.5 * torch.randn(len(targets), means.shape[1], generator=draw), targets


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("counts", [(5, 5), (1, 1), (2, 10, 4), (3,) * 9])
def test_every_learner_separates_clear_classes_of_any_number(name, counts):
    support = make_support(counts, apart=8.0)
    query, targets = make_query(support)
    adapted = learner(name).adapt(support)
    probabilities = adapted.probabilities(query)
    assert probabilities.shape == (len(query), len(counts))
    assert torch.allclose(probabilities.sum(1), torch.ones(len(query)), atol=1e-5)
    assert (probabilities.argmax(1) == targets).float().mean() > 0.95


@pytest.mark.parametrize("name", NAMES)
def test_one_patients_answer_does_not_depend_on_the_others(name):
    support = make_support((4, 6))
    query, _ = make_query(support)
    adapted = learner(name).adapt(support)
    together = adapted.logits(query)
    alone = torch.cat([adapted.logits(query[i : i + 1]) for i in range(len(query))])
    assert torch.allclose(together, alone, atol=1e-4)  # float32 sums in another order, scores of order 10


@pytest.mark.parametrize("name", NAMES)
def test_neither_the_order_of_cases_nor_of_classes_matters(name):
    support = make_support((4, 6, 3))
    query, _ = make_query(support)
    order = torch.randperm(13, generator=torch.Generator().manual_seed(3))
    swap = torch.tensor([2, 0, 1])  # new number of each class
    turned = Support(
        support.embeddings[order],
        swap[support.targets[order]],
        tuple(support.classes[i] for i in swap.argsort().tolist()),
        tuple(support.groups[i] for i in order.tolist()),
    )
    first = learner(name).adapt(support).probabilities(query)
    second = learner(name).adapt(turned).probabilities(query)
    assert torch.allclose(first, second[:, swap], atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_size_and_place_of_the_embedding_do_not_matter(name):
    """A learner measures scale on the support; an encoder twice as large gives the same answer."""
    support = make_support((4, 6))
    query, _ = make_query(support)
    moved = Support(support.embeddings * 20 + 3, support.targets, support.classes, support.groups)
    first = learner(name).adapt(support).probabilities(query)
    second = learner(name).adapt(moved).probabilities(query * 20 + 3)
    assert torch.allclose(first, second, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_adapted_model_is_differentiable(name):
    support = make_support((4, 4))
    query = make_query(support)[0][:1].requires_grad_()
    adapted = learner(name).adapt(support)
    logits = adapted.logits(query)
    (logits[0, 0] - logits[0, 1]).backward()
    assert torch.isfinite(query.grad).all() and query.grad.abs().sum() > 0


@pytest.mark.parametrize("name", NAMES)
def test_labels_that_mean_nothing_give_chance(name):
    """50 supports whose labels were thrown as coins: accuracy within 4 standard errors of one half."""
    right = []
    for seed in range(50):
        draw = torch.Generator().manual_seed(seed)
        embeddings = torch.randn(20, 30, generator=draw)
        shuffled = torch.tensor([0, 1] * 5)[torch.randperm(10, generator=draw)]
        truth = torch.randint(2, (10,), generator=draw)
        support = Support(embeddings[:10], shuffled, ("a", "b"), tuple(map(str, range(10))))
        answer = learner(name).adapt(support).probabilities(embeddings[10:]).argmax(1)
        right.append((answer == truth).float().mean())
    right = torch.stack(right)
    assert abs(float(right.mean()) - 0.5) < 4 * float(right.std()) / 50**0.5


@pytest.mark.parametrize("name", NAMES)
def test_steps_are_reported_as_they_happen_and_can_stop_the_work(name):
    class Stop(Exception):
        pass

    seen = []
    adapted = learner(name).adapt(make_support(), on_step=seen.append)
    assert tuple(seen) == adapted.trace and seen[0].step == 0
    assert seen[-1].loss <= seen[0].loss

    def stop(step):
        raise Stop

    with pytest.raises(Stop):
        learner(name).adapt(make_support(), on_step=stop)


@pytest.mark.parametrize("name", NAMES)
def test_so_many_steps_as_asked_are_taken_and_none_is_none(name):
    full = learner(name).adapt(make_support()).trace[-1].step
    for steps in (0, 1):
        if steps < full:
            assert learner(name).adapt(make_support(), steps=steps).trace[-1].step == steps


def test_a_support_of_one_class_is_refused_with_what_to_do():
    with pytest.raises(SupportError, match="Label at least one case of another class"):
        make_support((5,))
    with pytest.raises(SupportError, match="Label at least one case of another class"):
        make_support((5, 0))
    with pytest.raises(SupportError, match='No case is labelled "class 1"'):
        make_support((5, 0, 5))


def test_a_broken_embedding_is_refused():
    support = make_support()
    embeddings = support.embeddings.clone()
    embeddings[3, 2] = float("nan")
    with pytest.raises(SupportError, match="1 labelled case"):
        Support(embeddings, support.targets, support.classes, support.groups)


def test_a_class_that_rests_on_one_case_is_said():
    notes = [say(note) for note in learner("protonet").adapt(make_support((1, 5))).notes]
    assert any("rests on a single labelled case" in note for note in notes)


def test_a_patient_on_both_sides_is_refused():
    support = make_support()
    support.refuse_shared(("q1", "q2"))
    with pytest.raises(SupportError, match="memory"):
        support.refuse_shared(("q1", "p3"))


def test_an_unknown_name_is_answered_with_the_names_there_are():
    with pytest.raises(ValueError, match="protonet, incontext, matching, maml"):
        learner("magic")


def test_every_learner_is_described_in_both_languages():
    for each in learners():
        assert each.paper and each.targets
        assert all(each.about.key in table(language) for language in LANGUAGES)


def test_methods_import_torch_and_the_standard_library_only():
    """So that each file can be read and run beside its paper; `starts.py`, which reads the weights, is the door."""
    for path in sorted(Path(room.__file__).parent.glob("*.py")):
        if path.name in ("__init__.py", "starts.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                modules = [node.module]
            elif isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                continue
            for module in modules:
                top = module.split(".")[0]
                allowed = module.startswith(("engine.learners", "engine.nouns", "engine.sentences"))
                assert top == "torch" or top in sys.stdlib_module_names or allowed, f"{path.name}: {module}"
