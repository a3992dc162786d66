"""The scanner: what a hospital's machine makes of a patient. Kernel, noise with the kernel's colour, beam hardening,
streaks at the shoulders, the round field of view; and the table the patient lies on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from engine.phantoms.grid import Grid

LOWEST_HU, HIGHEST_HU = -1024, 3071
WATER_PER_MM = 0.0195  # attenuation of water at about 70 keV


@dataclass(frozen=True)
class Scanner:
    """A hospital's protocol: field of view and slice thickness in mm, kernel, noise in HU (standard deviation in soft
    tissue), the value outside the field of view, which table, and which share of patients gets contrast medium."""

    fov: float
    thick: float
    kernel: str
    noise: float
    pad: int
    table: int
    contrast: float


SCANNERS = {
    "A": Scanner(fov=360, thick=5.0, kernel="soft", noise=11, pad=-2000, table=0, contrast=0.0),
    "B": Scanner(fov=340, thick=2.5, kernel="sharp", noise=26, pad=-1024, table=1, contrast=0.15),
    "C": Scanner(fov=400, thick=3.0, kernel="soft", noise=18, pad=-3024, table=2, contrast=0.8),
    "screening": Scanner(fov=350, thick=1.5, kernel="medium", noise=38, pad=-2000, table=1, contrast=0.0),
}
HOSPITALS = tuple(SCANNERS)


@dataclass(frozen=True)
class Kernel:
    """Blur (sigma, mm), boost of edges, and the frequency (1/mm) where noise is strongest."""

    blur_mm: float
    boost: float
    peak: float


KERNELS = {"soft": Kernel(0.75, 0.0, 0.20), "medium": Kernel(0.60, 0.15, 0.30), "sharp": Kernel(0.42, 0.65, 0.50)}

# Tables: (height under the back in mm, density 0..1) of each sheet, how curved, half width in mm.
TABLES = (
    (((0, 0.75), (20, 0.5)), 0.0011, 205),
    (((0, 0.6), (34, 0.6)), 0.0004, 215),
    (((4, 0.7), (11, 0.35)), 0.0011, 190),
)


def add_table(grid: Grid, scanner: Scanner, back_mm: float, front_mm: float, rng: np.random.Generator) -> None:
    """The table under the back, and sometimes a gown or blanket over the chest."""
    sheets, curve, half = TABLES[scanner.table]
    x, y = grid.x[None, :], grid.x[:, None]
    table = np.zeros((grid.size, grid.size), np.float32)
    for height, density in sheets:
        sheet = np.abs(y - back_mm - 4 - height + curve * x**2) - 1.0
        table = np.maximum(table, grid.cover(np.maximum(sheet, np.abs(x) - half + height * 1.5)) * density)
    free = (grid.hu < -500) & (grid.lung < 0.01) & (y > back_mm - 22)
    grid.hu += table * (-120 - grid.hu) * free
    has_gown, phase = rng.random() < 0.7, rng.uniform(0, 6)
    if has_gown:
        fold = np.abs(y - front_mm + 6 + 5 * np.sin(x / 31 + phase) - 0.002 * x**2) - 0.4
        grid.hu += grid.cover(fold) * 140 * (grid.hu < -950)


def scan(grid: Grid, scanner: Scanner, per_slice: int, rng: np.random.Generator) -> np.ndarray:
    """int16 HU (slices, rows, columns): `per_slice` levels of the grid make one slice."""
    size, kernel = grid.size, KERNELS[scanner.kernel]
    volume = grid.hu.reshape(-1, per_slice, size, size).mean(1)
    volume = _blur(volume, kernel, grid.pixel_mm)
    colour = _noise_colour(kernel, size, grid.pixel_mm)
    before = None
    for image in volume:
        attenuation = np.clip(image / 1000 + 1, 0, 3) * (WATER_PER_MM * grid.pixel_mm)
        along_x, along_y = attenuation.sum(1), attenuation.sum(0)
        noise = _coloured(rng, colour, size)
        if before is not None:  # neighbouring slices share a little noise
            noise = 0.92 * noise + 0.39 * before
        before = noise
        spread = 0.5 * np.sqrt(np.exp(along_x - 5.0)[:, None] + np.exp(along_y - 4.2)[None]) + 0.12
        spread = ndimage.gaussian_filter(spread, 6)
        body = image > -300
        spread *= scanner.noise / (spread[body].mean() if body.any() else spread.mean())
        streaks = _streaks(rng, along_x, grid)
        image += noise * spread + scanner.noise * 0.16 * streaks + _beam_hardening(image, grid.pixel_mm)
    volume = np.clip(volume, LOWEST_HU, HIGHEST_HU)
    outside = np.hypot(grid.x[None, :], grid.x[:, None]) > size * grid.pixel_mm / 2
    volume[:, outside] = scanner.pad
    return np.round(volume).astype(np.int16)


def _blur(volume: np.ndarray, kernel: Kernel, pixel_mm: float) -> np.ndarray:
    sigma = max(kernel.blur_mm / pixel_mm, 0.28)
    volume = ndimage.gaussian_filter(volume, (0, sigma, sigma))
    if kernel.boost:
        wide = max(1.0 / pixel_mm, 0.7)
        volume += kernel.boost * (volume - ndimage.gaussian_filter(volume, (0, wide, wide)))
    return volume


def _noise_colour(kernel: Kernel, size: int, pixel_mm: float) -> np.ndarray:
    """Amplitude of noise by frequency: the reconstruction's ramp times the kernel's roll-off (Kijewski and Judy 1987);
    white noise is the first thing a radiologist sees as fake."""
    f = np.hypot(fft.rfftfreq(size, pixel_mm)[None], fft.fftfreq(size, pixel_mm)[:, None])
    return np.sqrt((f + 0.004) * np.exp(-((f / (kernel.peak * 1.42)) ** 2))).astype(np.float32)


def _coloured(rng: np.random.Generator, colour: np.ndarray, size: int) -> np.ndarray:
    noise = fft.irfft2(fft.rfft2(rng.standard_normal((size, size), dtype=np.float32)) * colour, (size, size))
    return noise / noise.std()


def _streaks(rng: np.random.Generator, along_x: np.ndarray, grid: Grid) -> np.ndarray:
    """Streaks from side to side where few photons get through, as across the shoulders."""
    size = grid.size
    strength = np.pad(np.clip(np.exp((along_x - 5.6) * 0.8) - 0.5, 0, 4), size // 2)
    angles = np.radians((-14, -7, -3, 0, 3, 7, 14))
    lines = ndimage.gaussian_filter1d(rng.standard_normal((len(angles), 2 * size)), 0.8, axis=1) * 1.6 * strength
    if not strength.any():
        return np.float32(0)
    streaks = np.zeros((size, size), np.float32)
    for angle, line in zip(angles.tolist(), lines, strict=True):
        place = (grid.x[:, None] * np.cos(angle) + grid.x[None, :] * np.sin(angle)) / grid.pixel_mm + size
        streaks += np.interp(place, np.arange(2 * size), line)
    return streaks


def _beam_hardening(image: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Dark bands between bones that lie in one row."""
    bone = (np.clip(image - 250, 0, 900) * pixel_mm).sum(1) / 2.4e4
    return -26 * np.clip(ndimage.gaussian_filter1d(bone, 3) - 0.35, 0, 1)[:, None] * (image > -400)
