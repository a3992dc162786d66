"""A case becomes one vector: repeatable, quick to store, with a gradient down to the pixels."""

import hashlib

import numpy as np
import pytest
import torch

from engine.encoders import Encoding, load_encoder
from engine.encoders.efficientnet import fold
from engine.encoders.encoder import START, WEIGHTS, load_network
from engine.encoders.texture import BINS, texture
from engine.nouns import Geometry, Place, Volume


@pytest.fixture(scope="module")
def encoder():
    torch.set_num_threads(1)
    return load_encoder("cpu")


@pytest.fixture(scope="module")
def scan():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:120, :120]
    voxels = np.where((y - 60) ** 2 + (x - 60) ** 2 < 50**2, 40, -1000) + rng.integers(-15, 15, (6, 120, 120))
    voxels[3, 50:60, 50:60] = 400
    return Volume(voxels.astype(np.int16), Geometry(spacing_mm=(5.0, 2.0, 2.0)), True)


def test_the_same_case_gives_the_same_numbers(encoder, scan):
    first, again = encoder.encode(scan), encoder.encode(scan)
    assert (first.embedding == again.embedding).all()
    assert first.embedding.dtype == np.float32 and np.isfinite(first.embedding).all()
    assert first.slice_embeddings.shape == (6, len(first.embedding)) and len(first.slices) == 6
    assert first.attention.sum() == pytest.approx(1, abs=1e-5) and (first.attention >= 0).all()


def test_batches_do_not_change_an_embedding(encoder, scan):
    views = encoder.views(scan)
    together = encoder.embed_views(views)
    alone = torch.cat([encoder.embed_views(v[None]) for v in views])
    assert torch.allclose(together, alone, atol=1e-4)
    assert np.allclose(encoder.encode(scan).embedding, encoder.pool(together).numpy(), atol=1e-4)


def test_the_gradient_reaches_the_pixels_and_agrees_with_a_small_step(encoder, scan):
    views = encoder.views(scan, slices=(2, 3)).requires_grad_()
    direction = torch.randn(encoder.embed_views(views).shape[1], generator=torch.Generator().manual_seed(0))
    out = encoder.pool(encoder.embed_views(views)) @ direction
    (gradient,) = torch.autograd.grad(out, views)
    assert gradient.abs().sum() > 0
    step = 3e-3 * gradient / gradient.norm()
    with torch.no_grad():
        ahead = encoder.pool(encoder.embed_views(views + step)) @ direction
        behind = encoder.pool(encoder.embed_views(views - step)) @ direction
    assert (ahead - behind).item() / 2 == pytest.approx((gradient * step).sum().item(), rel=0.2)


def test_texture_has_the_gradient_it_says():
    """Finite differences in 64 bits; the histogram is left out, it has kinks."""
    x = torch.rand(1, 3, 20, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: texture(v)[:, 3 * BINS :], x, atol=1e-4, fast_mode=True)


def test_texture_tells_noise_from_smoothness_and_stripes_from_stripes_across():
    g = torch.Generator().manual_seed(0)
    flat = torch.full((1, 3, 64, 64), 0.5)
    noisy = flat + 0.1 * torch.randn(1, 3, 64, 64, generator=g)
    stripes = flat + 0.3 * torch.sin(torch.arange(64.0) / 2)
    a, b, c, d = (texture(v) for v in (flat, noisy, stripes, stripes.transpose(2, 3)))
    assert (b - a).norm() > 1 and (c - d).norm() > 1


def test_a_grey_picture_equals_itself_as_three_channels(encoder):
    grey = np.random.default_rng(0).integers(0, 255, (1, 90, 60), dtype=np.uint8)
    place = Geometry(measured=False)
    one = encoder.encode(Volume(grey, place, False)).embedding
    three = encoder.encode(Volume(np.repeat(grey[..., None], 3, -1), place, False)).embedding
    assert np.allclose(one, three, atol=1e-5)


