"""The in-context learner: no order matters, no other query matters, refuses images; its guesses are the textbook's."""

from __future__ import annotations

import pytest
import torch
from sklearn.kernel_ridge import KernelRidge

from engine.encoders import record
from engine.learners import NumberSupport, Support, SupportError, adapt_number, learner, learners
from engine.learners import places as places_file
from engine.learners import rows as rows_file
from engine.learners.cells import CellNet, standardised
from engine.learners.forest import grow
from engine.learners.guesses import KERNELS, guesses
from engine.learners.incontext import InContext, read
from engine.learners.lines import C, class_lines
from engine.learners.logistic import Logistic
from engine.learners.places import read_places
from engine.learners.rows import ROW_NUMBERS, ROW_SQUARE


def rows_of(own: torch.Tensor) -> torch.Tensor:
    """Embeddings as records have them: a row part of the right length, then the row's own numbers."""
    draw = torch.Generator().manual_seed(5)
    part = torch.nn.functional.layer_norm(torch.randn(len(own), ROW_NUMBERS, generator=draw), (ROW_NUMBERS,))
    return torch.cat([part * ROW_SQUARE**0.5, own], 1)


def made(counts=(6, 6), columns=7, apart=1.5, seed=0) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    targets = torch.cat([torch.full((n,), k) for k, n in enumerate(counts)])
    own = torch.randn(len(targets), columns, generator=draw)
    own[torch.arange(len(targets)), targets] += 2 * apart
    return rows_of(own), targets


def support_of(counts=(6, 6), **more) -> Support:
    embeddings, targets = made(counts, **more)
    groups = tuple(f"p{i}" for i in range(len(targets)))
    return Support(embeddings, targets, tuple(f"class {k}" for k in range(len(counts))), groups)


@pytest.mark.parametrize(("counts", "least"), [((6, 6), 0.9), ((1, 1), 0.7), ((2, 10, 4), 0.9), ((3,) * 7, 0.9)])
def test_it_separates_clear_classes_of_any_number(counts, least):
    support = support_of(counts, columns=9, apart=3.0)
    query, targets = made((20,) * len(counts), columns=9, apart=3.0, seed=1)
    probabilities = learner("incontext").adapt(support).probabilities(query)
    assert torch.allclose(probabilities.sum(1), torch.ones(len(query)), atol=1e-5)
    assert (probabilities.argmax(1) == targets).float().mean() > least


def test_one_rows_answer_does_not_depend_on_which_others_are_asked():
    adapted = learner("incontext").adapt(support_of())
    query, _ = made((5, 5), seed=1)
    alone = torch.cat([adapted.logits(query[i : i + 1]) for i in range(len(query))])
    assert torch.allclose(adapted.logits(query), alone, atol=1e-4)


def test_neither_the_order_of_rows_of_columns_nor_of_classes_matters():
    support, (query, _) = support_of((5, 4)), made((5, 5), seed=1)
    first = learner("incontext").adapt(support).probabilities(query)
    rows = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    columns = torch.cat([torch.arange(ROW_NUMBERS), ROW_NUMBERS + torch.tensor([3, 1, 6, 0, 2, 5, 4])])
    turned = Support(
        support.embeddings[rows][:, columns],
        1 - support.targets[rows],
        support.classes[::-1],
        tuple(support.groups[i] for i in rows.tolist()),
    )
    second = learner("incontext").adapt(turned).probabilities(query[:, columns])
    assert torch.allclose(first, second.flip(1), atol=1e-4)


