"""Molecules: known values, one substance one fingerprint, bad rows named, drawings that fetch nothing."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from engine.intake.refusal import Refusal
from engine.sentences import say
from engine.tables import molecules, propose
from engine.tables.molecule_reading import invalid_rows, read_molecules
from tests.engine.tables.made_tables import table_of

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
BAD = [ASPIRIN, "C1CC(", None, "C(C)(C)(C)(C)C", "c1ccccc1", "C" * 600, "C" * 3000]


def of(found: molecules.Molecules, name: str) -> np.ndarray:
    return found.descriptors[:, molecules.DESCRIPTORS.index(name)]


def test_descriptors_of_aspirin_are_the_published_ones():
    found = molecules.read([ASPIRIN])
    assert of(found, "MolWt")[0] == pytest.approx(180.159, abs=1e-2)  # PubChem CID 2244: 180.16 g/mol
    assert of(found, "TPSA")[0] == pytest.approx(63.6, abs=0.05)  # PubChem CID 2244: 63.6 A2
    assert (of(found, "NumHDonors")[0], of(found, "HeavyAtomCount")[0]) == (1, 13)


def test_one_substance_has_one_fingerprint_and_key_however_it_is_written():
    found = molecules.read([ASPIRIN, "OC(=O)c1ccccc1OC(C)=O", "[Na+].CC(=O)Oc1ccccc1C(=O)[O-]"])
    assert found.keys[0] == found.keys[1] and (found.counts[0] == found.counts[1]).all()
    assert found.counts.shape == (3, molecules.COUNTS) and found.counts[0].sum() > 13
    assert "Na" not in found.keys[2]


def test_fragments_are_counted_not_only_seen():
    short, long = molecules.read(["CCC", "CCCCCCCC"]).counts
    assert long.max() > short.max() >= 1


def test_what_is_no_molecule_is_named_by_row_and_reason():
    found = molecules.read(BAD)
    assert found.problems == {1: "syntax", 2: "empty", 3: "chemistry", 5: "large", 6: "long"}
    assert found.valid.tolist() == [True, False, False, False, True, False, False]
    assert not found.counts[~found.valid].any() and np.isnan(found.descriptors[~found.valid]).all()
    said = {note.key: say(note) for note in invalid_rows(table_of(smiles=BAD), "smiles", found)}
    assert "row" in said["table.smiles_chemistry"] and "5" in said["table.smiles_chemistry"]


def test_the_process_gives_the_same_numbers_in_batches(in_process, monkeypatch):
    monkeypatch.setattr("engine.tables.molecule_reading.BATCH", 3)
    whole, parts = molecules.read(BAD), read_molecules(BAD)
    assert (whole.counts == parts.counts).all() and np.array_equal(whole.descriptors, parts.descriptors, equal_nan=True)
    assert (whole.keys, whole.problems) == (parts.keys, parts.problems)


def test_structural_keys_count_what_a_chemist_counts():
    (aspirin, benzene) = molecules.read([ASPIRIN, "c1ccccc1"]).counts[:, molecules.BITS :].astype(int)
    quantum = slice(166, 166 + 42)
    assert (aspirin[quantum][0], aspirin[quantum][11]) == (9, 13)  # carbons and heavy atoms, C9H8O4
    areas = slice(166 + 42, 166 + 42 + 14)
    assert abs(aspirin[areas].sum() - of(molecules.read([ASPIRIN]), "LabuteASA")[0]) < 9  # the parts make up the whole
    assert aspirin[-85:].sum() > benzene[-85:].sum() == 1  # benzene's one group is its ring


def test_a_drawing_is_an_svg_that_fetches_nothing_and_runs_nothing():
    svg = molecules.draw(ASPIRIN, weights=[1.0, -0.5], dark=True)
    ElementTree.fromstring(svg)
    assert not re.search(r"<script|<image|href|@import|url\(", svg)
    assert molecules.draw(ASPIRIN) != svg
    with pytest.raises(Refusal):
        molecules.draw("C1CC(")


def test_a_drawing_needs_no_library_of_the_system_and_shows_each_atom_in_its_frame():
    root = ElementTree.fromstring(molecules.draw("C[C@H](N)C(=O)O", weights=[0.5] * 6, width=300, height=200))
    circles = [e for e in root.iter() if e.tag.endswith("circle")]
    assert len(circles) == 6
    assert all(0 < float(c.get("cx")) < 300 and 0 < float(c.get("cy")) < 200 for c in circles)
    words = ["".join(e.itertext()).replace("\u200b", "") for e in root.iter() if e.tag.endswith("}text")]
    assert {w.replace("H2N", "NH2").replace("HO", "OH") for w in words} == {
        "NH2",
        "O",
        "OH",
    }
    assert "rdMolDraw2D" not in sys.modules and not any(name.startswith("rdkit.Chem.Draw") for name in sys.modules)


@pytest.mark.parametrize(
    "smiles", ["[Na+].[Cl-]", "C", "C#N", "[2H]C", "*CC", "c1ccc2ccccc2c1", "C/C=C/C", "F[P-](F)(F)(F)(F)F"]
)
def test_odd_molecules_are_drawn_too(smiles):
    ElementTree.fromstring(molecules.draw(smiles, dark=True))


def test_every_set_bit_of_a_fingerprint_points_to_atoms_of_the_molecule():
    (counts,) = molecules.read([ASPIRIN]).counts
    places = molecules.atom_bits(ASPIRIN)
    assert [bool(p) for p in places] == (counts[: molecules.BITS] > 0).tolist()
    assert {a for each in places for a, r in each if r == 0} == set(range(13))


def test_a_smiles_column_is_found_by_its_values_alone():
    table = table_of(
        compound=[ASPIRIN, "CC(=O)NC1=CC=C(O)C=C1", "CN1C=NC2=C1C(=O)N(C)C(=O)N2C"] * 4, active=[0, 1, 0] * 4
    )
    assert propose(table).named("molecule") == ["compound"]
    words = table_of(drug=["Aspirin", "Paracetamol", "Caffeine"] * 4, active=[0, 1, 0] * 4)
    assert propose(words).named("molecule") == []
