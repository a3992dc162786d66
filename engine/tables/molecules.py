"""Molecules written as SMILES -> counted fragments and structural keys, descriptors and drawings, by RDKit.

RDKit parses foreign text in C++, so `engine.tables.child` calls this within limits; the page asks through
`engine.tables.molecule_reading`. Source: Rogers & Hahn 2010, "Extended-Connectivity Fingerprints" (ECFP4: radius 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.intake.refusal import Refusal
from engine.tables.structure import STRUCTURAL, structural

BITS = 2048
COUNTS = BITS + STRUCTURAL  # circular fragments, then structural keys
RADIUS = 2  # ECFP4: a diameter of four bonds
MOST_ATOMS = 500  # a peptide of 60 amino acids; larger ones are no small molecules and take minutes to draw
DESCRIPTORS = (
    "MolWt", "MolLogP", "TPSA", "NumHDonors", "NumHAcceptors", "NumRotatableBonds", "NumAromaticRings",
    "NumAliphaticRings", "RingCount", "FractionCSP3", "HeavyAtomCount", "NumHeteroatoms", "NHOHCount", "NOCount",
    "NumValenceElectrons", "MolMR", "LabuteASA", "BertzCT", "qed", "formal charge",
)  # fmt: skip
MOST_COUNT = 255


@dataclass(frozen=True)
class Molecules:
    """`counts` (n, 2048 + 329) uint8: how often each circular fragment stands in a molecule, then its structural keys
    (`engine.tables.structure`). `descriptors` (n, 20) float32, NaN where one cannot be computed. `keys` (n,): canonical
    SMILES of the largest part, "" for an invalid one: equal keys are the same substance. `problems`: why a row is
    invalid, by position: "empty", "syntax", "chemistry", "large"
    or "long"; its other values are zero and NaN."""

    counts: np.ndarray
    descriptors: np.ndarray
    keys: tuple[str, ...]
    problems: dict[int, str]

    @property
    def valid(self) -> np.ndarray:
        """(n,) bool"""
        return np.array([i not in self.problems for i in range(len(self.keys))], dtype=bool)


def parse(smiles: str | None, most_characters: int = 2000) -> tuple[Any, str]:
    """(molecule, "") or (None, why not)."""
    from rdkit import Chem

    text = (smiles or "").strip()
    if not text:
        return None, "empty"
    if len(text) > most_characters:
        return None, "long"
    molecule = Chem.MolFromSmiles(text, sanitize=False)
    if molecule is None or molecule.GetNumAtoms() == 0:
        return None, "syntax"
    if molecule.GetNumAtoms() > MOST_ATOMS:
        return None, "large"
    try:
        Chem.SanitizeMol(molecule)
    except (ValueError, RuntimeError):
        return None, "chemistry"
    return molecule, ""


def read(smiles: list[str | None], most_characters: int = 2000) -> Molecules:
    """Numbers of many molecules. Salts and solvents are cut off: the largest part is the drug."""
    from rdkit import Chem, RDLogger
    from rdkit.Chem import rdFingerprintGenerator
    from rdkit.Chem.MolStandardize import rdMolStandardize

    RDLogger.DisableLog("rdApp.*")
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS, includeChirality=False)
    largest = rdMolStandardize.LargestFragmentChooser(preferOrganic=True)
    counts = np.zeros((len(smiles), COUNTS), dtype=np.uint8)
    descriptors = np.full((len(smiles), len(DESCRIPTORS)), np.nan, dtype=np.float32)
    substances, problems = [], {}
    for i, text in enumerate(smiles):
        molecule, problem = parse(text, most_characters)
        if molecule is None:
            problems[i] = problem
            substances.append("")
            continue
        molecule = largest.choose(molecule)
        counts[i, :BITS] = np.minimum(generator.GetCountFingerprintAsNumPy(molecule), MOST_COUNT)
        counts[i, BITS:] = structural(molecule)
        descriptors[i] = describe(molecule)
        substances.append(Chem.MolToSmiles(molecule))
    return Molecules(counts, descriptors, tuple(substances), problems)


def describe(molecule: Any) -> np.ndarray:
    """(20,) float32: `DESCRIPTORS` of a molecule, NaN where RDKit cannot tell."""
    from rdkit import Chem
    from rdkit.Chem import QED, Descriptors

    table = dict(Descriptors.descList) | {"qed": QED.qed, "formal charge": Chem.GetFormalCharge}
    values = []
    for name in DESCRIPTORS:
        try:
            value = float(table[name](molecule))
        except (ValueError, RuntimeError, ZeroDivisionError):
            value = np.nan
        values.append(value if np.isfinite(value) else np.nan)
    return np.array(values, dtype=np.float32)


def draw(smiles: str, **options: Any) -> str:
    """An SVG of the structure; `options` are those of `engine.tables.drawing.svg`. Raises Refusal for what is no
    molecule."""
    from engine.tables.drawing import svg

    molecule, problem = parse(smiles)
    if molecule is None:
        raise Refusal(f"smiles_{problem}", row=1)
    return svg(molecule, **options)


def atom_bits(smiles: str) -> list[list[tuple[int, int]]]:
    """By fingerprint bit (2048): the (atom, radius) fragments of this molecule that set it. Turns the attribution of a
    bit into atoms."""
    from rdkit.Chem import rdFingerprintGenerator

    molecule, problem = parse(smiles)
    if molecule is None:
        raise Refusal(f"smiles_{problem}", row=1)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS, includeChirality=False)
    kept = rdFingerprintGenerator.AdditionalOutput()
    kept.AllocateBitInfoMap()
    generator.GetCountFingerprint(molecule, additionalOutput=kept)
    found: list[list[tuple[int, int]]] = [[] for _ in range(BITS)]
    for bit, places in kept.GetBitInfoMap().items():
        found[bit] = [(int(a), int(r)) for a, r in places]
    return found


def fragments(smiles: str) -> list[list[list[int]]]:
    """By fingerprint bit (2048): the atoms of each place where its fragment stands in this molecule."""
    molecule, problem = parse(smiles)
    if molecule is None:
        raise Refusal(f"smiles_{problem}", row=1)
    return [[_within(molecule, atom, radius) for atom, radius in places] for places in atom_bits(smiles)]


def _within(molecule: Any, atom: int, radius: int) -> list[int]:
    """The atoms at most `radius` bonds away, the atom itself first."""
    found = [atom]
    ring = [atom]
    for _ in range(radius):
        ring = sorted({n.GetIdx() for a in ring for n in molecule.GetAtomWithIdx(a).GetNeighbors()} - set(found))
        found += ring
    return found
