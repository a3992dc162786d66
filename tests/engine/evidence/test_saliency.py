"""Maps against models whose answer can be worked out by hand, and against a mark that was planted."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from engine.encoders import Encoder, load_encoder
from engine.encoders.pooling import SlicePooling
from engine.evidence.attribution import METHODS, Explained, blurred, integrated_gradients, occlusion, slice_effects
from engine.evidence.deletion import DeletionCurve, deletion_curve
from engine.evidence.picture import draw_png
from engine.evidence.saliency import Saliency, explain, rank_likeness
from engine.learners import Adapted, Support, learner
from engine.nouns import Geometry, Note, Volume
from engine.sentences import say


class LinearEmbedder(nn.Module):
    """Embedding = (weighted sum of the pixels, 0): everything about it can be worked out on paper."""

    def __init__(self, weights: torch.Tensor):
        super().__init__()
        self.weights = weights

    def forward(self, views):
        total = (views * self.weights).sum((1, 2, 3))
        return torch.stack([total, torch.zeros_like(total)], 1)


def linear_case(slices: int = 3):
    draw = torch.Generator().manual_seed(0)
    weights = torch.randn(3, 32, 32, generator=draw)
    encoder = Encoder(LinearEmbedder(weights), SlicePooling(2), "test")
    adapted = Adapted("test", ("yes", "no"), lambda x: x, lambda x: x)
    views = torch.rand(slices, 3, 32, 32, generator=draw)
    return encoder, adapted, views, weights


def test_integrated_gradients_of_a_linear_model_are_weight_times_difference():
    encoder, adapted, views, weights = linear_case()
    emptied = blurred(views)
    model = Explained(encoder, adapted, 0, encoder.embed_views(views), [0, 1, 2])
    found = integrated_gradients(model, views, emptied)
    expected = (weights * (views - emptied)).sum(1) / 3  # three slices share the pooled embedding
    assert torch.allclose(found.map, expected, atol=1e-5)
    assert found.convergence < 1e-3


def test_a_slices_effect_is_what_blurring_it_takes_away():
    encoder, adapted, views, weights = linear_case()
    emptied = blurred(views)
    model = Explained(encoder, adapted, 0, encoder.embed_views(views), [0, 1, 2])
    expected = (weights * (views - emptied)).sum((1, 2, 3)) / 3
    assert torch.allclose(slice_effects(model, views, emptied), expected, atol=1e-4)


def test_occlusion_keeps_the_sign():
    """A model that counts light on the left and against it on the right."""
    encoder, adapted, _, _ = linear_case()
    weights = torch.ones(3, 32, 32)
    weights[..., 16:] = -1
    encoder.embedder.weights = weights
    views = torch.zeros(1, 3, 32, 32)
    views[..., 14:18, 6:10] = 1
    views[..., 14:18, 24:28] = 1
    model = Explained(encoder, adapted, 0, encoder.embed_views(views), [0])
    found = occlusion(model, views, torch.zeros_like(views)).map[0]
    assert found[16, 8] > 0 > found[16, 26]


def test_blurring_keeps_the_mean_and_removes_detail():
    views = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    smooth = blurred(views)
    assert smooth.std() < 0.1 * views.std()
    assert torch.allclose(smooth.mean((2, 3)), views.mean((2, 3)), atol=0.02)
    assert torch.allclose(blurred(torch.ones(1, 3, 64, 64)), torch.ones(1, 3, 64, 64), atol=1e-5)


def scene(seed: int, disc: bool) -> tuple[np.ndarray, tuple[int, int]]:
    """A grey picture with texture, with or without a bright disc somewhere."""
    rng = np.random.default_rng(seed)
    picture = rng.normal(90, 6, (128, 128))
    row, column = rng.integers(28, 100, 2)
    if disc:
        rows, columns = np.mgrid[:128, :128]
        picture[(rows - row) ** 2 + (columns - column) ** 2 < 12**2] += 110
    return picture.clip(0, 255).astype(np.uint8), (int(row), int(column))


def picture_volume(picture: np.ndarray) -> Volume:
    return Volume(picture[None], Geometry(measured=False), False)


@pytest.fixture(scope="module")
def planted():
    """A model that learned discs from six pictures a class, and a new picture with one."""
    encoder = load_encoder()
    pictures = [scene(seed, disc=seed % 2 == 0)[0] for seed in range(12)]
    embeddings = torch.stack([torch.from_numpy(encoder.encode(picture_volume(p)).embedding) for p in pictures])
    targets = torch.tensor([seed % 2 for seed in range(12)])
    support = Support(embeddings, targets, ("disc", "none"), tuple(map(str, range(12))))
    picture, place = scene(100, disc=True)
    return encoder, support, picture_volume(picture), place


@pytest.mark.parametrize("method", [name for name in METHODS if name != "gradcam2017"])
def test_every_map_points_at_the_planted_disc(planted, method):
    encoder, support, volume, (row, column) = planted
    saliency = explain(encoder, learner("logistic").adapt(support), volume, method=method)
    assert saliency.label == "disc"
    best = np.unravel_index(saliency.map.argmax(), saliency.map.shape)
    spot = volume.geometry.to_voxel(saliency.geometry.to_mm(np.array(best)))
    assert np.hypot(spot[1] - row, spot[2] - column) < 20  # the disc's radius of 12 and half a coarse cell of 16
    marks = np.clip(saliency.map[0], 0, None)
    rows, columns = np.mgrid[: marks.shape[0], : marks.shape[1]]
    near = np.hypot(2 * rows - row, 2 * columns - column) < 24
    assert marks[near].sum() / marks.sum() > 2 * near.mean()  # denser there than elsewhere
    assert saliency.verdict.key.startswith("evidence.map_") and say(saliency.verdict, "zh")


def test_what_the_map_marks_matters_more_than_random_places(planted):
    encoder, support, volume, _ = planted
    adapted = learner("logistic").adapt(support)
    saliency = explain(encoder, adapted, volume, method="gradcam", check=False)
    ticks = []
    curve = deletion_curve(encoder, adapted, volume, saliency, tick=lambda done, total: ticks.append((done, total)))
    assert curve.marked[0] == curve.elsewhere[0] and curve.marked[-1] == curve.elsewhere[-1] and curve.shares[-1] == 1.0
    assert np.mean(curve.marked[1:5]) < np.mean(curve.elsewhere[1:5])
    assert ticks[-1][0] == ticks[-1][1] == len(ticks)
    assert curve.verdict.key == "evidence.deletion_yes" and "%" in say(curve.verdict, "zh")


def test_a_map_of_the_wrong_places_fails_the_question():
    """Blurring the marked places leaves the score alone, blurring others does not: the map is not believed."""
    shares = tuple(i / 10 for i in range(11))
    falling = tuple(0.9 - 0.8 * share for share in shares)
    assert DeletionCurve(shares, (0.9,) * 10 + (0.1,), falling).verdict.key == "evidence.deletion_no"
    assert DeletionCurve(shares, falling, falling).verdict.key == "evidence.deletion_no"
    assert DeletionCurve(shares, falling, (0.9,) * 10 + (0.1,)).verdict.key == "evidence.deletion_yes"


def test_a_map_survives_its_file(planted, tmp_path):
    encoder, support, volume, _ = planted
    saliency = explain(encoder, learner("protonet").adapt(support), volume, method="gradcam")
    saliency.save(tmp_path / "map.npz")
    again = Saliency.load(tmp_path / "map.npz")
    assert np.array_equal(again.map, saliency.map) and again.to_json() == saliency.to_json()
    page = again.page()
    assert page.dtype == np.uint8 and page.shape == saliency.map.shape
    assert (page > 0).sum() <= (saliency.map > 0).sum()


def test_what_speaks_for_the_class_is_seen_though_more_speaks_against_it_and_that_is_said():
    half = np.linspace(-2, 0.5, 100, dtype=np.float32).reshape(1, 10, 10)
    made = partial(Saliency, geometry=Geometry(), slices=(0,), strongest=(0,), method="gradcam", label="smooth",
                   convergence=None, likeness=None, verdict=Note("evidence.map_sound"))  # fmt: skip
    assert made(half).outweighed and not made(-half).outweighed
    assert made(half).page().max() == 255 and (made(half).page() > 0).mean() == pytest.approx(0.2, abs=0.02)
    assert made(-np.abs(half)).page().max() == 0 and made(-np.abs(half)).outweighed


def test_a_picture_of_the_map_is_written_with_its_limits_of_use(planted, tmp_path):
    from PIL import Image

    encoder, support, volume, _ = planted
    draw_png(tmp_path / "map.png", volume, explain(encoder, learner("protonet").adapt(support), volume))
    with Image.open(tmp_path / "map.png") as picture:
        assert "Not a medical device" in picture.info["Description"]
        assert picture.width >= 512


def test_an_unknown_map_is_answered_with_those_there_are(planted):
    encoder, support, volume, _ = planted
    with pytest.raises(ValueError, match="gradcam, ig, occlusion"):
        explain(encoder, learner("protonet").adapt(support), volume, method="magic")


def test_the_map_lies_where_the_slices_lie():
    """An oblique volume whose body fills it: the middle of the map is the middle of the volume, in mm."""
    encoder = load_encoder()
    turned = ((0.0, -0.6, 0.8), (0.0, 0.8, 0.6), (1.0, 0.0, 0.0))
    geometry = Geometry(origin_mm=(10.0, -20.0, 30.0), axes=turned, spacing_mm=(5.0, 0.8, 0.8))
    rng = np.random.default_rng(0)
    volume = Volume(rng.integers(0, 255, (5, 96, 96)).astype(np.uint8), geometry, False)
    embedding = torch.from_numpy(encoder.encode(volume).embedding)
    support = Support(torch.stack([embedding, -embedding]), torch.tensor([0, 1]), ("a", "b"), ("1", "2"))
    saliency = explain(encoder, learner("protonet").adapt(support), volume, check=False)
    middle = (np.array(saliency.map.shape) - 1) / 2
    expected = geometry.to_mm((np.array(volume.voxels.shape) - 1) / 2)
    assert np.allclose(saliency.geometry.to_mm(middle), expected, atol=0.5)


def test_likeness_is_one_with_itself_and_nothing_with_noise():
    draw = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 64, 64, generator=draw), torch.randn(2, 64, 64, generator=draw)
    assert rank_likeness(one, one) == pytest.approx(1.0)
    assert rank_likeness(one, -one) == pytest.approx(1.0)  # sign apart, the same places
    assert abs(rank_likeness(one, other)) < 0.05
    assert rank_likeness(torch.zeros(1, 64, 64), torch.zeros(1, 64, 64)) == 0.0
