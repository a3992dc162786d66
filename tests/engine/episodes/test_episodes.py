"""Episodes never share a patient, are repeatable, and are scored as scikit-learn scores them."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import roc_auc_score

from engine.episodes import Archive, episodes, open_archive, score, summarise


def archive(labels, groups):
    return Archive("made", np.zeros((len(labels), 8, 8), np.uint8), np.array(labels), np.array(groups))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(1, 6), st.integers(1, 9))
def test_support_and_query_never_share_a_group_and_have_the_asked_sizes(seed, ways, shots, queries):
    rng = np.random.default_rng(seed)
    made = archive(rng.choice(list("abcd"), 150), rng.integers(0, 40, 150).astype(str))
    for e in episodes(made, ways, shots, queries, 3, seed):
        assert not set(made.groups[e.support]) & set(made.groups[e.query])
        assert len(e.classes) == min(ways, 4)
        assert (np.bincount(e.support_targets) == shots).all()
        assert np.bincount(e.query_targets, minlength=len(e.classes)).min() >= 1
        assert np.bincount(e.query_targets).max() <= queries
        assert len(set(e.support)) == len(e.support) and len(set(e.query)) == len(e.query)
        names = np.array(e.classes)
        assert (made.labels[e.support] == names[e.support_targets]).all()
        assert (made.labels[e.query] == names[e.query_targets]).all()


def test_shots_come_from_different_groups_while_there_are_enough():
    made = archive(["a", "b"] * 60, [str(i // 6) + "ab"[i % 2] for i in range(120)])
    for e in episodes(made, 2, 5, 5, 10, 0):
        assert len(set(made.groups[e.support])) == 10


def test_the_same_seed_draws_the_same_episodes_and_another_seed_others():
    made = archive(list("abc") * 40, [str(i) for i in range(120)])
    first, again, other = ([e.support.tolist() for e in episodes(made, 3, 5, 5, 4, seed)] for seed in (1, 1, 2))
    assert first == again != other


def test_an_archive_that_is_too_small_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="fewer than two classes"):
        list(episodes(archive(["a"] * 9 + ["b"], list("0123456789")), 2, 5, 5, 1, 0))
    with pytest.raises(ValueError, match="share so many groups"):
        list(episodes(archive(list("aaabbb"), list("xxyyyx")), 2, 2, 5, 1, 0))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(8, 60), st.booleans())
def test_auroc_is_scikit_learns_also_with_ties(seed, classes, n, rounded):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), n)
    p = np.round(p, 1) if rounded else p
    t = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    oracle = np.mean([roc_auc_score(t == c, p[:, c]) for c in range(classes)])
    assert score(p, t).auroc == pytest.approx(oracle, abs=1e-12)


def test_calibration_error_is_zero_where_confidence_is_the_share_right_and_large_where_it_lies():
    targets = np.array([0] * 8 + [1] * 2)
    assert score(np.tile([0.8, 0.2], (10, 1)), targets).ece == pytest.approx(0.0, abs=1e-12)
    assert score(np.tile([0.0, 1.0], (10, 1)), targets).ece == pytest.approx(0.8)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = 0
    for run in range(100):
        scores = [score(np.eye(2)[np.where(rng.random(40) < 0.7, 1, 0)], np.ones(40, int)) for _ in range(30)]
        found = summarise(scores, seed=run)["accuracy"]
        held += found["low"] <= 0.7 <= found["high"]
    assert 85 <= held <= 100


def test_pooled_calibration_error_of_a_calibrated_model_is_small_although_each_episode_alone_is_not():
    rng = np.random.default_rng(1)
    scores = []
    for _ in range(200):
        confidence = rng.uniform(0.5, 1, 20)
        right = rng.random(20) < confidence
        scores.append(score(np.stack([confidence, 1 - confidence], 1), np.where(right, 0, 1)))
    assert summarise(scores)["ece"]["mean"] < 0.03 < np.mean([s.ece for s in scores])


def test_npz_and_zip_archives_open_and_damaged_ones_are_named(tmp_path):
    np.savez(tmp_path / "good.npz", images=np.zeros((4, 9, 9, 3), np.uint8), label=list("aabb"))
    opened = open_archive(tmp_path / "good.npz")
    assert opened.classes == ("a", "b") and len(set(opened.groups)) == 4
    np.savez(tmp_path / "bare.npz", images=np.zeros((4, 9, 9), np.uint8))
    with pytest.raises(ValueError, match="bare.npz lacks the array label"):
        open_archive(tmp_path / "bare.npz")
    (tmp_path / "torn.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:200])
    with pytest.raises(ValueError, match="torn.npz"):
        open_archive(tmp_path / "torn.npz")
    jpeg = io.BytesIO()
    Image.new("L", (20, 10), 77).save(jpeg, "JPEG")
    with zipfile.ZipFile(tmp_path / "corpus.zip", "w") as out:
        out.writestr("0001.jpg", jpeg.getvalue())
        out.writestr("labels.csv", "file,label,group,source\n0001.jpg,normal,p1,x\n")
    zipped = open_archive(tmp_path / "corpus.zip")
    assert zipped.images[0].shape == (10, 20) and zipped.groups[0] == "p1"


def test_arrays_that_hide_pickles_are_not_opened(tmp_path):
    np.savez(tmp_path / "evil.npz", images=np.array([{"a": 1}], dtype=object), label=["a"])
    with pytest.raises(ValueError):
        open_archive(tmp_path / "evil.npz")


def test_every_real_set_gives_episodes(data):
    for path in sorted((data / "images").glob("*.npz")):
        for e in episodes(open_archive(path), 5, 5, 15, 2, 0):
            assert len(e.query) >= 10
