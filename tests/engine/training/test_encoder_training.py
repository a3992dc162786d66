"""Training the encoder: honest episodes, a closed-form head, variation that keeps labels, a run that can be killed."""

import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import Ridge

from engine.encoders.encoder import EMBEDDING_FILE, START, TRAINED_FILE, load_network, lone_embedder
from engine.training.crops import load_crops, vary
from engine.training.encoder import RIDGE, Training, averaged, episode_loss, prepare, train
from engine.training.hospitals import is_hospitals, pictures_of, read_hospitals
from engine.training.loop import backward, step_stream
from engine.training.pictures import Pictures, draw_batch, load_pictures, vary_pictures
from engine.training.spread import Workers


def archive(folder, name="dots", n=24, classes=2):
    """Pictures whose class is the side of a bright square; a group is two pictures of a class."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (n, 40, 40), dtype=np.uint8)
    for i in range(n):
        images[i, 10 : 14 + 4 * (i % classes), 10:30] = 220
    path = folder / f"{name}.npz"
    np.savez(path, images=images, label=np.array([f"c{i % classes}" for i in range(n)]), group=groups(n, classes))
    return path


def groups(n, classes):
    return np.array([f"p{i % classes}_{i // (2 * classes)}" for i in range(n)])


def test_no_group_teaches_and_is_asked_in_one_episode():
    labels = torch.tensor([i % 3 for i in range(60)])
    patients = np.array([f"p{i // 4}" for i in range(60)])  # every patient has pictures of several classes
    for seed in range(30):
        index, target, support = draw_batch(labels, patients, 3, 24, np.random.default_rng(seed))
        taught = {patients[i] for i in index[support].tolist()}
        asked = {patients[i] for i in index[~support].tolist()}
        assert not taught & asked
        assert [int(labels[i]) for i in index[target == 0].tolist()] == [int(labels[index[target == 0][0]])] * int(
            (target == 0).sum()
        )


def test_unknown_labels_are_never_drawn_and_one_class_is_refused():
    labels = torch.tensor([-1, -1, 0, 0, 0, 1, 1, 1])
    index, _, _ = draw_batch(labels, None, 5, 8, np.random.default_rng(0))
    assert not {0, 1} & set(index.tolist())
    with pytest.raises(ValueError, match="two classes"):
        draw_batch(torch.tensor([0, 0, 0, 1]), None, 2, 8, np.random.default_rng(0))


def test_the_head_of_an_episode_is_ridge_regression():
    rng = np.random.default_rng(1)
    x, target = torch.from_numpy(rng.standard_normal((20, 7))).float(), torch.arange(20) % 2
    support = torch.arange(20) < 12
    taught, asked = x[support].numpy(), x[~support].numpy()
    middle = taught.mean(0)
    size = ((taught - middle) ** 2).sum(1).mean()
    wanted = np.eye(2)[target[support]] - 0.5
    ridge = Ridge(alpha=RIDGE, fit_intercept=False).fit((taught - middle) / size**0.5, wanted)
    scores = torch.from_numpy(ridge.predict((asked - middle) / size**0.5)).float()
    expected = torch.nn.functional.cross_entropy(scores * np.exp(1.5), target[~support])
    assert float(episode_loss(x, target, support, torch.tensor(1.5))) == pytest.approx(float(expected), abs=1e-5)


def test_the_frozen_part_gets_no_gradient():
    module = Training(lone_embedder(START), [])
    module(torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    assert module.network.stem.conv.weight.grad is None
    assert module.network.blocks[module.network.shallow_blocks - 1].project.conv.weight.grad is None
    assert float(module.network.head.conv.weight.grad.abs().sum()) > 0


def test_one_pictures_embedding_depends_on_no_other_in_training_mode():
    module = Training(lone_embedder(START), []).train()
    views = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(module(views)[:1], module(views[:1]), atol=1e-4)


def test_variation_keeps_size_and_range_and_a_sided_set_is_never_mirrored(tmp_path):
    one = load_pictures(archive(tmp_path))
    views = vary_pictures(one, torch.arange(8), np.random.default_rng(0))
    assert views.shape == (8, 3, 128, 128) and float(views.min()) >= 0 and float(views.max()) <= 1
    half = torch.zeros(1, 1, 160, 160, dtype=torch.uint8)
    half[..., :80] = 255  # bright on the left
    sided = Pictures("half", half, torch.zeros(1), ("a",), np.array(["p"]), sided=True)
    for seed in range(25):
        seen = vary_pictures(sided, torch.zeros(1, dtype=torch.long), np.random.default_rng(seed))[0, 0]
        assert float(seen[:, 30:60].mean()) > float(seen[:, 68:98].mean())


def test_synthetic_places_vary_but_stay_what_they_are(tmp_path):
    crops = load_crops(47000, 3, tmp_path, lambda *a: None)
    assert set(crops.labels) == {"kind", "radius", "density"} and len(crops.hu) >= 3
    rng = np.random.default_rng(0)
    twice = vary(crops, torch.tensor([0, 0]), rng)
    assert twice.shape == (2, 3, 128, 128) and float(twice.min()) >= 0 and float(twice.max()) <= 1
    assert not torch.equal(twice[0], twice[1])
    # the finding's square differs from a place in plain lung more than two scans of the finding do, in the lung window
    normal = int(torch.nonzero(crops.labels["kind"] == 0)[0])
    plain = vary(crops, torch.tensor([normal] * 8), rng)[:, 0, 48:80, 48:80].mean()
    found = vary(crops, torch.tensor([0] * 8), rng)[:, 0, 48:80, 48:80].mean()
    assert float(found) > float(plain) + 0.05


def test_a_share_of_the_start_is_kept():
    start, now = {"w": torch.zeros(2), "n": torch.tensor(1)}, {"w": torch.ones(2), "n": torch.tensor(3)}
    assert averaged(now, start, 0.25)["w"].tolist() == [0.25, 0.25]


def config(folder, steps):
    return {
        "seed": 1,
        "data": {"corpus": str(folder), "phantoms": 0},
        "train": {"steps": steps, "batch": 8, "rate": 1e-4, "decay": 0.0, "keep": 1.0, "every": 2},
    }


def test_a_run_goes_on_where_it_was_and_writes_weights_that_fit(tmp_path):
    (tmp_path / "sets").mkdir()
    archive(tmp_path / "sets")
    archive(tmp_path / "sets", "rings", 20, 3)
    lines = []
    whole = train(config(tmp_path / "sets", 4), tmp_path / "whole", lambda *a: lines.append(a))
    part = tmp_path / "parts"
    # A run stopped after two of four steps: the learning rate of the longer run must be seen, so stop by an error.
    with pytest.raises(KeyboardInterrupt):
        train(config(tmp_path / "sets", 4), part, _stop_at(2))
    train(config(tmp_path / "sets", 4), part, lambda *a: None)
    a, b = load_file(whole / TRAINED_FILE), load_file(part / TRAINED_FILE)
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    # only the deep blocks moved, and what moved fits on top of the start
    assert not any(k.startswith(("stem", "stages.0", "stages.3")) for k in a) and any("head" in k for k in a)
    load_network(START, {k: v.float() for k, v in a.items()})
    assert load_file(part / EMBEDDING_FILE)["scale"].min() > 0
    assert any("loss" in str(line[2]) for line in lines)


def _stop_at(step):
    def report(done, total, text):
        if "loss" in text and done == step:
            raise KeyboardInterrupt

    return report


def test_the_sets_looked_at_are_not_trained_on_and_a_run_stops_when_they_no_longer_gain(tmp_path):
    (tmp_path / "sets").mkdir()
    archive(tmp_path / "sets")
    archive(tmp_path / "sets", "rings", 40, 2)
    settings = config(tmp_path / "sets", 40)
    settings["data"]["held_out"] = ["rings"]
    settings["train"] |= {"look": 2, "patience": 2, "rate": 0.0}  # nothing can gain: the first look is the best
    lines = []
    out = train(settings, tmp_path / "run", lambda *a: lines.append(a))
    done = [line[0] for line in lines if "loss" in str(line[2])]
    assert done[-1] == 6 and "held-out score" in lines[-1][2]
    assert (out / "best.safetensors").exists()
    module, _ = prepare(settings, tmp_path / "again")
    assert [s.name for s in module.sources] == ["dots"]
    names = {row.split(",")[2] for row in (out / "log.csv").read_text().splitlines()[1:]}
    assert {"loss", "rate", "held-out score"} <= names


def test_a_folder_of_hospitals_is_a_source_of_tasks_and_a_patient_is_one_group(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    for hospital in ("north", "south"):
        for kind in ("bright", "dark"):
            for case in range(3):
                place = tmp_path / "data" / hospital / kind / f"case{case}"
                place.mkdir(parents=True)
                for number in range(2):  # a folder of pictures is one case
                    grey = rng.integers(0, 90, (40, 40), dtype=np.uint8) + (120 if kind == "bright" else 0)
                    Image.fromarray(grey.astype(np.uint8)).save(place / f"{number}.png")
    (tmp_path / "data" / "south" / "dark" / "notes.docx").write_bytes(b"nothing to see")
    assert is_hospitals(tmp_path / "data")
    found = read_hospitals(tmp_path / "data", tmp_path / "cases", lambda *a: None)
    assert [h.name for h in found] == ["north", "south"]
    assert all(len(h.cases) == 6 for h in found) and len(found[1].refused) == 1
    pictures = pictures_of(found[0])
    assert pictures.classes == ("bright", "dark") and len(set(pictures.groups)) == 6
    assert len(pictures.labels) == 12


def test_several_workers_without_ray_are_refused_in_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match="needs Ray"):
        Workers(lambda: None, 0, 2)


def test_workers_give_the_mean_of_their_gradients():
    pytest.importorskip("ray", reason="Ray is not installed: training on several workers is not tested here")
    shared = Workers(_prepare_line, 3, 2)
    module, loss = _prepare_line()
    value = shared(module, 5)
    seen = module.weight.grad.clone()
    alone = []
    for worker in (1, 2):
        copy, loss = _prepare_line()
        backward(copy, loss, step_stream(3, 5, worker), 5)
        alone.append(copy.weight.grad)
    shared.close()
    assert torch.allclose(seen, torch.stack(alone).mean(0)) and np.isfinite(value)


def _prepare_line():
    torch.manual_seed(0)
    module = torch.nn.Linear(3, 1)

    def loss(rng):
        x = torch.from_numpy(rng.standard_normal((8, 3))).float()
        return (module(x) - x.sum(1, keepdim=True)).square().mean()

    return module, loss