def test_magnetic_resonance_is_windowed_by_its_own_grey_values(encoder):
    raw = np.random.default_rng(0).integers(0, 900, (4, 64, 64)).astype(np.int16)
    a = encoder.views(Volume(raw, Geometry(), False))
    b = encoder.views(Volume((raw * 7 + 100).astype(np.int16), Geometry(), False))
    assert torch.allclose(a, b, atol=1e-3) and a.max() > 0.9 and a.min() < 0.1


def test_a_region_sees_only_what_is_near(encoder, scan):
    here = Place(tuple(scan.geometry.to_mm(np.array([3, 55, 55]))))
    moved = scan.voxels.copy()
    moved[:, 100:, :] = 1000
    other = Volume(moved, scan.geometry, True)
    assert (encoder.encode(scan, region=here).embedding == encoder.encode(other, region=here).embedding).all()
    assert (encoder.encode(scan).embedding != encoder.encode(other).embedding).any()


def test_an_encoding_comes_back_from_disk_and_a_torn_file_does_not(encoder, scan, tmp_path):
    made = encoder.encode(scan)
    made.save(tmp_path / "a.npz")
    back = Encoding.load(tmp_path / "a.npz")
    assert (back.embedding == made.embedding).all() and back.identity == made.identity == encoder.identity
    assert np.allclose(back.slice_embeddings, made.slice_embeddings, atol=2e-3)
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]
    (tmp_path / "torn.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:5000])
    with pytest.raises(Exception, match=r"(?i)zip"):
        Encoding.load(tmp_path / "torn.npz")


def test_grad_cam_can_watch_the_map_that_all_deeper_ones_rest_on(encoder, scan):
    seen = []
    hook = encoder.middle.register_forward_hook(lambda _module, _inputs, output: seen.append(tuple(output.shape)))
    encoder.embed_views(encoder.views(scan, slices=(0,)))
    hook.remove()
    assert seen == [(1, 120 + 112, 8, 8)]  # of both networks


def test_what_training_moved_stands_beside_what_imagenet_left(encoder):
    untouched = load_encoder(trained=False)
    views = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        both, alone = encoder.embedder.network(views), untouched.embedder.network(views)
    assert len(both) == len(alone) + 3
    for ours, theirs in zip(both, alone, strict=False):
        assert torch.allclose(ours, theirs, atol=1e-3)
    with torch.inference_mode():
        start = fold(load_network(START))(views)
    for ours, theirs in zip(both[-3:], start[-3:], strict=True):  # training moved the other network's deep blocks
        assert not torch.allclose(ours, theirs, atol=0.1)
    assert encoder.identity != untouched.identity


def test_the_shipped_attention_points_at_a_mass_in_a_phantom(encoder):
    """A cavity, the finding it knows best, on a seed that no training saw; by chance: the share of slices with it."""
    from engine.phantoms import make_phantom

    phantom = make_phantom(20005, "cavity", "A", size=128, slices=16, cover_mm=120, around_finding=True)
    encoding = encoder.encode(phantom.volume)
    held = phantom.mask.any((1, 2))[encoding.slices]
    assert encoding.attention[held].sum() > held.mean()


@pytest.mark.parametrize("name", ["lite0", "lite2", "trained", "embedding", "pooling"])
def test_every_file_of_weights_is_the_one_its_card_describes(name):
    file = WEIGHTS / f"{name}.safetensors"
    assert hashlib.sha256(file.read_bytes()).hexdigest() in (WEIGHTS / f"{name}.md").read_text("utf-8")


def test_texture_measured_once_is_that_of_three_equal_channels():
    grey = torch.rand(3, 1, 40, 52, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(texture(grey, 3), texture(grey.expand(-1, 3, -1, -1)), atol=1e-6)


def test_a_colour_picture_is_embedded_alike_with_and_without_gradients(encoder):
    draw = torch.Generator().manual_seed(0)
    for channels in (1, 3):  # grey takes a shorter way where no gradient is asked for
        views = torch.rand(2, channels, 128, 128, generator=draw).expand(-1, 3, -1, -1)
        with torch.no_grad():
            short = encoder.embed_views(views)
        assert torch.allclose(short, encoder.embed_views(views), atol=1e-5)
