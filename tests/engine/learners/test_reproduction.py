"""Published behaviour in miniature: what `benchmarks/sinusoid.py`, `ambiguous.py` and `omniglot.py` print at length."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import ambiguous, sinusoid
from benchmarks.characters import Characters
from benchmarks.convnet import Classifier, TaskNorm, normalise_by
from benchmarks.omniglot_methods import METHODS, WAYS
from engine.lessons.waves import draw_curves, grid

torch.set_num_threads(1)
UNTRAINED = 3.1  # error of the mean curve on sinusoids, the best that one answer for all can do


def means(told: dict[int, tuple[float, float]]) -> list[float]:
    return [told[steps][0] for steps in (0, 1, 5, 10)]


def test_first_order_maml_learns_sinusoids_too():
    """Finn 2017, section 5.2. Trained for one step, and still better with ten."""
    start = sinusoid.train_maml(10, 700, second_order=False, rate=3e-3)
    errors = means(sinusoid.judge(sinusoid.gradient_steps(start), 10, tasks=100))
    assert errors[1] < 0.7 * errors[0] and errors[3] < errors[2] < errors[1]


def test_reptile_goes_on_falling_for_many_steps():
    """Nichol 2018, figure 1: judged after 32 steps, not after one."""
    adapt = sinusoid.gradient_steps(sinusoid.train_reptile(400), torch.tanh, sinusoid.REPTILE_RATE)
    told = sinusoid.judge(adapt, 10, torch.tanh, tasks=100)
    assert told[32][0] < told[5][0] < told[0][0] and told[32][0] < UNTRAINED * 0.75


def test_models_that_platipus_draws_spread_before_data_and_draw_together_with_more():
    """Finn, Xu & Levine 2018, figure 3, in a few hundred meta-steps."""
    learned = ambiguous.train(150, widths=(1, 40, 40, 1))
    spread = [ambiguous.judge(learned, shots, tasks=40, samples=10).spread for shots in (1, 3, 10)]
    assert spread[0] > spread[1] > spread[2]


def test_a_family_is_told_by_its_best_fit():
    draw = torch.Generator().manual_seed(0)
    for share, expected in ((0.0, False), (1.0, True)):
        where = grid(50)
        values = draw_curves(50, draw, share).at(where)
        assert (ambiguous.is_line(values, where) == expected).float().mean() > 0.95


def made_characters(kinds: int = 80) -> Characters:
    """Patterns of 28 pixels, each "drawn" twenty times with noise and a shift."""
    draw = torch.Generator().manual_seed(0)
    look = nn.functional.interpolate(torch.rand(kinds, 1, 7, 7, generator=draw), (28, 28))[:, 0]
    pictures = torch.stack([torch.roll(look, (int(k) % 3 - 1, int(k) // 3 % 3 - 1), (1, 2)) for k in range(20)], 1)
    return Characters((pictures + 0.3 * torch.randn(pictures.shape, generator=draw)).clamp(0, 1), np.zeros(kinds, int))


@pytest.mark.parametrize(
    ("name", "steps"),
    [("prototypes", 3), ("matching-context", 6), ("first-order", 12), ("anil", 12)],
)
def test_training_on_some_characters_teaches_others(name, steps):
    characters = made_characters()
    known = Characters(characters.pictures[:65], characters.alphabet[:65])
    new = Characters(characters.pictures[65:], characters.alphabet[65:])
    torch.manual_seed(0)
    method = METHODS[name](known)
    adam = torch.optim.Adam(method.module.parameters(), 3e-3)
    for step in range(steps):
        adam.zero_grad()
        method.gradient(np.random.default_rng(step))
        adam.step()
    method.ready()
    right = []
    for episode in range(15):
        task = new.draw(WAYS, 1, 3, np.random.default_rng([1, episode]))
        right.append(float((method.answer(task).argmax(1) == task.query_targets).float().mean()))
    assert np.mean(right) > 0.5  # chance 0.2


def test_statistics_of_the_labelled_cases_make_each_answer_stand_alone():
    """What ships is not transductive; the papers' way is, and the check would notice."""
    torch.manual_seed(0)
    net, known, new = Classifier(WAYS), torch.rand(5, 1, 28, 28), torch.rand(4, 1, 28, 28)
    normalise_by(net, len(known))
    together = net(torch.cat([known, new]))[len(known) :]
    alone = torch.cat([net(torch.cat([known, each[None]]))[len(known) :] for each in new])
    assert torch.allclose(together, alone, atol=1e-5)
    normalise_by(net, None)
    assert not torch.allclose(net(new), torch.cat([net(each[None]) for each in new]), atol=1e-2)


def test_statistics_of_all_rows_are_batch_norms():
    torch.manual_seed(0)
    x = torch.randn(6, 3, 4, 4)
    norm = TaskNorm(3)
    expected = norm(x)
    norm.rows = 6
    assert torch.allclose(norm(x), expected)
    norm.rows = 5
    by_hand = norm(torch.cat([x[:5], x[:1]]))
    assert torch.allclose(by_hand[:5], TaskNorm(3)(x[:5]), atol=1e-5)
