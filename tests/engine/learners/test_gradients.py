"""Every meta-gradient against an oracle: finite differences in float64, torch's own optimisers, the loop itself."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

from engine.learners import Support, SupportError, head, lstm_meta, platipus, reptile, span
from engine.learners.adam import AdamState, adam_descent, adam_step
from engine.learners.descent import Guard, leaves
from engine.learners.maml import inner_loop, meta_loss, module_loss
from engine.learners.scratch import descend
from engine.sentences import say
from tests.engine.learners.test_learners import make_query, make_support

WIDTH = 1e-6  # error of a central difference here: about 1e-12 (width^2) + 1e-10 (rounding / width)


def check_by_differences(value, tensors, every: int = 1, tolerance: float = 1e-7) -> None:
    """`value()` differentiable in `tensors`: its gradient is the central difference of its values."""
    gradients = torch.autograd.grad(value(), tensors)
    for tensor, gradient in zip(tensors, gradients, strict=True):
        flat = tensor.data.view(-1)
        for index in range(0, tensor.numel(), every):
            before = float(flat[index])
            flat[index] = before + WIDTH
            above = value().item()
            flat[index] = before - WIDTH
            below = value().item()
            flat[index] = before
            assert float(gradient.reshape(-1)[index]) == pytest.approx((above - below) / (2 * WIDTH), abs=tolerance)


def network(seed: int = 0) -> tuple[nn.Module, dict[str, torch.Tensor]]:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 3)).double()
    return module, leaves(dict(module.named_parameters()))


def task(module: nn.Module, seed: int = 0):
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(12, 4, generator=draw, dtype=torch.float64)
    y = torch.randint(3, (12,), generator=draw)
    return module_loss(module, x[:6], y[:6], cross_entropy), module_loss(module, x[6:], y[6:], cross_entropy)


def test_the_lstms_meta_gradient_is_the_finite_difference_with_losses_and_gradients_held_constant():
    """The oracle is eqs. 2-4 written out again, fed the losses and gradients that `unroll` met."""
    module, start = network()
    support, query = task(module)
    torch.manual_seed(1)
    rule = lstm_meta.MetaLSTM(units=4, rate=0.2).double()
    met = []
    hook = rule.register_forward_pre_hook(lambda _, given: met.append((given[0].clone(), given[1].clone())))
    learned = query(lstm_meta.unroll(support, start, rule, 3))
    hook.remove()

    def again() -> torch.Tensor:
        theta = lstm_meta.flat(start)
        h, c = torch.zeros(2, len(theta), 4, dtype=torch.float64)
        i = f = torch.zeros(len(theta), 1, dtype=torch.float64)
        for loss, gradient in met:
            x = torch.cat([lstm_meta.preprocess(gradient), lstm_meta.preprocess(loss).expand(len(theta), 2)], 1)
            h, c = rule.reader(x, (h, c))
            i = torch.sigmoid(rule.input_gate(torch.cat([h, theta[:, None], i], 1)))
            f = torch.sigmoid(rule.forget_gate(torch.cat([h, theta[:, None], f], 1)))
            theta = f[:, 0] * theta - i[:, 0] * gradient
        return query(lstm_meta.shaped(theta, start))

    tensors = [*rule.parameters(), *start.values()]
    ours = torch.autograd.grad(learned, tensors)
    assert learned.item() == pytest.approx(again().item(), abs=1e-12)
    for one, other in zip(ours, torch.autograd.grad(again(), tensors), strict=True):
        assert torch.allclose(one, other, atol=1e-12)
    check_by_differences(again, tensors, every=5)


def test_the_lstm_begins_as_gradient_descent_at_a_small_rate():
    module, start = network()
    support, _ = task(module)
    end = lstm_meta.unroll(support, start, lstm_meta.MetaLSTM(keep=20.0, rate=0.01).double(), 1)
    gradients = torch.autograd.grad(support(start), list(start.values()))
    for (name, tensor), gradient in zip(start.items(), gradients, strict=True):
        assert torch.allclose(end[name], tensor - 0.01 * gradient, rtol=0.1, atol=1e-6)


def test_preprocessing_keeps_size_and_sign_apart():
    seen = lstm_meta.preprocess(torch.tensor([1.0, -1.0, 1e-6, 0.0]))
    assert torch.allclose(seen[:2], torch.tensor([[0.0, 1.0], [0.0, -1.0]]))
    assert torch.allclose(seen[2], torch.tensor([-1.0, 1e-6 * torch.e**10]), atol=1e-6)
    assert torch.equal(seen[3], torch.tensor([-1.0, 0.0]))


def test_platipus_objective_has_the_finite_difference_as_gradient_with_the_noise_fixed():
    module, start = network()
    support, query = task(module)
    distribution = platipus.begin({n: t.detach() for n, t in start.items()}, 0.3, sigma=0.1, gamma=0.2, steps=2)
    draw = torch.Generator().manual_seed(2)
    noise = {n: torch.randn(t.shape, generator=draw, dtype=torch.float64) for n, t in start.items()}
    check_by_differences(
        lambda: platipus.objective(distribution, support, query, noise, 2, 0.1), distribution.tensors, every=4
    )


def test_the_divergence_is_torchs():
    draw = torch.Generator().manual_seed(0)
    mean_q, log_q, mean_p, log_p = torch.randn(4, 7, generator=draw, dtype=torch.float64)
    oracle = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean_q, (log_q / 2).exp()), torch.distributions.Normal(mean_p, (log_p / 2).exp())
    ).sum()
    ours = platipus.divergence({"a": mean_q}, {"a": log_q}, {"a": mean_p}, {"a": log_p})
    assert ours.item() == pytest.approx(oracle.item(), abs=1e-12)


@pytest.mark.parametrize("betas", [(0.0, 0.999), (0.9, 0.999)])
def test_our_adam_is_torchs(betas):
    module, start = network()
    support, _ = task(module)
    ours, _ = adam_descent(support, start, tuple(start), 0.01, 7, betas=betas)
    theirs = leaves(start)
    optimiser = torch.optim.Adam(theirs.values(), 0.01, betas=betas)
    for _ in range(7):
        optimiser.zero_grad()
        support(theirs).backward()
        optimiser.step()
    assert all(torch.allclose(ours[n], theirs[n], atol=1e-12) for n in start)


def test_a_reptile_step_moves_to_the_mean_of_where_tasks_ended_and_carries_the_state_on():
    module, start = network()
    tasks = [task(module, seed)[0] for seed in (0, 1)]
    moved, state = reptile.reptile_step(tasks, start, 0.01, 3, 0.5)
    theirs, ends, kept = leaves(start), [], None
    for each in tasks:  # one optimiser for both tasks: its second moments go on, the weights start anew
        theirs = leaves(start)
        optimiser = torch.optim.Adam(theirs.values(), 0.01, betas=(0.0, 0.999))
        if kept:
            optimiser.load_state_dict(kept)
        for _ in range(3):
            optimiser.zero_grad()
            each(theirs).backward()
            optimiser.step()
        kept = optimiser.state_dict()
        ends.append({n: t.detach() for n, t in theirs.items()})
    for name, tensor in start.items():
        expected = tensor + 0.5 * ((ends[0][name] + ends[1][name]) / 2 - tensor)
        assert torch.allclose(moved[name], expected, atol=1e-12)
    assert state.count == 6
    # As a gradient for another optimiser: theta - mean(W).
    gradients = torch.autograd.grad(reptile.towards(start, ends), list(start.values()))
    for (name, tensor), gradient in zip(start.items(), gradients, strict=True):
        assert torch.allclose(gradient, tensor - (ends[0][name] + ends[1][name]) / 2, atol=1e-12)


def test_adapting_with_reptile_leaves_the_training_state_as_it_was():
    module, start = network()
    support, _ = task(module)
    _, state = reptile.inner(support, start, 0.01, 2)
    before = {n: t.clone() for n, t in state.second.items()}
    first, _ = reptile.inner(support, start, 0.01, 5, state)
    second, _ = reptile.inner(support, start, 0.01, 5, state)
    assert all(torch.equal(first[n], second[n]) for n in start)
    assert all(torch.equal(before[n], state.second[n]) for n in before) and state.count == 2


def test_reptiles_outer_step_falls_linearly_to_zero():
    assert [reptile.epsilon(k, 4) for k in range(5)] == [1.0, 0.75, 0.5, 0.25, 0.0]


def double(support: Support) -> Support:
    return Support(support.embeddings.double(), support.targets, support.classes, support.groups)


def test_the_batched_head_is_the_loop_and_so_is_its_meta_gradient():
    """Tasks of different numbers of cases, classes and queries in one batch; 1e-10 in float64."""
    tasks = []
    for seed, counts in enumerate([(3, 4), (1, 1), (5, 2, 4), (2,) * 5]):
        support = double(make_support(counts, dimensions=30, apart=1.0, seed=seed))
        query, targets = make_query(support, 3 + seed)
        tasks.append((support, query, targets))
    pull = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    rates = {
        n: torch.tensor(r, dtype=torch.float64).requires_grad_() for n, r in {"rows": [3.0, 2.0], "bias": [0.5]}.items()
    }
    packed = span.batch(tasks)
    together = span.query_losses(packed, *span.descend(packed, pull, rates, 4))
    alone = []
    for support, query, targets in tasks:
        start = head.Start(torch.zeros(30, dtype=torch.float64), pull, rates)
        theta, _ = inner_loop(
            lambda p, s=support: head.support_loss(p, s), head.parameters_for(start, support), rates, 4
        )
        alone.append(cross_entropy(head.scores(theta, query, support.embeddings), targets))
    assert torch.allclose(together, torch.stack(alone), atol=1e-10)
    tensors = [pull, *rates.values()]
    for one, other in zip(
        torch.autograd.grad(together.sum(), tensors), torch.autograd.grad(sum(alone), tensors), strict=True
    ):
        assert torch.allclose(one, other, atol=1e-10)


class PlainNorm(nn.Module):
    """Batch normalisation from mean and variance, without torch's fused function."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(8)), nn.Parameter(torch.zeros(8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt() * self.weight + self.bias


