"""A molecule becomes one vector: the same for one substance, its own alone, with a gradient down to the fragments."""

import hashlib

import numpy as np
import pandas as pd
import pytest
import torch

from engine.encoders import tabular
from engine.encoders.molecule import WEIGHTS, MoleculeEncoder, MoleculeNet, load_molecule_encoder, save_net
from engine.tables import Table, molecules, propose

ASPIRIN, SALT, CAFFEINE = "CC(=O)Oc1ccccc1C(=O)O", "[Na+].CC(=O)Oc1ccccc1C(=O)[O-]", "CN1C=NC2=C1C(=O)N(C)C(=O)N2C"


@pytest.fixture(scope="module")
def encoder():
    return load_molecule_encoder()


def inputs(*smiles):
    found = molecules.read(list(smiles))
    return torch.from_numpy(found.counts), torch.from_numpy(found.descriptors)


def test_one_substance_has_one_embedding_whoever_is_embedded_beside_it(encoder):
    counts, descriptors = inputs(ASPIRIN, "OC(=O)c1ccccc1OC(C)=O", CAFFEINE)
    together, alone = encoder.embed(counts, descriptors), encoder.embed(counts[:1], descriptors[:1])
    assert together.shape == (3, encoder.size) and together.dtype == torch.float32
    torch.testing.assert_close(together[0], together[1])
    torch.testing.assert_close(together[:1], alone)
    assert (together[0] - together[2]).norm() > 0.1 * together[0].norm()


def test_a_salt_lies_nearer_to_its_acid_than_another_drug(encoder):
    acid, salt, other = encoder.embed(*inputs(ASPIRIN, SALT, CAFFEINE))
    assert (acid - salt).norm() < (acid - other).norm()


def test_a_gradient_reaches_every_fragment_that_is_there(encoder):
    counts, descriptors = inputs(ASPIRIN)
    counts, descriptors = counts.float().requires_grad_(True), descriptors.clone().requires_grad_(True)
    encoder.embed(counts, descriptors).sum().backward()
    assert (counts.grad[counts > 0] != 0).float().mean() > 0.95 and (descriptors.grad != 0).any()
    moved = counts.detach().clone()
    moved[0, int(counts.grad.abs().argmax())] += 1e-2
    gained = encoder.embed(moved, descriptors.detach()).sum() - encoder.embed(counts, descriptors).sum().detach()
    assert float(gained) == pytest.approx(float(counts.grad.flatten()[counts.grad.abs().argmax()]) * 1e-2, rel=0.1)


def test_what_is_missing_or_huge_gives_numbers_all_the_same(encoder):
    counts, descriptors = inputs("C1CC(", "C" * 300)  # no molecule, and a wax of 300 carbons
    assert torch.isfinite(encoder.embed(counts, descriptors)).all()
    with pytest.raises(ValueError, match="counts"):
        encoder.embed(counts[:, :100], descriptors)


def test_what_ships_is_small_and_says_what_it_is(encoder):
    assert WEIGHTS.stat().st_size <= 6_000_000
    digest = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert digest in WEIGHTS.with_suffix(".md").read_text("utf-8")
    assert digest.startswith(encoder.identity)


def test_other_weights_have_another_identity_and_come_back_as_they_were_written(tmp_path, encoder):
    torch.manual_seed(0)
    net = MoleculeNet(hidden=32, size=8)
    save_net(net, tmp_path / "small.safetensors", {"assays": "0"})
    loaded = load_molecule_encoder(tmp_path / "small.safetensors")
    assert loaded.identity != encoder.identity and loaded.size == 8
    given = inputs(ASPIRIN)
    torch.testing.assert_close(loaded.embed(*given), MoleculeEncoder(net, "").embed(*given), atol=2e-2, rtol=2e-2)
    assert np.isfinite(loaded.embed(*given).numpy()).all()


def test_a_table_with_structures_carries_what_the_encoder_makes_of_them(encoder):
    smiles = [ASPIRIN, CAFFEINE, "CC(=O)NC1=CC=C(O)C=C1", "CCCCO", SALT, "bad("] * 3
    frame = pd.DataFrame({"smiles": smiles, "dose": np.arange(18.0) % 5, "label": ["a", "b"] * 9})
    table, found = Table("made", frame, np.arange(2, 20)), {"smiles": molecules.read(smiles)}
    prepared = tabular.prepare(table, propose(table, label="label", smiles="smiles"), np.arange(10), found)
    rows = prepared.rows(np.array([0, 1, 5]))
    values = torch.from_numpy(rows.values).requires_grad_(True)
    made = prepared.embed(values, torch.from_numpy(rows.missing))
    own = encoder.embed(torch.from_numpy(found["smiles"].counts[:2]), torch.from_numpy(found["smiles"].descriptors[:2]))
    torch.testing.assert_close(made[:2, -encoder.size :] / prepared.say, own, atol=0.05, rtol=0.05)
    made[:2, -encoder.size :].sum().backward()
    assert values.grad[:2].abs().sum() > 0 and torch.isfinite(made).all()  # the row without a molecule too
    spread = lambda x: float(np.square(x - x.mean(0)).sum())  # noqa: E731
    labelled = prepared.embeddings(np.arange(10))
    share = spread(labelled[:, -encoder.size :]) / spread(labelled[:, : -encoder.size])
    known = encoder.known([found["smiles"].keys[i] for i in range(10)])
    assert share == pytest.approx(tabular.say_of(known) ** 2, rel=0.01)
    assert encoder.identity in tabular.identity()


def test_it_knows_what_it_was_trained_on_and_fragments_speak_up_where_it_does_not(tmp_path):
    net = MoleculeNet(hidden=32, size=8)
    caffeine, aspirin = (molecules.read([each]).keys[0] for each in (CAFFEINE, ASPIRIN))
    save_net(net, tmp_path / "small.safetensors", {}, [caffeine])
    loaded = load_molecule_encoder(tmp_path / "small.safetensors")
    assert [loaded.known(keys) for keys in ([caffeine], [aspirin], [caffeine, aspirin, ""], [])] == [1, 0, 0.5, 0]
    assert tabular.say_of(0) == min(tabular.SAY) < tabular.say_of(0.5) < tabular.say_of(1) == max(tabular.SAY)


def test_what_ships_knows_old_drugs_and_not_one_that_nobody_has_made(encoder):
    drugs = molecules.read([ASPIRIN, CAFFEINE, "CC(=O)NC1=CC=C(O)C=C1"]).keys
    strange = molecules.read(["FC(F)(F)c1ccc(OCCCNC2CC3(C2)CN(C3)S(=O)(=O)c2ccncc2)cc1Br"]).keys
    assert encoder.known(drugs) > 0.6 and encoder.known(strange) == 0
