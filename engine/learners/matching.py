"""Matching networks (Vinyals et al., NeurIPS 2016, arXiv 1606.04080): answer as the most similar labelled cases do.

    P(y | x, S) = sum_i a(x, x_i) y_i,     a(x, x_i) = softmax_i(scale * cos(f(x), g(x_i)))      (eq. 1, section 2.1.1)

`scale` is not in the paper; cosines lie within -1..1, so that without it the softmax is nearly flat and hardly learns.

Full context embeddings (section 2.1.2, appendix A) let the whole labelled set S change how a case is seen: `g` reads
it with an LSTM in both directions, `f` looks at it K times with an attention LSTM:

    g(x_i, S) = h->_i + h<-_i + g'(x_i)
    h^_k, c_k = LSTM(f'(x), [h_{k-1}, r_{k-1}], c_{k-1})
    h_k = h^_k + f'(x),    r_{k-1} = sum_i softmax_i(h_{k-1}^T g(x_i)) g(x_i),    f(x, S) = h_K

Reading S in a row makes the answer depend on the order of its cases. So training shuffles them, and `FullContext`
averages over a few orders that depend on the cases themselves, not on how somebody listed them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, one_hot

from engine.learners.numbers import NumberFit, NumberSupport
from engine.learners.protocol import CLASSES, NUMBER, Adapted, Learner, OnStep, Support, Trace, class_weights
from engine.nouns import Note

SCALE = 10.0  # where a learned scale starts
ORDERS = 4


def attention(query: Tensor, support: Tensor, scale: Tensor | float) -> Tensor:
    """(m, d), (n, d) -> (m, n) logarithms of a(x, x_i)."""
    return (scale * normalize(query, dim=-1) @ normalize(support, dim=-1).T).log_softmax(-1)


def answer(log_attention: Tensor, targets: Tensor, classes: int) -> Tensor:
    """Eq. 1 for classes: (m, n), (n,) -> (m, classes) logarithms of the probabilities."""
    member = one_hot(targets, classes).to(log_attention).log()  # 0 for members, -inf for others
    return torch.logsumexp(log_attention[:, :, None] + member, dim=1)


class FullContext(nn.Module):
    """f and g over base embeddings of `size` numbers; `looks` is K."""

    def __init__(self, size: int, looks: int = 5):
        super().__init__()
        self.size, self.looks = size, looks
        self.reader = nn.LSTM(size, size, bidirectional=True)
        self.gates = nn.Linear(3 * size, 4 * size)  # of x, h and r

    def see_support(self, support: Tensor) -> Tensor:
        """g: (n, size) -> (n, size), in the order given."""
        read, _ = self.reader(support)
        return read[:, : self.size] + read[:, self.size :] + support

    def see_query(self, query: Tensor, support: Tensor) -> Tensor:
        """f: (m, size) and g of the support (n, size) -> (m, size). Each row by itself."""
        h, c = query, torch.zeros_like(query)  # h_0 = f'(x): nothing has been looked at yet
        for _ in range(self.looks):
            r = (h @ support.T).softmax(-1) @ support
            i, f, o, new = self.gates(torch.cat([query, h, r], -1)).chunk(4, -1)
            c = f.sigmoid() * c + i.sigmoid() * new.tanh()
            h = o.sigmoid() * c.tanh() + query
        return h

    def forward(
        self, query: Tensor, support: Tensor, targets: Tensor, classes: int, scale: Tensor | float, orders: list[Tensor]
    ) -> Tensor:
        """(m, classes) logarithms of the probabilities, their mean over the given orders of the support."""
        answers = []
        for order in orders:
            seen = self.see_support(support[order])
            near = attention(self.see_query(query, seen), seen, scale)
            answers.append(answer(near, targets[order], classes))
        return torch.logsumexp(torch.stack(answers), 0) - torch.log(torch.tensor(float(len(orders))))


def orders_of(support: Tensor, count: int = ORDERS) -> list[Tensor]:
    """`count` orders of the cases, each by size along one fixed direction: the same however the cases are listed."""
    draw = torch.Generator().manual_seed(0)
    directions = torch.randn(support.shape[1], count, generator=draw).to(support)
    return list((support @ directions).argsort(0).T)


@dataclass(frozen=True)
class MatchingStart:
    """What meta-training learned over the cached embedding.

    `scale` of the cosines. Full context embeddings can't have the embedding's thousands of units, so they see
    `projection` (k, d) of it, and what they find corrects the cosine of the whole: scale * cos + `mix` * cos in their
    space. No context, or no projection that fits: plain cosine attention.
    """

    scale: Tensor
    mix: Tensor
    projection: Tensor | None = None
    context: FullContext | None = None

    def fits(self, dimensions: int) -> bool:
        return self.context is not None and self.projection.shape[1] == dimensions


PLAIN = MatchingStart(torch.tensor(SCALE), torch.zeros(()))


def log_attention(
    start: MatchingStart, query: Tensor, support: Tensor, share: Tensor, orders: list[Tensor] | None = None
) -> Tensor:
    """(m, d), (n, d), both around the support's mean -> (orders, m, n) logarithms of attention; `share` (n,) is what
    each case has a say of beforehand. One order where context is off."""
    plain = start.scale * normalize(query, dim=-1) @ normalize(support, dim=-1).T + share.log()
    if not start.fits(query.shape[1]):
        return plain.log_softmax(-1)[None]
    size = support.square().sum(1).mean().sqrt().clamp(min=1e-12)
    q, s = (normalize(start.projection @ (x / size).T, dim=0).T for x in (query, support))
    found = []
    for order in orders or orders_of(support):
        seen = start.context.see_support(s[order])
        near = normalize(start.context.see_query(q, seen), dim=-1) @ normalize(seen, dim=-1).T
        found.append((plain + start.mix * near[:, order.argsort()]).log_softmax(-1))
    return torch.stack(found)


def class_scores(start: MatchingStart, query: Tensor, support: Support, orders: list[Tensor] | None = None) -> Tensor:
    """(m, d) -> (m, c) logarithms of the probabilities, every class with the same say; differentiable in `start`."""
    shift = support.embeddings.mean(0)
    share = class_weights(support)
    found = log_attention(start, query - shift, support.embeddings - shift, share, orders)
    answers = torch.stack([answer(each, support.targets, len(support.classes)) for each in found])
    return answers.logsumexp(0) - torch.tensor(float(len(answers))).log()


class Matching(Learner):
    """Attention over the labelled cases of a cached embedding. `start` None: a fixed scale, and it is said."""

    name = "matching"
    paper = "Vinyals et al. 2016, Matching Networks for One Shot Learning, arXiv 1606.04080"
    targets = (CLASSES, NUMBER)

    def __init__(self, start: MatchingStart | None = None):
        self.start = start

    @property
    def _notes(self) -> tuple[Note, ...]:
        return () if self.start else (Note("learners.plain_start"),)

    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        trace, start, shift = Trace(on_step), self.start or PLAIN, support.embeddings.mean(0)

        def score(new: Tensor) -> Tensor:
            return class_scores(start, new, support)

        def space(new: Tensor) -> Tensor:
            return normalize(new - shift, dim=-1)

        with torch.no_grad():
            loss = cross_entropy(score(support.embeddings), support.targets, reduction="none")
        trace.add(0, float((loss * class_weights(support)).sum()))
        return Adapted(self.name, support.classes, score, space, None, tuple(trace.steps), support.notes + self._notes)

    def fit_number(self, support: NumberSupport, steps: int | None, seed: int, trace: Trace) -> NumberFit:
        start, shift, values = self.start or PLAIN, support.embeddings.mean(0), support.standard
        share = torch.full_like(values, 1 / len(values))

        def predict(new: Tensor) -> Tensor:
            return (log_attention(start, new - shift, support.embeddings - shift, share).exp() @ values).mean(0)

        with torch.no_grad():
            trace.add(0, float((predict(support.embeddings) - values).square().mean()))
        return NumberFit(predict, lambda new: normalize(new - shift, dim=-1), self._notes)