def normalised(norm: nn.Module) -> tuple[nn.Module, dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 8, bias=False), norm, nn.Tanh(), nn.Linear(8, 3)).double()
    x, y = torch.randn(4, 20, 6, dtype=torch.float64), torch.randint(3, (4, 20))
    return module, leaves(dict(module.named_parameters())), x, y


def fused() -> nn.Module:
    return nn.BatchNorm1d(8, track_running_stats=False)


def by_loop(module, start, x, y) -> list[torch.Tensor]:
    tasks = [
        (module_loss(module, a[:10], b[:10], cross_entropy), module_loss(module, a[10:], b[10:], cross_entropy))
        for a, b in zip(x, y, strict=True)
    ]
    rates = {n: torch.tensor([0.5], dtype=torch.float64) for n in start}
    return list(torch.autograd.grad(meta_loss(tasks, start, rates, 2), list(start.values())))


def by_vmap(module, start, x, y, inside: bool = False) -> list[torch.Tensor]:
    def error(parameters, a, b):
        return cross_entropy(functional_call(module, parameters, (a,)), b)

    def after(parameters, a, b):
        theta = parameters
        for _ in range(2):
            gradients = grad(error)(theta, a[:10], b[:10])
            theta = {n: t - 0.5 * gradients[n] for n, t in theta.items()}
        return error(theta, a[10:], b[10:])

    plain = {n: t.detach() for n, t in start.items()}
    if inside:  # each task's whole meta-gradient inside vmap
        return [g.mean(0) for g in vmap(grad(after), in_dims=(None, 0, 0))(plain, x, y).values()]
    return list(grad(lambda parameters: vmap(after, in_dims=(None, 0, 0))(parameters, x, y).mean())(plain).values())