def test_resamples_ask_one_way_round_each_and_both_ways_together_are_the_answer():
    support, (query, _) = support_of((5, 4)), made((5, 5), seed=1)

    def odds(one) -> torch.Tensor:
        scores = one.adapt(support).logits(query)
        return scores[:, 1] - scores[:, 0]

    both, sides = odds(learner("incontext")), [odds(learner("incontext").resampling(draw)) for draw in (0, 1)]
    assert torch.allclose((sides[0] + sides[1]) / 2, both, atol=1e-4)
    assert not torch.allclose(sides[0], sides[1], atol=1e-4)
    several = support_of((4, 4, 4))
    first, second = (
        one.adapt(several).logits(query) for one in (learner("incontext"), learner("incontext").resampling(0))
    )
    assert torch.equal(first, second)  # with three and more each class asks for itself anyway


def test_what_an_image_is_made_of_is_refused_and_the_method_is_not_offered_for_images():
    draw = torch.Generator().manual_seed(0)
    image = Support(torch.randn(6, 80, generator=draw), torch.arange(6) % 2, ("a", "b"), tuple("uvwxyz"))
    with pytest.raises(SupportError, match="columns of a table"):
        learner("incontext").adapt(image)
    assert "incontext" not in [each.name for each in learners("classes")]
    assert "incontext" in [each.name for each in learners("classes", kind="record")]
    assert "incontext" in [each.name for each in learners("number", kind="molecule")]


def test_encoder_and_learner_agree_on_how_a_row_begins():
    assert (record.ROW_NUMBERS, record.ROW_SQUARE) == (rows_file.ROW_NUMBERS, rows_file.ROW_SQUARE)


def test_the_gradient_is_that_of_small_changes():
    """Finite differences in float64 with a network of its own start, whose corrections are made to count."""
    torch.manual_seed(0)
    net = CellNet(width=16, heads=2, hidden=16, layers=2).double()
    torch.nn.init.normal_(net.answer.weight, std=0.1)
    support, targets, query = torch.randn(8, 4).double(), torch.tensor([[1.0, -1.0] * 4]).double(), torch.randn(3, 4)
    query = query.double().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda q: read(net, support, targets, q, False)[0], (query,), atol=1e-4)


def test_without_weights_it_says_so_and_still_answers():
    adapted = InContext().adapt(support_of())
    assert [note.key for note in adapted.notes] == ["learners.plain_start"]
    assert torch.isfinite(adapted.logits(made(seed=1)[0])).all()


def test_an_untrained_network_answers_with_the_mean_of_the_guesses():
    net, (embeddings, targets) = CellNet(width=16, heads=2, hidden=16, layers=1), made()
    own, signs = embeddings[:, ROW_NUMBERS:], 2.0 * targets - 1
    query = made(seed=1)[0][:, ROW_NUMBERS:]
    answers, _ = net(own[None], signs[None], query[None], True)
    cells, asked = (each[None] for each in standardised(own, query))
    columns, near = read_places(cells, signs[None])  # as many of either: of mean 0, spread 1
    trees = grow(columns.places, signs[None], (near * signs[:, None]).mean(1))[1](columns.of(asked))
    every = torch.cat([guesses(cells, signs[None], asked)[1], trees], -1)
    assert torch.allclose(answers, every.mean(-1), atol=1e-5)


def test_what_is_near_says_nothing_of_a_rows_own_target_and_columns_in_portions_are_the_same(monkeypatch):
    draw = torch.Generator().manual_seed(4)
    cells, known = torch.randn(1, 9, 5, generator=draw), torch.randn(1, 9, generator=draw)
    columns, near = read_places(cells, known - known.mean())
    other = known.clone()
    other[0, 2] += 3.0
    moved = (read_places(cells, other - other.mean())[1] - near)[0].abs().amax(1)
    assert moved[2] < 1e-6 and moved[torch.arange(9) != 2].min() > 0.01
    new = columns.of(torch.randn(1, 4, 5, generator=draw))
    monkeypatch.setattr(places_file, "PAIRS", 9 * 9 * 2)
    again, same = read_places(cells, known - known.mean())
    assert torch.allclose(same, near, atol=1e-6) and torch.allclose(again.near(new), columns.near(new), atol=1e-6)


