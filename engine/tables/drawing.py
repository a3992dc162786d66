"""A molecule's structure as SVG, from RDKit's own 2D coordinates.

RDKit's drawing module needs X libraries (libXrender) that a bare Debian or a slim container lacks; its coordinates do
not. Ink in one colour: on the page colour means class, and here the weight of an atom. Runs in the child.
"""

from __future__ import annotations

from typing import Any

import numpy as np

BOND_PX = 34.0  # at most; a large molecule is drawn smaller
MARGIN_PX = 22.0
FONT = 0.42  # of a bond's length
GAP = 0.11  # between the lines of a double bond, of its length
LABEL_ROOM = 0.27  # of a bond's length that stays free beside an atom's letters
HALO = 0.36  # radius round a weighted atom, of a bond's length
FAINTEST = 0.05
FOR, AGAINST = "#e69f00", "#0072b2"  # Okabe & Ito's orange and blue, told apart by colour-blind readers
INK, INK_DARK = "#1b1b1f", "#e8e8ec"


def svg(
    molecule: Any, weights: list[float] | None = None, width: int = 320, height: int = 240, dark: bool = False
) -> str:
    """The drawing. `weights` (atoms,) in -1..1: above zero an orange halo, below a blue one; stronger means larger."""
    from rdkit import Chem
    from rdkit.Chem import rdDepictor

    molecule = Chem.Mol(molecule)
    Chem.Kekulize(molecule, clearAromaticFlags=True)
    rdDepictor.Compute2DCoords(molecule)
    Chem.WedgeMolBonds(molecule, molecule.GetConformer())
    points, bond = _placed(molecule, width, height)
    labels = [_label(atom, points) for atom in molecule.GetAtoms()]
    parts = [_halo(points[i], weight, bond) for i, weight in enumerate((weights or [])[: len(points)])]
    parts += [_bond(each, points, labels, bond, _ring_centres(molecule, points)) for each in molecule.GetBonds()]
    parts += [_text(points[i], label, bond) for i, label in enumerate(labels) if label]
    ink = INK_DARK if dark else INK
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img"><g stroke="{ink}" fill="{ink}" stroke-width="{max(bond * 0.045, 0.8):.2f}" '
        f'stroke-linecap="round" font-family="sans-serif" font-size="{bond * FONT:.1f}">{"".join(parts)}</g></svg>'
    )


def _placed(molecule: Any, width: int, height: int) -> tuple[np.ndarray, float]:
    """(atoms, 2) pixels, and a bond's length in them."""
    points = molecule.GetConformer().GetPositions()[:, :2] * (1, -1)  # SVG's y grows downwards
    lengths = [np.linalg.norm(points[b.GetBeginAtomIdx()] - points[b.GetEndAtomIdx()]) for b in molecule.GetBonds()]
    bond = float(np.median(lengths)) if lengths else 1.5
    low, high = points.min(axis=0), points.max(axis=0)
    room = (np.array([width, height]) - 2 * MARGIN_PX) / np.maximum(high - low, 1e-6)
    scale = min(BOND_PX / bond, *room)
    return (points - (low + high) / 2) * scale + np.array([width, height]) / 2, bond * scale


def _label(atom: Any, points: np.ndarray) -> tuple[str, str, str, bool] | None:
    """(symbol, hydrogens, charge, whether hydrogens stand on the left), or None for a plain carbon in a chain."""
    charge = atom.GetFormalCharge()
    if atom.GetSymbol() == "C" and not charge and not atom.GetIsotope() and atom.GetDegree() > 0:
        return None
    count = atom.GetTotalNumHs()
    hydrogens = "" if not count else "H" if count == 1 else f"H{count}"
    sign = (
        ""
        if not charge
        else ("+" if charge > 0 else "−")
        if abs(charge) == 1
        else f"{abs(charge)}{'+' if charge > 0 else '−'}"
    )
    around = [points[n.GetIdx()][0] - points[atom.GetIdx()][0] for n in atom.GetNeighbors()]
    isotope = str(atom.GetIsotope()) if atom.GetIsotope() else ""
    return isotope + atom.GetSymbol(), hydrogens, sign, bool(around) and float(np.mean(around)) > 1e-3


def _text(point: np.ndarray, label: tuple[str, str, str, bool], bond: float) -> str:
    symbol, hydrogens, charge, left = label
    small = f'font-size="{bond * FONT * 0.7:.1f}"'
    digits = f'<tspan {small} dy="{bond * 0.1:.1f}">{hydrogens[1:]}</tspan>' if hydrogens[1:] else ""
    back = f'<tspan dy="-{bond * 0.1:.1f}">\u200b</tspan>' if digits else ""
    with_h = f"H{digits}{back}" if hydrogens else ""
    top = f'<tspan {small} dy="-{bond * 0.14:.1f}">{charge}</tspan>' if charge else ""
    words = with_h + symbol + top if left else symbol + with_h + top
    half = bond * FONT * 0.36  # half a capital's width: the atom's own letter stays on its place
    anchor, x = ("end", point[0] + half) if left else ("start", point[0] - half)
    return (
        f'<text x="{x:.1f}" y="{point[1] + bond * FONT * 0.36:.1f}" text-anchor="{anchor}" stroke="none">{words}</text>'
    )


def _halo(point: np.ndarray, weight: float, bond: float) -> str:
    strength = min(abs(weight), 1.0)
    if not strength > FAINTEST:
        return ""
    colour = FOR if weight > 0 else AGAINST
    return (
        f'<circle cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="{bond * HALO:.1f}" fill="{colour}" '
        f'fill-opacity="{strength:.2f}" stroke="none"/>'
    )


def _ring_centres(molecule: Any, points: np.ndarray) -> list[tuple[set[int], np.ndarray]]:
    return [(set(ring), points[list(ring)].mean(axis=0)) for ring in molecule.GetRingInfo().AtomRings()]


def _bond(each: Any, points: np.ndarray, labels: list, bond: float, rings: list[tuple[set[int], np.ndarray]]) -> str:
    """The lines of one bond; a wedge where it points towards or away from the reader."""
    first, second = each.GetBeginAtomIdx(), each.GetEndAtomIdx()
    a, b = points[first], points[second]
    along = (b - a) / max(float(np.linalg.norm(b - a)), 1e-6)
    a, b = a + along * bond * LABEL_ROOM * bool(labels[first]), b - along * bond * LABEL_ROOM * bool(labels[second])
    aside = np.array([-along[1], along[0]]) * bond * GAP
    order = each.GetBondTypeAsDouble()
    kind = str(each.GetBondDir())
    if kind == "BEGINWEDGE":
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in (a, b + aside, b - aside))
        return f'<polygon points="{corners}" stroke="none"/>'
    if kind == "BEGINDASH":
        steps = np.linspace(0.1, 1, 6)
        return "".join(_line(a + (b - a) * t - aside * t, a + (b - a) * t + aside * t) for t in steps)
    if order == 3:
        return _line(a, b) + _line(a + aside, b + aside) + _line(a - aside, b - aside)
    if order != 2:
        return _line(a, b)
    inside = next((centre for ring, centre in rings if first in ring and second in ring), None)
    if inside is None:
        return _line(a + aside / 2, b + aside / 2) + _line(a - aside / 2, b - aside / 2)
    aside = aside if np.dot(aside, inside - (a + b) / 2) > 0 else -aside
    short = (b - a) * 0.12
    return _line(a, b) + _line(a + aside + short, b + aside - short)


def _line(a: np.ndarray, b: np.ndarray) -> str:
    return f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}"/>'
