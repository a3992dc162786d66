"""Which pixels of a case move the adapted model's answer: captum's methods, fitted to volumes.

The answer that is explained is the log-odds of one class against all others, so that adding the same number to every
score, which no probability shows, explains nothing. A positive map speaks for the class, a negative one against it.
"Nothing there" is the slice blurred beyond recognition: never zero HU, which would be a slab of water.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients, LayerGradCam, LayerGradientXActivation, Occlusion
from torch import Tensor, nn

from engine.encoders import Encoder
from engine.learners import Adapted

BLUR_SHARE = 0.1  # standard deviation of the blur as a share of a view's side: 13 px of 128, more than any finding
STEPS = 8  # of integrated gradients (Gauss-Legendre points); `convergence` says whether they were enough
STAGE_STEPS = 4  # after the network little is curved: 4 points leave 1e-3
WINDOW, STRIDE = 24, 12  # px of 128 hidden at a time by occlusion: 6 cm of a chest, 1 cm of a pointed region
AT_ONCE = 32  # views embedded together
# Pixel by pixel, integrated gradients alternate in sign along every edge; what a person can see is their local sum.
GRAIN = {"ig": 3.0, "stages": 3.0}  # px of 128: standard deviation of the smoothing


@dataclass(frozen=True)
class Attribution:
    """(k, rows, columns) map over the views, rows and columns as fine as the method gives them.

    `convergence`: |sum of the map - change of the answer| / |change of the answer| for methods whose parts should add
    up (Sundararajan et al. 2017, completeness), None for the others.
    """

    map: Tensor
    convergence: float | None


class Explained(nn.Module):
    """Views of some slices of a case -> log-odds of the class, the other slices staying as they are.

    `embeddings` (k, d): of all slices that the encoder looked at. `chosen`: the positions among them whose views are
    put in.
    """

    def __init__(self, encoder: Encoder, adapted: Adapted, target: int, embeddings: Tensor, chosen: list[int]):
        super().__init__()
        self.encoder, self.network, self.pooling = encoder, encoder.embedder, encoder.pooling
        self.adapted, self.target = adapted, target
        self.embeddings, self.chosen = embeddings, chosen

    def of(self, chosen: list[int]) -> Explained:
        """The same question about other slices."""
        return Explained(self.encoder, self.adapted, self.target, self.embeddings, chosen)

    def forward(self, views: Tensor) -> Tensor:
        """(b, j, 3, rows, columns), or (j, 3, rows, columns) for one case -> (b,) or (1,)."""
        views = views if views.ndim == 5 else views[None]
        embedded = self.network(views.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        return self.answer(embedded.unflatten(0, views.shape[:2]))

    def answer(self, embedded: Tensor) -> Tensor:
        """(b, j, d) embeddings of the chosen slices -> (b,) log-odds."""
        whole = self.embeddings.expand(len(embedded), -1, -1).clone()
        whole[:, self.chosen] = embedded.to(whole)
        scores = self.adapted.logits(self.pooling(whole).cpu())  # (b, c); learners live on the CPU
        others = [k for k in range(scores.shape[1]) if k != self.target]
        return scores[:, self.target] - scores[:, others].logsumexp(1)


def blurred(views: Tensor) -> Tensor:
    """(k, 3, rows, columns) without anything a finding is made of: a Gaussian blur, edges repeated."""
    return smooth(views.flatten(0, 1), BLUR_SHARE * views.shape[-1]).view_as(views)


def smooth(maps: Tensor, sigma: float) -> Tensor:
    """(k, rows, columns) through a Gaussian of standard deviation `sigma` px, edges repeated."""
    reach = int(3 * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=maps.dtype, device=maps.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(maps[:, None], (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[:, 0]


def slice_effects(model: Explained, views: Tensor, emptied: Tensor) -> Tensor:
    """(k,) how much the answer falls when one slice at a time is blurred away."""
    with torch.inference_mode():
        original, without = embed(model, views), embed(model, emptied)
        full = model.answer(original[None])
        trials = original.repeat(len(views), 1, 1)
        trials[range(len(views)), range(len(views))] = without
        return full - model.answer(trials)


def embed(model: Explained, views: Tensor) -> Tensor:
    return torch.cat([model.network(part) for part in views.split(AT_ONCE)])


def integrated_gradients(model: Explained, views: Tensor, emptied: Tensor) -> Attribution:
    """Integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365) from the blurred slices to the slices."""
    method = IntegratedGradients(model)
    given, delta = method.attribute(
        views[None],
        emptied[None],
        n_steps=STEPS,
        method="gausslegendre",
        internal_batch_size=max(1, AT_ONCE // len(views)),
        return_convergence_delta=True,
    )
    return Attribution(given[0].sum(1).detach().float().cpu(), _relative(model, views, emptied, delta))


def stage_gradients(model: Explained, views: Tensor, emptied: Tensor) -> Attribution:
    """Integrated gradients at the inputs of the pooling: the network's maps of all stages, and the pixels for texture.

    The embedding is a function of these maps' means and spreads, so the path needs the network once for each end
    instead of once for each step, and every position of every map gets its share at its own resolution. The shares
    are added up on the finest grid.
    """
    with torch.no_grad():
        ends = [
            torch.cat(parts) for parts in zip(*(model.network.network(v) for v in views.split(AT_ONCE)), strict=True)
        ]
        starts = [
            torch.cat(parts) for parts in zip(*(model.network.network(v) for v in emptied.split(AT_ONCE)), strict=True)
        ]

    def answer(*inputs: Tensor) -> Tensor:
        *maps, pixels = (x.flatten(0, 1) for x in inputs)
        embedded = model.network.standardise(model.network.raw_of_maps(maps, pixels))
        return model.answer(embedded.unflatten(0, inputs[0].shape[:2]))

    given, delta = IntegratedGradients(answer).attribute(
        tuple(x[None] for x in (*ends, views)),
        tuple(x[None] for x in (*starts, emptied)),
        n_steps=STAGE_STEPS,
        method="gausslegendre",
        internal_batch_size=4,
        return_convergence_delta=True,
    )
    side = views.shape[-1]
    total = torch.zeros(len(views), side, side)
    for part in given:
        shares = part[0].detach().float().cpu().sum(1)  # (k, h, w)
        grown = F.interpolate(shares[:, None], (side, side), mode="bilinear", align_corners=False)[:, 0]
        total += grown * (shares.shape[-1] / side) ** 2  # the same sum on more pixels
    return Attribution(total, _relative(model, views, emptied, delta))


def grad_cam(model: Explained, views: Tensor, emptied: Tensor) -> Attribution:
    """Grad-CAM without averaging the gradient (HiResCAM; Draelos & Carin 2020, arXiv 2011.08891, made for chest CT).

    Gradient times activation at the last stage that still has a grid (1/16), position by position, signed. The
    embedding holds the *spread* of each map, whose gradient differs from position to position; averaging it, as
    Grad-CAM does, points beside the finding (docs/learners.md).
    """
    method = LayerGradientXActivation(model, model.encoder.middle)
    return Attribution(method.attribute(views).sum(1).detach().float().cpu(), None)


def grad_cam_averaged(model: Explained, views: Tensor, emptied: Tensor) -> Attribution:
    """Grad-CAM as published (Selvaraju et al. 2017, arXiv 1610.02391) at the same stage, signed; for comparison."""
    method = LayerGradCam(model, model.encoder.middle)
    given = method.attribute(views, attr_dim_summation=True, relu_attributions=False)
    return Attribution(given[:, 0].detach().float().cpu(), None)


def occlusion(model: Explained, views: Tensor, emptied: Tensor) -> Attribution:
    """Occlusion (Zeiler & Fergus 2014, arXiv 1311.2901): a window blurred away at a time, slice by slice."""
    side = views.shape[-1]
    window, stride = round(WINDOW * side / 128), round(STRIDE * side / 128)
    maps = []
    with torch.inference_mode():
        for j in range(len(views)):
            one = model.of([model.chosen[j]])
            given = Occlusion(lambda v, one=one: one(v[:, None])).attribute(
                views[j : j + 1],
                sliding_window_shapes=(3, window, window),
                strides=(3, stride, stride),
                baselines=emptied[j : j + 1],
                perturbations_per_eval=AT_ONCE,
            )
            maps.append(given[0].mean(0).float().cpu())
    return Attribution(torch.stack(maps), None)


METHODS = {
    "gradcam": grad_cam,
    "ig": integrated_gradients,
    "occlusion": occlusion,
    "stages": stage_gradients,
    "gradcam2017": grad_cam_averaged,
}
# Methods that cost the network many passes a slice look at the slices with the greatest effect only.
SLICES_AT_MOST = {"ig": 6, "occlusion": 4}


def _relative(model: Explained, views: Tensor, emptied: Tensor, delta: Tensor) -> float:
    with torch.inference_mode():
        change = float(model(views) - model(emptied))
    return abs(float(delta)) / max(abs(change), 1e-6)
