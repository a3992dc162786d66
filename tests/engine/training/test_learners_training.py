"""Meta-training helps tasks of sets it never saw, goes on after a kill to the same result, writes what is read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from engine.episodes import Archive
from engine.learners import head, learners
from engine.learners.by_kind import ByKind
from engine.learners.starts import load_start, save_start, start_file
from engine.training import learners as training
from engine.training.heads import task_loss
from engine.training.tasks import Labelled, by_size, draw_task, joined, relabel, sides

torch.set_num_threads(1)
RATES = {"rows": 4.0, "bias": 0.5}
SECTIONS = {
    "anil": {"rate": 0.05, "inner_steps": 5, "rates": RATES},
    "maml": {"rate": 0.05, "inner_steps": 3, "rates": {**RATES, "gate": 1.0}},
    "maml-first-order": {"rate": 0.05, "inner_steps": 3, "rates": {**RATES, "gate": 1.0}},
    "reptile": {"rate": 0.05, "inner_steps": 5, "inner_rate": 0.02},
    "lstm": {"rate": 0.005, "inner_steps": 5},
    "platipus": {"rate": 0.05, "inner_steps": 3, "rates": RATES, "weight": 0.1},
    "matching": {"rate": 0.05, "context": 4},
}
SECTIONS = {name: {"steps": 6, "tasks": 2, **section} for name, section in SECTIONS.items()}
CONFIG = {"seed": 1, "data": {"relabelled": 0.3}}


def noisy_set(seed: int, telling: int = 10, dimensions: int = 60) -> Labelled:
    """Three classes that differ in the first `telling` numbers; the others are noise, the same in every set."""
    draw = torch.Generator().manual_seed(seed)
    targets = torch.arange(3).repeat_interleave(25)
    means = torch.zeros(3, dimensions)
    means[:, :telling] = 1.2 * torch.randn(3, telling, generator=draw)
    embeddings = means[targets] + torch.randn(75, dimensions, generator=draw)
    labels = np.array([f"c{t}" for t in targets.tolist()])
    archive = Archive(f"set {seed}", np.zeros((75, 1, 1), np.uint8), labels, np.array([f"g{i}" for i in range(75)]))
    return Labelled(embeddings, archive)


SETS = [noisy_set(seed) for seed in range(5)]


def trained(name: str, folder, steps: int):
    section = {**SECTIONS[name], "steps": steps}
    return training.train_one(name, section, SETS, CONFIG, folder, lambda done, total, text: None)


def test_meta_training_helps_tasks_of_sets_it_never_saw(tmp_path):
    start = training.detached(trained("anil", tmp_path, 60).start()).fitted(60)
    rng = np.random.default_rng(5)
    tasks = [draw_task([noisy_set(100)], np.ones(1), rng) for _ in range(12)]
    learned = [task_loss(start, task, start.steps).item() for task in tasks]
    plain = [task_loss(head.plain_start(60), task, head.PLAIN_STEPS).item() for task in tasks]
    assert np.mean(learned) < np.mean(plain)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_run_that_was_killed_goes_on_to_the_same_start(name, tmp_path, monkeypatch):
    whole = trained(name, tmp_path / "whole", 6)
    real, calls = training.draw_task, []

    def dying(*args):
        calls.append(1)
        if len(calls) > 2 * 3:  # in the fourth step of two tasks
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(training, "draw_task", dying)
    with pytest.raises(KeyboardInterrupt):
        trained(name, tmp_path / "killed", 6)
    monkeypatch.setattr(training, "draw_task", real)
    resumed = trained(name, tmp_path / "killed", 6)
    for (key, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other), key


def for_images(name):
    """The method as it learns on embeddings of images; on rows of tables it may start elsewhere."""
    found = next(each for each in learners() if each.name == name)
    return found.images if isinstance(found, ByKind) else found


@pytest.mark.parametrize("name", SECTIONS)
def test_a_start_survives_its_file_and_adapts_the_same(name, tmp_path):
    start = training.detached(trained(name, tmp_path, 6).start())
    save_start(start, tmp_path / f"{name}.safetensors", {"seed": "0"})
    again = load_start(tmp_path / f"{name}.safetensors", name)
    method = type(for_images(name))
    task = draw_task(SETS, by_size(SETS), np.random.default_rng(0))
    first, second = (method(each).adapt(task.support).logits(task.query) for each in (start, again))
    assert torch.equal(first, second)
    assert not any("plain_start" in note.key for note in method(again).adapt(task.support).notes)


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("maml", {"gate": torch.zeros(3), "pull": torch.zeros(()), "rates.rows": torch.ones(2)}),
        ("maml", {"gate": torch.full((3,), torch.nan), "pull": torch.zeros(())}),
        ("reptile", {"pull": torch.zeros(())}),
        ("lstm", {"pull": torch.zeros(())}),
        ("platipus", {"mean.pull": torch.zeros(())}),
        ("matching", {"scale": torch.ones(()), "mix": torch.ones(()), "context.x": torch.ones(2)}),
    ],
)
def test_weights_that_dont_fit_are_refused_by_name(name, broken, tmp_path):
    save_file(broken, tmp_path / "wrong.safetensors")
    with pytest.raises(ValueError, match="wrong.safetensors"):
        load_start(tmp_path / "wrong.safetensors", name)


@pytest.mark.parametrize("name", SECTIONS)
def test_what_ships_fits_any_embedding_and_has_a_card(name):
    path = start_file(name)
    assert path.exists() and path.with_suffix(".md").exists()
    start = load_start(path, name)
    draw = torch.Generator().manual_seed(0)
    task = draw_task([noisy_set(3, dimensions=17)], np.ones(1), np.random.default_rng(int(draw.initial_seed())))
    method = type(for_images(name))
    assert torch.isfinite(method(start).adapt(task.support).logits(task.query)).all()


def test_relabelled_sets_keep_patients_apart_and_ask_something_answerable():
    rng = np.random.default_rng(0)
    for _ in range(30):
        other = relabel(SETS[0], SETS, rng)
        assert len(other.embeddings) == len(other.archive.labels) == len(other.archive.groups)
        assert len(other.archive.classes) == 2
    both = joined(SETS[0], SETS[1]).archive
    assert not set(both.groups[both.labels == "a"]) & set(both.groups[both.labels == "b"])
    halves = sides(SETS[0], rng)
    assert 0 < len(halves.embeddings) < len(SETS[0].embeddings)


def test_a_start_that_is_worse_than_none_is_not_shipped(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "start_file", lambda name: tmp_path / "assets" / f"{name}.safetensors")
    (tmp_path / "assets").mkdir()
    (tmp_path / training.SETS_CARD).write_text("sets")
    files = []
    for name, (plain, after) in {"maml": ("0.6", "0.5"), "anil": ("0.6", "0.7")}.items():
        files.append(tmp_path / f"{name}.safetensors")
        save_file({"pull": torch.zeros(1)}, files[-1], {"loss_plain": plain, "loss_trained": after})
        files[-1].with_suffix(".md").write_text("card")
    assert [path.stem for path in training.ship(files)] == ["maml"]
    there = sorted(p.name for p in (tmp_path / "assets").iterdir())
    assert there == ["learners-sets.md", "maml.md", "maml.safetensors"]


def test_the_command_trains_from_archives_and_writes_starts_with_cards(tmp_path):
    """Two tiny sets of pictures, the shipped encoder, two methods; run again, nothing is embedded anew."""
    rng = np.random.default_rng(0)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for s in range(2):
        bright = rng.integers(2, size=16)
        images = (60 + 90 * bright[:, None, None] + rng.integers(0, 60, (16, 24, 24))).astype(np.uint8)
        np.savez(corpus / f"tiny{s}.npz", images=images, label=np.where(bright, "bright", "dark"))
    manifest = "| file | what | licence as found |\n|---|---|---|\n| tiny0.npz | grey squares | CC0 |\n"
    (corpus / "MANIFEST-x.md").write_text(manifest)
    config = {
        **CONFIG,
        "data": {"corpus": str(corpus), "pictures": 12, "relabelled": 0.2},
        "anil": SECTIONS["anil"],
        "matching": {**SECTIONS["matching"], "context": 0},
    }
    said: list[str] = []
    files = training.train(config, tmp_path / "out", lambda done, total, text: said.append(text), steps=2)
    assert [file.name for file in files] == ["anil.safetensors", "matching.safetensors"]
    card = files[0].with_suffix(".md").read_text()
    assert "loss" in card and "2 sets" in card
    assert "| tiny0 | grey squares | CC0 | 12 |" in (tmp_path / "out" / training.SETS_CARD).read_text()
    kept = sorted((tmp_path / "out").rglob("tiny*.safetensors"))
    stamps = [path.stat().st_mtime_ns for path in kept]
    training.train(replace_steps(config), tmp_path / "out", lambda done, total, text: None)
    assert [path.stat().st_mtime_ns for path in kept] == stamps
    out, encoder = tmp_path / "out", training.load_encoder()
    left = training.load_sets(corpus, 12, out, encoder, lambda *told: None, leave_out=["tiny0"])
    assert [one.archive.name for one in left] == ["tiny1"]


def test_a_folder_of_hospitals_is_a_source_of_tasks(tmp_path):
    """Each hospital a set of its own, its classes the folders'; the shipped encoder, whole cases."""
    rng = np.random.default_rng(0)
    for hospital in ("north", "south"):
        for k, kind in enumerate(("dark", "bright")):
            folder = tmp_path / "data" / hospital / kind
            folder.mkdir(parents=True)
            for i in range(4):
                picture = (60 + 90 * k + rng.integers(0, 60, (32, 32))).astype(np.uint8)
                Image.fromarray(picture).save(folder / f"{i}.png")
    sets = training.load_sets(tmp_path / "data", 99, tmp_path / "out", training.load_encoder(), lambda *told: None)
    assert [one.archive.name for one in sets] == ["north", "south"]
    for one in sets:
        assert one.archive.classes == ("bright", "dark") and len(one.embeddings) == len(one.archive.groups) == 8
        assert torch.isfinite(one.embeddings).all()


def replace_steps(config: dict) -> dict:
    return {n: {**s, "steps": 2} if n in SECTIONS else s for n, s in config.items()}


def test_a_config_without_a_known_method_is_refused(tmp_path):
    with pytest.raises(ValueError, match="known are"):
        training.train({"seed": 1, "data": {}, "magic": {"steps": 1}}, tmp_path, lambda *a: None)


def test_labels_and_pictures_are_cut_alike():
    archive = replace(SETS[0].archive, images=list(range(75)))
    cut = training.at_most(archive, 10)
    assert len(cut.images) == len(cut.labels) == len(cut.groups) == 10
    assert all(archive.labels[i] == label for i, label in zip(cut.images, cut.labels, strict=True))
