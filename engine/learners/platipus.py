"""PLATIPUS: probabilistic MAML (Finn, Xu & Levine, NeurIPS 2018, arXiv 1806.02817).

A handful of cases leaves more than one model possible. So what is learned is not one start but a distribution of
starts; each one drawn from it adapts by gradient descent, and their answers differ where the cases don't decide.

Training (Algorithm 1), for a task with support D_tr and query D_te:
    q = N(mu - gamma_q grad L(mu; D_te), v_q)                   line 7: a start, knowing the answers
    theta ~ q;   phi = theta - alpha grad L(theta; D_tr)        lines 6 and 8
    p = N(mu - gamma_p grad L(mu; D_tr), sigma^2)               line 9: a start, knowing the support alone
    minimise  L(phi; D_te) + KL(q || p)                         line 11
Testing (Algorithm 2): theta ~ p, the same steps, and the mean of the answers of many such models.

v_q, sigma^2 are diagonal and, like mu, alpha, gamma_p and gamma_q, learned. The draws are reparameterised: theta =
mean + sqrt(v) * noise with the noise given from outside, so with fixed noise all is a plain function. Noise of shape
(samples, ...) or (tasks, ...) broadcasts: then losses are sums over that first axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import softplus

from engine.learners import head
from engine.learners.descent import Loss, Parameters
from engine.learners.maml import inner_loop
from engine.learners.numbers import NumberFit, NumberSupport
from engine.learners.protocol import CLASSES, NUMBER, Adapted, Learner, OnStep, Support, Trace
from engine.nouns import Note

SAMPLES = 20
SIGMA = 0.05  # of the first distribution: small against weights of usual size, or nothing can be learned through it


@dataclass(frozen=True)
class Distribution:
    """What meta-training learns. `mean`, `log_variance` (prior's), `log_variance_q`: tensors by name, variances of the
    same shape as the mean or scalar; `rates` as MAML's, one a step; `gamma_p`, `gamma_q` scalars by name, before the
    softplus that keeps them positive."""

    mean: Parameters
    log_variance: Parameters
    log_variance_q: Parameters
    rates: Mapping[str, Tensor]
    gamma_p: Parameters
    gamma_q: Parameters

    @property
    def tensors(self) -> list[Tensor]:
        """All of them, for an optimiser."""
        parts = (self.mean, self.log_variance, self.log_variance_q, self.rates, self.gamma_p, self.gamma_q)
        return [tensor for part in parts for tensor in part.values()]


def begin(start: Parameters, rate: float, *, sigma: float = SIGMA, gamma: float = 0.01, steps: int = 1) -> Distribution:
    """A narrow distribution around `start`, every part a leaf that wants its gradient."""

    def each(make) -> Parameters:
        return {name: make(tensor).requires_grad_() for name, tensor in start.items()}

    raw = torch.tensor(gamma).expm1().log().item()  # softplus(raw) = gamma
    return Distribution(
        each(lambda t: t.detach().clone()),
        each(lambda t: torch.full_like(t, 2 * torch.tensor(sigma).log().item())),
        each(lambda t: torch.full_like(t, 2 * torch.tensor(sigma).log().item())),
        each(lambda t: t.new_full((steps,), rate)),
        each(lambda t: t.new_tensor(raw)),
        each(lambda t: t.new_tensor(raw)),
    )


def informed(loss: Loss, mean: Parameters, gamma: Parameters, second_order: bool = True) -> Parameters:
    """mean - gamma * grad L(mean): one step from the mean start (lines 7 and 9), differentiable."""
    here = {n: t if t.requires_grad else t.detach().requires_grad_() for n, t in mean.items()}
    gradients = torch.autograd.grad(loss(here), list(here.values()), create_graph=second_order)
    return {n: here[n] - softplus(gamma[n]) * g for n, g in zip(here, gradients, strict=True)}


def draw(mean: Parameters, log_variance: Parameters, noise: Parameters) -> Parameters:
    return {n: mean[n] + (0.5 * log_variance[n]).exp() * noise[n] for n in mean}


def divergence(mean_q: Parameters, log_q: Parameters, mean_p: Parameters, log_p: Parameters) -> Tensor:
    """KL(N(mean_q, e^log_q) || N(mean_p, e^log_p)), summed over all numbers. Variances broadcast to the means."""
    total = []
    for n in mean_q:
        apart = (mean_q[n] - mean_p[n]).square()
        difference = (log_q[n] - log_p[n]).expand_as(apart)
        total.append((difference.exp() + apart / log_p[n].exp() - 1 - difference).sum() / 2)
    return torch.stack(total).sum()


def spread_out(mean: Parameters, noise: Parameters) -> Parameters:
    """The mean in the shape of the noise: a copy for each task or sample."""
    return {n: tensor.expand(noise[n].shape) for n, tensor in mean.items()}


def objective(
    distribution: Distribution, support: Loss, query: Loss, noise: Parameters, steps: int, weight: float
) -> Tensor:
    """L(phi; D_te) + weight * KL(q || p) (line 11): minus the evidence lower bound where `weight` is 1 and L sums over
    cases. With L a mean, the weight is about 1 / number of cases; larger, and nothing is learned from the task."""
    mean = spread_out(distribution.mean, noise)
    q = informed(query, mean, distribution.gamma_q)
    p = informed(support, mean, distribution.gamma_p)
    theta = draw(q, distribution.log_variance_q, noise)
    phi, _ = inner_loop(support, theta, distribution.rates, steps, name="PLATIPUS")
    return query(phi) + weight * divergence(q, distribution.log_variance_q, p, distribution.log_variance)


def sample(
    distribution: Distribution,
    support: Loss,
    noise: Parameters,
    steps: int,
    *,
    trace: Trace | None = None,
    most: float = math.inf,
) -> tuple[Parameters, int]:
    """Algorithm 2: models of the task, one for each entry of the noise's first axis, and how often a step was halved.

    `support` is the loss summed over those models; `most` as in `inner_loop`.
    """
    p = informed(support, spread_out(distribution.mean, noise), distribution.gamma_p, second_order=False)
    theta = {n: t.detach() for n, t in draw(p, distribution.log_variance, noise).items()}
    rates = {n: r.detach() for n, r in distribution.rates.items()}
    phi, halvings = inner_loop(
        support, theta, rates, steps, second_order=False, trace=trace, name="PLATIPUS", most=most
    )
    return {n: t.detach() for n, t in phi.items()}, halvings


def plain_distribution() -> Distribution:
    """For the head, before any training: plain gradient descent from rows that differ by 0.3 in scores."""
    rate = torch.full((head.PLAIN_STEPS,), head.PLAIN_RATE)
    narrow = {n: torch.tensor(2 * math.log(0.3)) for n in ("rows", "bias")}
    small = {n: torch.tensor(math.log(math.expm1(0.1))) for n in ("rows", "bias")}
    return Distribution({"pull": torch.zeros(())}, narrow, narrow, {"rows": rate, "bias": rate}, small, small)


def of_task(learned: Distribution, support: Support | NumberSupport) -> Distribution:
    """The distribution of the head's tensors: any number of classes from scalars. The learned `pull` places the mean of
    every class's row at `pull` times the class's mean; its variances hold for every number of every row."""
    gate = support.embeddings.new_zeros(support.embeddings.shape[1])
    begun = head.parameters_for(head.Start(gate, learned.mean["pull"], {}), support)
    return replace(learned, mean={"rows": begun["rows"], "bias": begun["bias"]})


def noise_of(support: Support | NumberSupport, samples: int, seed: int) -> Parameters:
    """Standard normal numbers for the rows and biases of `samples` models, given out by the classes' names."""
    draw = torch.Generator().manual_seed(seed)
    count, dimensions = head.number_of_rows(support), support.embeddings.shape[1]
    drawn = head.by_name(support, torch.randn(count, samples, dimensions + 1, generator=draw)).to(support.embeddings)
    return {"rows": drawn[..., :-1].transpose(0, 1), "bias": drawn[..., -1].T}


def head_loss(support: Support | NumberSupport) -> Loss:
    """On the labelled cases, summed over the models whose rows and biases are given."""
    gate = support.embeddings.new_zeros(support.embeddings.shape[1])
    placed = head.place(gate, support.embeddings, support.embeddings)
    return lambda theta: head.error(head.linear(placed, theta), support)


class Platipus(Learner):
    """PLATIPUS over a cached embedding: the mean answer of `samples` models, each of which can be asked."""

    name = "platipus"
    paper = "Finn, Xu & Levine 2018, Probabilistic Model-Agnostic Meta-Learning, arXiv 1806.02817"
    targets = (CLASSES, NUMBER)

    def __init__(self, start: Distribution | None = None, samples: int = SAMPLES):
        self.start, self.samples = start, samples

    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        trace = Trace(on_step)
        each, space, notes = self._draw(support, steps, seed, trace)

        def score(new: Tensor) -> Tensor:
            return each(new).log_softmax(-1).logsumexp(0) - math.log(self.samples)

        return Adapted(
            self.name, support.classes, score, space, None, tuple(trace.steps), support.notes + notes, sampled=each
        )

    def fit_number(self, support: NumberSupport, steps: int | None, seed: int, trace: Trace) -> NumberFit:
        each, space, notes = self._draw(support, steps, seed, trace)
        return NumberFit(lambda new: each(new)[..., 0].mean(0), space, notes, lambda new: each(new)[..., 0])

    def _draw(
        self, support: Support | NumberSupport, steps: int | None, seed: int, trace: Trace
    ) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], tuple[Note, ...]]:
        learned = self.start or plain_distribution()
        steps = len(learned.rates["rows"]) if steps is None else steps
        noise = noise_of(support, self.samples, seed)
        told = Trace(lambda step: trace.add(step.step, step.loss / self.samples))  # of a model, on average
        most = head.most_loss(support)
        phi, halvings = sample(of_task(learned, support), head_loss(support), noise, steps, trace=told, most=most)
        notes = () if self.start else (Note("learners.plain_start"),)
        if halvings:
            notes += (Note("learners.step_halved", {"count": halvings}),)
        embeddings, gate = support.embeddings, support.embeddings.new_zeros(support.embeddings.shape[1])

        def space(new: Tensor) -> Tensor:
            return head.place(gate, new, embeddings)

        return lambda new: head.linear(space(new), phi), space, notes
