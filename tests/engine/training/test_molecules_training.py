"""Assays read from tables, and a net that learns from some of them what helps with another."""

import gzip
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from engine.encoders.molecule import MoleculeNet
from engine.training import molecules
from engine.training.assays import load_assays, read_table
from engine.training.molecules import AssayModel, Losses, Recipe, prototype_loss, train_net

CHAINS = ["C" * n for n in range(2, 9)]
PARTS = ["O", "N", "Cl", "C(=O)O", "c1ccccc1", "C#N", "S"]
SMILES = [chain + part for chain in CHAINS for part in PARTS]
SMALL = Recipe(steps=60, batch=32, tasks=2, shots=3, queries=3, hidden=32, size=16, focus=("a",))


def rings(smiles):
    return float("c1" in smiles)


@pytest.fixture(scope="module", autouse=True)
def few(request):
    patch = pytest.MonkeyPatch()
    patch.setattr(molecules, "FEWEST", 5)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def assays(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assays")
    table = pd.DataFrame({"smiles": SMILES, "ring": [rings(s) for s in SMILES]})
    table["long"] = [float(s.startswith("CCCCC")) for s in SMILES]
    table["ring or sulphur"] = [max(rings(s), float(s.endswith("S"))) for s in SMILES]
    table.loc[:3, "long"] = np.nan
    with gzip.open(folder / "a.csv.gz", "wt") as file:
        table.to_csv(file, index=False)
    other = pd.DataFrame({"smiles": ["OCC", "CCO", "CCO", "no molecule"], "x": [1, 1, 0, 1], "y": [0, 0, np.nan, 1]})
    other.to_csv(folder / "b.csv", index=False)
    return load_assays({"a": folder / "a.csv.gz", "b": folder / "b.csv"}, folder / "cache")


def test_one_substance_is_one_row_and_contradictions_count_as_not_measured(assays):
    assert assays.names == ("a:ring", "a:long", "a:ring or sulphur", "b:x", "b:y")
    assert len(set(assays.keys)) == len(assays.keys) == len(SMILES)  # ethanol is CCO here and in the other table
    ethanol = assays.keys.index("CCO")
    assert np.isnan(assays.of("b:x")[ethanol]) and assays.of("b:y")[ethanol] == 0 and assays.of("a:ring")[ethanol] == 0
    assert np.isnan(assays.of("a:long")).sum() == 4


def test_an_assay_that_is_left_out_is_gone_and_a_misspelt_one_is_refused(assays):
    left = assays.without(["a:ring"])
    assert "a:ring" not in left.names and left.labels.shape[1] == 4
    with pytest.raises(ValueError, match="a:rnig"):
        assays.without(["a:rnig"])
    rows = np.arange(len(assays.keys)) < 10
    assert np.isnan(assays.blind(rows).labels[:10]).all() and not np.isnan(assays.labels[:10]).all()


def test_published_test_assays_are_never_trained_on_even_if_a_table_holds_them(tmp_path):
    names = ["SR-MMP", "NR-AR", "TOX21_MMP_ratio_down", "TOX21_p53_BLA_p1_ratio", "ATG_p53_CIS_up"]
    table = pd.DataFrame({"smiles": ["CCO", "CCN"], **{name: [0, 1] for name in names}})
    table[["smiles", "SR-MMP", "NR-AR"]].to_csv(tmp_path / "tox.csv", index=False)
    table[["smiles", *names[2:]]].to_csv(tmp_path / "cast.csv", index=False)
    import tomllib

    from engine.commands.train import CONFIGS

    config = tomllib.loads((CONFIGS / "molecules.toml").read_text("utf-8"))
    config["data"] |= {"corpus": str(tmp_path), "tables": {"tox21": "tox.csv", "toxcast": "cast.csv"}, "most": {}}
    found = molecules.open_assays(config, tmp_path / "cache", lambda *_: None)
    assert found.names == ("tox21:NR-AR", "toxcast:ATG_p53_CIS_up")


def test_a_value_that_is_no_answer_is_named_by_its_column(tmp_path):
    (tmp_path / "odd.csv").write_text("smiles,active\nCCO,0\nCCN,0.7\n")
    with pytest.raises(ValueError, match=r"odd\.csv.*active.*0\.7"):
        read_table(tmp_path / "odd.csv", "smiles")
    with pytest.raises(ValueError, match="structure"):
        read_table(tmp_path / "odd.csv", "structure")


def test_the_loss_of_episodes_is_that_of_the_prototypes_learner():
    from engine.learners import Support, learner

    torch.manual_seed(0)
    cases = torch.randn(2, 5, 6)
    cases[0] += 1  # active ones first
    support = Support(cases[:, :3].reshape(6, 6), torch.tensor([1, 1, 1, 0, 0, 0]), ("no", "yes"), tuple("abcdef"))
    adapted = learner("protonet").adapt(support)
    far = -adapted.prototype_distances(cases[:, 3:].reshape(4, 6)).square()
    truth = torch.tensor([1, 1, 0, 0])
    expected = torch.nn.functional.cross_entropy(2.0 * far, truth)
    torch.testing.assert_close(prototype_loss(cases, 3, torch.tensor(2.0)), expected)


def test_a_label_of_the_first_table_in_focus_says_more(assays):
    model = AssayModel(MoleculeNet(hidden=32, size=16), len(assays.names)).eval()
    torch.nn.init.normal_(model.heads.bias, std=3.0)
    rows = np.flatnonzero(~np.isnan(assays.of("b:x")) | ~np.isnan(assays.of("b:y")))

    def loss(say):
        losses = Losses(assays, replace(SMALL, say=say), model)
        return float(losses.regressions(rows, losses.embed(rows)).detach())

    told = ~np.isnan(assays.labels[rows])
    ours = told[:, :3].sum()
    share = lambda say: say * ours / (say * ours + told[:, 3:].sum())  # noqa: E731
    only = (loss(1e9), loss(0.0))  # of table a alone, of the others alone
    assert only[0] != pytest.approx(only[1], rel=0.01)
    for say in (1.0, 2.0, 8.0):
        assert loss(say) == pytest.approx(share(say) * only[0] + (1 - share(say)) * only[1], rel=1e-4)


def test_training_on_some_assays_helps_with_another_and_a_killed_run_is_the_same_run(assays, tmp_path):
    known = assays.without(["a:ring or sulphur", "b:x", "b:y"])
    net = train_net(known, SMALL, tmp_path / "whole", 1).eval()
    stopped = molecules.Run.train

    def killed(self, loss, steps, **more):
        return stopped(self, loss, steps, cancelled=lambda: self.step == 25, **more)

    patch = pytest.MonkeyPatch()
    patch.setattr(molecules.Run, "train", killed)
    train_net(known, SMALL, tmp_path / "killed", 1)
    patch.undo()
    again = train_net(known, SMALL, tmp_path / "killed", 1).eval()
    given = torch.from_numpy(assays.counts), torch.from_numpy(assays.descriptors)
    with torch.no_grad():
        trained, resumed = net(*given), again(*given)
    torch.testing.assert_close(trained, resumed)
    labels = torch.from_numpy(assays.of("a:ring"))
    means = torch.stack([trained[labels == c].mean(0) for c in (0, 1)])
    near = torch.cdist(trained, means)
    assert ((near[:, 1] < near[:, 0]) == (labels == 1)).float().mean() > 0.9
