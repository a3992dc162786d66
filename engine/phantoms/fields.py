"""Random fields that belong to the patient: made on a fixed grid in table mm, sampled wherever a scan wants them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

# The space that fields fill, in table mm (x, y, z): any patient and any field of view lies inside.
LOW_MM = (-215.0, -215.0, -150.0)
HIGH_MM = (215.0, 215.0, 260.0)


@dataclass(frozen=True)
class Field:
    """Zero mean, unit variance; `values` (z, y, x) every `step_mm`, from LOW_MM on."""

    values: np.ndarray
    step_mm: float

    def on(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Linear samples (len(z), len(y), len(x)) at the crossings of three axes in mm; edges are continued."""
        wx, wy, wz = (self._weights(axis, k) for k, axis in enumerate((x, y, z)))
        planes = np.tensordot(wz, self.values, 1)
        return wy @ planes @ wx.T

    def at(self, points: np.ndarray) -> np.ndarray:
        """Samples at (n, 3) points (x, y, z) in mm."""
        index = (np.asarray(points) - LOW_MM) / self.step_mm
        return ndimage.map_coordinates(self.values, index[:, ::-1].T, order=1, mode="nearest")

    def _weights(self, axis: np.ndarray, k: int) -> np.ndarray:
        count = self.values.shape[2 - k]
        place = np.clip((np.asarray(axis, dtype=float) - LOW_MM[k]) / self.step_mm, 0, count - 1)
        below = np.minimum(place.astype(int), count - 2)
        part = place - below
        weights = np.zeros((len(place), count), np.float32)
        rows = np.arange(len(place))
        weights[rows, below] = 1 - part
        weights[rows, below + 1] = part
        return weights


def random_field(rng: np.random.Generator, scale_mm: float, exponent: float, step_mm: float) -> Field:
    """Gaussian field with power 1 / (1/scale^2 + f^2)^(exponent / 2): flat above `scale_mm`, falling below it.

    An exponent of 5.5 gives smooth outlines; 2.6 to 3.4 gives texture (rough outlines look hairy).
    """
    shape = [fft.next_fast_len(round((high - low) / step_mm) + 1) for low, high in zip(LOW_MM, HIGH_MM, strict=True)][
        ::-1
    ]
    axes = [fft.fftfreq(n, step_mm) for n in shape[:2]] + [fft.rfftfreq(shape[2], step_mm)]
    f2 = sum(f.astype(np.float32) ** 2 for f in np.meshgrid(*axes, indexing="ij", sparse=True))
    spectrum = fft.rfftn(rng.standard_normal(shape, dtype=np.float32))
    spectrum *= (f2 + np.float32(scale_mm**-2.0)) ** np.float32(-exponent / 4)
    values = fft.irfftn(spectrum, shape)
    return Field((values - values.mean()) / values.std(), step_mm)