def test_places_run_from_below_all_to_above_all_and_skew_does_not_crowd_them():
    values = torch.tensor([0.1, 0.2, 0.3, 0.4, 8.0])[None, :, None]
    columns, _ = read_places(values, torch.zeros(1, 5))
    places = columns.of(torch.tensor([-50.0, 0.25, 50.0])[None, :, None])[0, :, 0]
    assert places.tolist() == pytest.approx([-1, -0.2, 1], abs=0.1)
    assert columns.places[0, :, 0].diff().min() > 0.1


def test_the_linear_guess_is_scikit_learns_and_labelled_rows_are_guessed_without_themselves():
    embeddings, targets = made()
    own, signs, query = embeddings[:, ROW_NUMBERS:], 2.0 * targets - 1, made(seed=1)[0][:, ROW_NUMBERS:]
    cells, asked = (each.double() for each in standardised(own, query))
    known, found = guesses(cells, signs.double(), asked)
    scale = float((cells @ cells.T).diagonal().mean())
    strength = KERNELS[0][1][1]

    def fit(kept):
        mean, centre = signs[kept].double().mean(), cells[kept].mean(0)
        ours = KernelRidge(alpha=len(signs) * strength * scale).fit(cells[kept] - centre, signs[kept].double() - mean)
        return lambda rows: ours.predict(rows - centre) + float(mean)

    every = torch.ones(len(signs), dtype=torch.bool)
    assert torch.allclose(found[:, 1], torch.from_numpy(fit(every)(asked)), atol=1e-6)
    for i in (0, 7):
        without = every.clone()
        without[i] = False
        assert float(known[i, 1]) == pytest.approx(float(fit(without)(cells[i : i + 1])[0]), abs=1e-6)


def test_numbers_are_learned_with_an_interval_that_holds_most_new_ones():
    draw = torch.Generator().manual_seed(2)
    own = torch.randn(60, 5, generator=draw)
    y = 40 + 8 * own[:, 0] + 3 * torch.randn(60, generator=draw)
    support = NumberSupport(rows_of(own)[:24], y[:24], "days", tuple(f"p{i}" for i in range(24)))
    adapted = adapt_number(learner("incontext"), support)
    query = rows_of(own)[24:]
    error = (adapted.mean(query) - y[24:]).square().mean()
    assert error < 0.5 * (y[24:] - support.targets.mean()).square().mean()
    low, high = adapted.interval(query)
    assert ((low <= y[24:]) & (y[24:] <= high)).float().mean() > 0.6


def test_a_table_of_one_column_with_three_values_has_finite_guesses():
    """Such kernels have many equal eigenvalues, at which LAPACK's single precision gave NaN."""
    column = torch.tensor([-1, -1, 0, 1, 0, 0, 0, 1, 1, 0, -1, 0, 1, -1]) * 1.75**0.5
    cells = torch.stack([column, torch.zeros(14)], 1)[None]
    targets = torch.tensor([[-1.0] * 7 + [1.0] * 7])
    left_out, asked = guesses(cells, targets, cells)
    assert torch.isfinite(left_out).all() and torch.isfinite(asked).all()


def test_a_value_a_hundred_times_too_high_does_not_drown_a_column():
    """A unit slip in one labelled row: the line through numbers knows nothing more, that through places goes on."""
    draw = torch.Generator().manual_seed(0)
    own = torch.randn(60, 1, generator=draw)
    targets = (own[:, 0] > 0).long()
    own[int(targets[:20].nonzero()[0])] *= 1e2
    support = Support(own[:20], targets[:20], ("low", "high"), tuple(map(str, range(20))))
    straight = Logistic(C).adapt(support).probabilities(own[20:])[:, 1]
    both = class_lines(support)(own[20:]).exp()[:, 1]
    assert straight.std() < 0.02 < 0.1 < both.std()
    assert ((both > both.median()) == (targets[20:] == 1)).float().mean() > 0.85