def apart(one: list[torch.Tensor], other: list[torch.Tensor]) -> float:
    difference = torch.cat([(a - b).flatten() for a, b in zip(one, other, strict=True)]).norm()
    return float(difference / torch.cat([b.flatten() for b in other]).norm())


def test_our_loop_through_fused_batch_normalisation_is_right():
    reference = by_loop(*normalised(PlainNorm()))
    assert apart(by_loop(*normalised(fused())), reference) < 1e-10
    assert apart(by_vmap(*normalised(PlainNorm())), reference) < 1e-10  # vmap itself is not to blame
    assert apart(by_vmap(*normalised(fused()), inside=True), reference) < 1e-10  # nor is differentiating inside it


@pytest.mark.xfail(
    strict=True, reason="torch 2.13: the gradient of vmap over tasks through fused affine batch norm is wrong"
)
def test_the_trap_of_vmap_through_fused_batch_normalisation():
    """Losses agree, the second-order meta-gradient taken *outside* vmap does not, and nothing warns. Learners here loop
    over tasks instead, or batch a head that has no normalisation. When this passes, a new torch has mended it."""
    assert apart(by_vmap(*normalised(fused())), by_loop(*normalised(PlainNorm()))) < 1e-6


def walled(theta: dict[str, torch.Tensor]) -> torch.Tensor:
    """Falls towards 3, but is not a number beyond 2: a step too far must be taken back."""
    x = theta["x"]
    return torch.where(x > 2, torch.full_like(x, torch.inf), (x - 3).square()).sum()


