"""What a molecule is made of, as 329 counts beside its circular fragments: rings, bonds, groups, surface by polarity.

Circular fragments are exact, so two molecules of one kind share few of them; these counts are coarse and shared. They
lift what is learned from ten molecules of an assay where the others are unlike all seen before (docs/molecules.md).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

# MACCS keys (Durant et al. 2002, 166 and an unused first), molecular quantum numbers (Nguyen et al. 2009, 42),
# surface areas by partial charge, refractivity and log P (Labute 2000; 14, 10 and 12), RDKit's functional groups (85).
MACCS, QUANTUM, AREAS, GROUPS = 167, 42, 36, 85
STRUCTURAL = MACCS + QUANTUM + AREAS + GROUPS - 1  # the unused first of MACCS is left out
MOST = 255


@lru_cache(maxsize=1)
def _groups() -> tuple:
    """RDKit's 85 counts of functional groups, by name, so that their order never changes."""
    from rdkit.Chem import Descriptors

    return tuple(count for name, count in sorted(Descriptors.descList) if name.startswith("fr_"))


def structural(molecule: Any) -> np.ndarray:
    """(329,) uint8; areas are rounded to whole square angstroms, everything ends at 255."""
    from rdkit.Chem import rdMolDescriptors as rd

    parts = [
        np.frombuffer(rd.GetMACCSKeysFingerprint(molecule).ToBitString().encode(), np.uint8)[1:] - ord("0"),
        rd.MQNs_(molecule),
        rd.PEOE_VSA_(molecule) + rd.SMR_VSA_(molecule) + rd.SlogP_VSA_(molecule),
        [count(molecule) for count in _groups()],
    ]
    values = np.nan_to_num(np.concatenate([np.asarray(part, dtype=float) for part in parts]))
    return np.clip(np.rint(values), 0, MOST).astype(np.uint8)
