"""Where the proposer looks in real scans, without a click: `python benchmarks/finder_real.py --out PICTURE`.

Scans of patients that it was not trained on. Nobody read them for this purpose, so nothing is scored in them as they
are but the brain MR, which comes with a lesion mask: its outline is drawn and the distances are printed. The picture
is for eyes: one row a scan, the four best places. With `--painted N`, N findings are painted into each scan, one at a
time, by the training's painter with seeds of their own, and how often each is found is printed with exact binomial
95 % intervals. A painted finding is not a lesion: that figure says how the machinery fares on real noise and anatomy.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nrrd
import numpy as np
import torch
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.finder import interval
from benchmarks.real_data import folder
from engine.encoders.body import body_and_lung
from engine.encoders.dense import not_background
from engine.encoders.finder import APART_MM, propose, refine
from engine.encoders.proposer import GRID_MM, to_grid
from engine.intake import take_in
from engine.nouns import Case, Geometry, Place, Volume
from engine.training.painted import Finding, paint, paint_soft
from engine.training.real_scans import softness

SCANS = {
    "brain MR, lesion outlined": "brain_mr_lesion_image.nrrd",
    "chest CT angiogram": "chest_ct_contrast_crop.nii.gz",
    "head CT": "head_ct_tilted_gantry_dicom.zip",
}
LESION = "brain_mr_lesion_label.nrrd"
BEST = 4
SIDE = 240  # pixels of one picture
LEAST_CELLS = 400  # of lung or body: with fewer, nothing is painted there
BOX_MM = 12.0  # half the side of a drawn box
LUNG_AND_MORE = (-1000.0, 400.0)  # HU drawn from black to white


def scans(where: Path, kept: Path) -> Iterator[tuple[str, str, Case, Volume]]:
    """Through the product's own door; the largest case of a file where it holds several series."""
    for title, name in SCANS.items():
        taken = take_in(where / name, kept / name, key=bytes(32), top_is_case=True)
        case = max(taken.cases, key=lambda c: np.prod(c.shape))
        voxels = np.load(kept / name / case.id / "voxels.npy", mmap_mode="r", allow_pickle=False)
        yield title, name, case, Volume(voxels, case.geometry, case.is_hu)


def drawn(volume: Volume, place: Place, lesion: np.ndarray | None) -> Image.Image:
    """The slice of a place, the place as a box, the lesion's voxels tinted."""
    depth, row, column = (round(float(v)) for v in volume.geometry.to_voxel(np.array(place.centre_mm)))
    depth = min(max(depth, 0), len(volume.voxels) - 1)
    low, high = LUNG_AND_MORE if volume.is_hu else np.percentile(volume.voxels, (1, 99.5))
    grey = (np.clip((volume.voxels[depth] - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    colour = np.repeat(grey[..., None], 3, 2)
    if lesion is not None:
        colour[lesion[depth]] = colour[lesion[depth]] // 2 + np.array([0, 110, 90], np.uint8)
    picture, (_, high_mm, wide_mm) = Image.fromarray(colour), volume.geometry.spacing_mm
    half = (BOX_MM / wide_mm, BOX_MM / high_mm)
    box = (column - half[0], row - half[1], column + half[0], row + half[1])
    ImageDraw.Draw(picture).rectangle(box, outline=(255, 190, 60), width=max(1, len(grey) // 128))
    longest = max(grey.shape[0] * high_mm, grey.shape[1] * wide_mm)
    size = (round(SIDE * grey.shape[1] * wide_mm / longest), round(SIDE * grey.shape[0] * high_mm / longest))
    framed = Image.new("RGB", (SIDE, SIDE))
    framed.paste(picture.resize(size, Image.Resampling.LANCZOS), ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return framed


def lesion_of(where: Path, name: str, volume: Volume) -> np.ndarray | None:
    """The mask in the volume's own grid; it is stored in the image's axes, the second one flipped by the reading."""
    if name != SCANS["brain MR, lesion outlined"]:
        return None
    mask = nrrd.read(str(where / LESION))[0].transpose(2, 1, 0) > 0
    inside = [float(volume.voxels[m].mean()) for m in (mask, mask[:, ::-1])]
    return mask if inside[0] >= inside[1] else mask[:, ::-1]  # the lesion takes up contrast: it is the brighter half


def painted(title: str, volume: Volume, count: int) -> None:
    """How often a painted finding is found, in the lungs where there are some and outside them."""
    grid = to_grid(volume)
    body, lung = body_and_lung(grid.hu)
    if not volume.is_hu:
        body, lung = not_background(grid.hu), np.zeros_like(lung)
    soft = softness(volume)
    for where, cells in (("in the lung", lung), ("outside the lung", body & ~lung)):
        if cells.sum() < LEAST_CELLS:
            continue
        away = []
        for seed in range(10 * count):
            rng, hu = np.random.default_rng([seed, 80]), grid.hu.numpy().copy()
            if where == "in the lung":
                finding = paint(hu, cells, rng, [], soft)
            else:
                finding = paint_soft(hu, cells, rng, [], soft, not volume.is_hu)
            if finding:
                away.append(_distances(hu, volume.is_hu, finding))
            if len(away) == count:
                break
        first, five = (np.mean([min(row[:n], default=np.inf) <= APART_MM for row in away]) for n in (1, 5))
        print(
            f"{title}, painted {where} (n={len(away)}): first guess {interval(first, len(away))}, "
            f"one of five {interval(five, len(away))}",
            flush=True,
        )


def _distances(hu: np.ndarray, is_hu: bool, finding: Finding) -> list[float]:
    """mm from a painted finding to the five best places, best first."""
    geometry = Geometry(spacing_mm=GRID_MM)
    found = refine([]).find(propose(Volume(np.round(hu).astype(np.int16), geometry, is_hu)), 5)
    centre = geometry.to_mm(np.array(finding.centre))
    return [float(np.linalg.norm(centre - np.array(p.centre_mm))) for p in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="the picture, JPEG or PNG")
    parser.add_argument("--painted", type=int, default=0, help="findings painted into each scan, one at a time")
    args = parser.parse_args()
    torch.set_num_threads(1)
    where, sheet = folder("cases"), Image.new("RGB", (SIDE * BEST, SIDE * len(SCANS)))
    with tempfile.TemporaryDirectory() as kept:
        for line, (title, name, case, volume) in enumerate(scans(where, Path(kept))):
            lesion, found = lesion_of(where, name, volume), refine([]).find(propose(volume), 5)
            told = f"{title}, {case.shape}: scores {', '.join(f'{p.score or 0:.2f}' for p in found)}"
            if lesion is not None:
                inside = volume.geometry.to_mm(np.argwhere(lesion))
                away = [np.linalg.norm(inside - np.array(p.centre_mm), axis=1).min() for p in found]
                told += f"; mm from the lesion: {', '.join(f'{mm:.0f}' for mm in away)}"
            print(told, flush=True)
            if args.painted:
                painted(title, volume, args.painted)
            for column, place in enumerate(found[:BEST]):
                sheet.paste(drawn(volume, place, lesion), (SIDE * column, SIDE * line))
    if args.out:
        sheet.save(args.out, quality=80)


if __name__ == "__main__":
    main()
