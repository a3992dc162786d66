"""Molecule activity: an invented assay over invented molecules from the catalogues of three laboratories.

A molecule is a ring system with two or three fragments on it, written as SMILES and parsed by RDKit. Its activity
depends on three substructures alone, so the atoms that matter are known (`atoms`).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from rdkit import Chem, rdBase

from engine.phantoms.streams import stream
from engine.phantoms.tables.family import SyntheticTable
from engine.phantoms.tables.hospital import Hospital
from engine.phantoms.tables.truth import Effect, Truth

ACTIVE, INACTIVE = "active", "inactive"
LABEL, SMILES, LAB = "activity", "smiles", "lab"
ODDS = -1.3
# What the invented target likes: a sulfonamide and a piperazine. A carboxylic acid keeps molecules out.
SULFONAMIDE, PIPERAZINE, ACID = "cS(=O)(=O)[NX3]", "N1CCN([#1,#6])CC1", "C(=O)[OX2H1]"
EFFECTS = (
    Effect(SMILES, 2.8, ACTIVE, SULFONAMIDE),
    Effect(SMILES, 2.2, ACTIVE, PIPERAZINE),
    Effect(SMILES, -2.4, ACTIVE, ACID),
)
# {a}, {b}, {c}: places for fragments. Rings of the system are numbered 1 and 2, those of fragments from 3 on.
SYSTEMS = {
    "A": ("c1cc({a})ccc1{b}", "c1cc({a})cc({c})c1{b}", "c1ccc2c(c1)c({a})cn2{b}", "n1cc({a})ccc1{b}"),
    "B": ("c1cc({a})ccc1{b}", "c1nc({a})c2cc({b})ccc2n1", "n1c({a})nc({c})cc1{b}", "c1cc({a})sc1{b}"),
    "C": ("c1cc({a})cc({c})c1{b}", "o1c({a})cc(C)c1{b}", "c1ccc2nc({a})cc({b})c2c1", "C1CN(C(=O)c2cccc({a})c2)CC1{b}"),
}
# Fragment and how often it is taken; "{r}" is a free ring number.
FRAGMENTS = {
    "S(=O)(=O)N": 3, "S(=O)(=O)NC": 3, "S(=O)(=O)NC{r}CC{r}": 1.5, "S(=O)(=O)C": 3,
    "N{r}CCN(C)CC{r}": 3, "CN{r}CCN(CC)CC{r}": 2, "C(=O)N{r}CCN(C)CC{r}": 2, "N{r}CCOCC{r}": 3, "CN{r}CCCCC{r}": 3,
    "C(=O)O": 3, "CC(=O)O": 2, "C(=O)OC": 2.5, "C(=O)N": 3, "C(=O)NCC(C)C": 3, "C#N": 2.5, "F": 3, "Cl": 3,
    "C(F)(F)F": 2.5, "OC": 3.5, "OCC": 2, "C": 3, "C(C)C": 2, "c{r}ccccc{r}": 2.5, "c{r}ccc(F)cc{r}": 2,
    "NC(=O)C": 3, "N(C)C": 2, "OCc{r}ccncc{r}": 1.5,
}  # fmt: skip
LABS = (
    Hospital("A"),
    Hospital(
        "B", practice={ACTIVE: 0.5}, headings={"compound_id": "Compound", SMILES: "SMILES", LABEL: "Active"},
        codes={LABEL: {ACTIVE: "1", INACTIVE: "0"}},
    ),
    Hospital(
        "C", practice={ACTIVE: -0.4}, headings={"compound_id": "化合物编号", SMILES: "SMILES", LABEL: "活性"},
        codes={LABEL: {ACTIVE: "有活性", INACTIVE: "无活性"}},
    ),
)  # fmt: skip
HEAVIEST = 38  # atoms apart from hydrogen


def make(seed: int, rows: int = 300) -> SyntheticTable:
    """About `rows` molecules, none twice, shared evenly by the laboratories."""
    taken: set[str] = set()
    parts = [_at(lab, seed, rows // len(LABS), taken) for lab in LABS]
    frame = pd.concat(parts, ignore_index=True)
    practice = {lab.name: dict(lab.practice) for lab in LABS}
    truth = Truth("class", LABEL, (INACTIVE, ACTIVE), EFFECTS, practice)
    return SyntheticTable(
        "molecule-activity", frame, frame, truth, LABS, {}, site=LAB, patient="compound_id", smiles=SMILES,
        frailty=np.zeros(len(frame)),
    )  # fmt: skip


def atoms(smiles: str) -> np.ndarray:
    """(atoms,) what each atom truly adds to the log odds of being active: a substructure's strength is shared by its
    atoms, 0 for all others. Atoms stand as RDKit numbers them in `MolFromSmiles(smiles)`."""
    molecule = Chem.MolFromSmiles(smiles)
    weights = np.zeros(molecule.GetNumAtoms())
    for effect in EFFECTS:
        found = {a for match in molecule.GetSubstructMatches(_pattern(effect.level)) for a in match}
        weights[list(found)] += effect.strength / max(len(found), 1)
    return weights


def log_odds(smiles: str) -> float:
    """Of being active in a laboratory without its own bent: a substructure counts once, however often it is there."""
    molecule = Chem.MolFromSmiles(smiles)
    return ODDS + sum(e.strength for e in EFFECTS if molecule.HasSubstructMatch(_pattern(e.level)))


@cache
def _pattern(smarts: str) -> Chem.Mol:
    return Chem.MolFromSmarts(smarts)


def _at(lab: Hospital, seed: int, rows: int, taken: set[str]) -> pd.DataFrame:
    structure, draw = (stream(seed, "molecules", lab.letter, part) for part in ("structure", "label"))
    smiles = []
    while len(smiles) < rows:
        made = _one(SYSTEMS[lab.letter], structure)
        if made and made not in taken:
            taken.add(made)
            smiles.append(made)
    odds = np.array([log_odds(s) for s in smiles]) + lab.practice.get(ACTIVE, 0.0)
    active = draw.random(rows) < 1 / (1 + np.exp(-odds))
    return pd.DataFrame(
        {
            "compound_id": [f"SYN-{lab.letter}{i + 1:04d}" for i in range(rows)],
            LAB: lab.name,
            SMILES: smiles,
            LABEL: np.where(active, ACTIVE, INACTIVE),
        }
    )


def _one(systems: tuple[str, ...], generator: np.random.Generator) -> str | None:
    """Canonical SMILES of one molecule, or None where the fragments don't go together."""
    shares = np.array(list(FRAGMENTS.values()))
    picked = generator.choice(list(FRAGMENTS), size=3, p=shares / shares.sum())
    a, b, c = (f.format(r=3 + i) if "{r}" in f else f for i, f in enumerate(picked))
    text = systems[generator.integers(len(systems))].format(a=a, b=b, c=c)
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(text)
    if molecule is None or molecule.GetNumHeavyAtoms() > HEAVIEST:
        return None
    return Chem.MolToSmiles(molecule)