def methods(guard: Guard):
    start = {"x": torch.tensor([0.0], requires_grad=True)}
    rate = {"x": torch.tensor([0.9])}
    noise = {"x": torch.zeros(1, 1)}
    big = lstm_meta.MetaLSTM(rate=0.9)
    distribution = platipus.begin({"x": torch.zeros(1)}, 0.9, gamma=1e-4)
    return {
        "maml": lambda: inner_loop(walled, start, rate, 5)[0],
        "adam": lambda: adam_descent(walled, start, ("x",), 2.5, 5, guard=guard)[0],
        "reptile": lambda: reptile.inner(walled, start, 2.5, 5, guard=guard)[0],
        "lstm": lambda: lstm_meta.unroll(walled, start, big, 5, guard=guard),
        "platipus": lambda: platipus.sample(distribution, walled, noise, 5)[0],
        "scratch": lambda: descend(walled, start, 0.9, 5, guard=guard),
    }


@pytest.mark.parametrize("name", methods(Guard("x")))
def test_every_gradient_method_takes_back_a_step_that_is_not_finite(name):
    guard = Guard(name)
    end = methods(guard)[name]()["x"]
    assert torch.isfinite(end).all() and 0 < float(end.detach().flatten()[0]) <= 2
    if name not in ("maml", "platipus"):  # these two return the count themselves
        assert guard.halvings > 0 and "half the size" in say(guard.notes[0])


def test_a_start_whose_loss_is_not_finite_is_refused_by_the_methods_name():
    with pytest.raises(SupportError, match="tester"):
        Guard("tester").begin(torch.tensor(torch.nan))


def test_an_adam_step_changes_nothing_it_was_given():
    theta, state = {"x": torch.ones(2)}, AdamState()
    moved, after = adam_step(theta, {"x": torch.ones(2)}, state, 0.1, (0.9, 0.999))
    assert torch.equal(theta["x"], torch.ones(2)) and not state.first and state.count == 0
    assert after.count == 1 and (moved["x"] < 1).all()
