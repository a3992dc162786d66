"""A place in a case -> an embedding: a centred crop through the image encoder, and the proposer's words beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.encoders.dense import Dense
from engine.encoders.encoder import Encoder, Encoding
from engine.encoders.proposer import load_proposer
from engine.nouns import Place, Volume

SETTLE_MM = 8.0  # a person's click is moved to the proposer's centre if one lies this near: a hand is not exact
REACH_MM = 13.0  # places this near have a say in what is there
BESIDE_WEIGHT = 2.0  # length of the proposer's block; each block of the image encoder has 1 (docs/finder.md)


def settled(dense: Dense, place: Place) -> Place:
    """The place with its centre on the finding the proposer sees there; unchanged where it sees none.

    Clicks and found places then lie alike on their findings, so that labelled and predicted cases are seen alike.
    """
    away = np.linalg.norm(dense.centres_mm - np.array(place.centre_mm), axis=1)
    near = (away <= SETTLE_MM) & (dense.objectness > 0.1)
    if not near.any():
        return place
    weight = dense.objectness[near].astype(np.float64) ** 2
    centre = (dense.centres_mm[near] * weight[:, None]).sum(0) / weight.sum()
    return replace(place, centre_mm=tuple(float(c) for c in centre))


def beside(dense: Dense, place: Place) -> np.ndarray:
    """(p,) float32: the largest of each feature and trait of the proposer round a place; length about the weight."""
    away = np.linalg.norm(dense.positions_mm - np.array(place.centre_mm), axis=1)
    near = np.flatnonzero(away <= REACH_MM)
    if not len(near):
        near = np.argsort(away)[:1]
    features = dense.features[near].astype(np.float32).max(0)  # spikes, walls and haze lie beside the centre
    network = load_proposer()
    mean, spread = network.place_mean.numpy(), network.place_spread.numpy()
    words = np.clip((features[: len(mean)] - mean) / spread, -4, 4)
    return (BESIDE_WEIGHT * words / np.sqrt(len(words))).astype(np.float32)


def encode_place(encoder: Encoder, volume: Volume, dense: Dense | None, place: Place) -> Encoding:
    """Embed a place, a person's or the finder's, always the same way: settled, the same crop whatever its size.

    As `Encoder.encode` for a bare point, with `beside` appended to `embedding` only; `slice_embeddings`, `slices` and
    `attention` are the image encoder's. Without `dense` (a picture) the crop alone. ValueError where the place lies
    outside the volume.
    """
    if dense is None:
        return encoder.encode(volume, region=Place(place.centre_mm))
    at = settled(dense, place)
    seen = encoder.encode(volume, region=Place(at.centre_mm))
    return replace(
        seen,
        embedding=np.concatenate([seen.embedding, beside(dense, at)]),
        identity=f"{seen.identity}+{dense.identity}",
    )
