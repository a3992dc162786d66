"""OpenVINO, where it is installed, gives the same embeddings as torch and never stands in the way of gradients."""

from __future__ import annotations

import sys

import pytest
import torch

from engine.encoders import faster
from engine.encoders.encoder import Encoder, _load


@pytest.fixture
def fresh() -> Encoder:
    """An encoder of this test's own: speeding up changes it for good."""
    return _load.__wrapped__("cpu", True)


def smooth_pictures(count: int, side: int = 128) -> torch.Tensor:
    rough = torch.rand(count, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(rough, (side, side), mode="bicubic").clamp(0, 1)


def test_openvino_gives_torchs_embeddings_for_any_number_of_pictures(fresh):
    pytest.importorskip("openvino", reason="OpenVINO is optional (engine/encoders/openvino.txt)")
    views, before = smooth_pictures(5), fresh.identity
    with torch.inference_mode():
        wanted = fresh.embed_views(views)
        precision = fresh.speed_up()
        got = fresh.embed_views(views)
        assert torch.allclose(fresh.embed_views(views[:1]), got[:1], atol=1e-5)
    assert sys.modules["openvino_telemetry"] is None  # its makers hear nothing
    assert precision and fresh.identity == (before if precision == "f32" else f"{before}-{precision}")
    nearness = torch.nn.functional.cosine_similarity(got, wanted)
    assert nearness.min() > (0.99999 if precision == "f32" else 0.995)


def test_gradients_are_still_torchs(fresh):
    pytest.importorskip("openvino", reason="OpenVINO is optional (engine/encoders/openvino.txt)")
    fresh.speed_up()
    views = smooth_pictures(1).requires_grad_()
    fresh.embed_views(views).sum().backward()
    assert views.grad is not None and views.grad.abs().sum() > 0


def test_without_openvino_or_where_it_fails_torch_goes_on(fresh, monkeypatch):
    before = fresh.identity
    monkeypatch.setattr(faster, "available", lambda: False)
    assert fresh.speed_up() == "" and fresh.identity == before
    monkeypatch.setattr(faster, "available", lambda: True)
    monkeypatch.setitem(sys.modules, "openvino", None)  # importing it raises
    assert fresh.speed_up() == ""
    with torch.inference_mode():
        assert torch.isfinite(fresh.embed_views(smooth_pictures(1))).all()
