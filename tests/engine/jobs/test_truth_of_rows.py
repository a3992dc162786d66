"""On synthetic tables, whose truth is known, attributions point at the columns and atoms that drive the label."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rdkit import Chem

from engine.encoders import tabular
from engine.evidence.row_answer import answer_of, bars_of, inputs_of, plain_row
from engine.evidence.row_attribution import attribute
from engine.jobs.work.atoms import atom_weights
from engine.learners import Support, learner
from engine.phantoms.tables import make_table, molecules, surgery
from engine.tables import Table, propose
from engine.tables.molecules import fragments, read

# Enough labels that the model itself is near the truth: what is judged is the attribution. Of the molecules about half
# have both atoms that matter and others, so the share below is of some twenty.
LABELLED, ASKED, MOLECULES = 240, 40, 40


def adapted(table: Table, dictionary, known: np.ndarray, structures=None):
    """The embedding and a logistic regression of the first rows."""
    rows = np.arange(LABELLED)
    prepared = tabular.prepare(table, dictionary, rows, structures)
    embeddings = torch.from_numpy(prepared.embeddings(rows))
    support = Support(embeddings, torch.from_numpy(known[rows]).long(), ("no", "yes"), tuple(map(str, rows)))
    return prepared, learner("logistic").adapt(support)


@pytest.fixture(scope="module")
def operations():
    """(prepared, model, true contributions (asked, columns) by column) of surgical risk at one hospital."""
    made = make_table("surgical-risk", 3, 3 * (LABELLED + ASKED))
    here = (made.frame["hospital"] == "synthetic A").to_numpy()
    frame = made.complete[here].drop(columns=["patient_id", "hospital"]).reset_index(drop=True)
    known = (frame["outcome_30d"] == surgery.YES).to_numpy()
    for name in frame.columns:
        frame[name] = frame[name].astype("float64" if frame[name].dtype.kind in "if" else "str")
    table = Table("operations", frame, np.arange(len(frame)))
    prepared, model = adapted(table, propose(table, label="outcome_30d"), known)
    measures = {m.name: m for m in surgery.MEASURES}
    true = {}
    for effect in made.truth.effects:
        values = frame[effect.column].to_numpy()
        z = measures[effect.column].z(values) if effect.column in measures else (values == effect.level).astype(float)
        true[effect.column] = true.get(effect.column, 0) + effect.strength * (z - z[:LABELLED].mean())
    return prepared, model, {name: each[LABELLED:][:ASKED] for name, each in true.items()}


@pytest.mark.parametrize("method", ["ig", "ablation"])
def test_amounts_by_column_agree_with_what_each_column_truly_adds(operations, method):
    prepared, model, true = operations
    asked = inputs_of(prepared.rows(np.arange(LABELLED, LABELLED + ASKED)))
    names, groups = bars_of(prepared.plan)
    plain, answer = plain_row(prepared, np.arange(LABELLED)), answer_of(prepared, model, 1)
    found = np.array([attribute(answer, row, plain, groups, method).amounts for row in asked])
    columns = [column for column, _ in names]
    told = np.stack([true.get(column, np.zeros(ASKED)) for column in columns], 1)
    assert np.corrcoef(found.ravel(), told.ravel())[0, 1] > 0.7
    size = np.abs(found).mean(0)
    drives = np.array([column in true for column in columns])
    assert size[drives].mean() > 2 * size[~drives].mean()
    strongest = sorted(columns, key=lambda column: -size[columns.index(column)])[:4]
    assert len(set(strongest) & set(true)) >= 3


def test_the_atoms_that_light_up_are_those_of_the_known_substructures(monkeypatch):
    # Our own structures need no bounded process, and starting one a molecule takes longer than all the rest.
    monkeypatch.setattr("engine.jobs.work.atoms.fragments_of", fragments)
    made = make_table("molecule-activity", 3, LABELLED + 3 * MOLECULES)
    order = np.random.default_rng(0).permutation(len(made.frame))  # laboratories mixed
    frame = made.frame.iloc[order][["smiles", "activity"]].astype("str").reset_index(drop=True)
    table = Table("molecules", frame, np.arange(len(frame)))
    structures = {"smiles": read(list(frame["smiles"]))}
    known = (frame["activity"] == molecules.ACTIVE).to_numpy()
    prepared, model = adapted(table, propose(table, label="activity", smiles="smiles"), known, structures)
    data = SimpleNamespace(table=table, molecules=structures)
    _, groups = bars_of(prepared.plan)
    plain, answer = plain_row(prepared, np.arange(LABELLED)), answer_of(prepared, model, 1)
    inside, outside = [], []
    for row in range(LABELLED, LABELLED + MOLECULES):
        here = prepared.rows(np.array([row]))
        single = attribute(answer, inputs_of(here)[0], plain, groups, "ig").single
        weights = np.array(atom_weights(data, row, here, single)["smiles"])
        true = molecules.atoms(frame["smiles"][row])
        assert len(weights) == Chem.MolFromSmiles(frame["smiles"][row]).GetNumAtoms()
        if (true != 0).any() and (true == 0).any():
            inside.append((weights * np.sign(true))[true != 0].mean())
            outside.append(weights[true == 0].mean())
    assert len(inside) >= MOLECULES // 2
    ahead = np.mean(np.array(inside) > np.abs(outside))
    assert ahead > 0.5  # 0.70, 0.77 and 0.79 with three seeds; marked at random a third at most are ahead
