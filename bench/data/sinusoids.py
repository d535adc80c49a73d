"""A family of functions from which episodes are drawn. Nothing is stored, so its digest is computed from its
definition."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np

Range = tuple[float, float]


@dataclass(frozen=True)
class Sinusoids:
    """y = amplitude * sin(x - phase), with both drawn uniformly (Finn et al. 2017, section 5.1; `data_generator.py` in
    the authors' code for the sign of the phase)."""

    amplitude: Range = (0.1, 5.0)
    phase: Range = (0.0, math.pi)
    inputs: Range = (-5.0, 5.0)

    name = "sinusoid"
    partial = False
    remarks = ()
    parameters = 2
    shape = (1,)  # of an input

    @property
    def known_as(self) -> str:
        """The definition."""
        low, high = self.amplitude
        first, last = self.inputs
        return f"y = a sin(x - p), a in [{low:g}, {high:g}], p in [0, pi], x in [{first:g}, {last:g}]"

    @property
    def digest(self) -> str:
        """SHA-256 of the definition and of every bound, to the last bit."""
        bounds = np.array([self.amplitude, self.phase, self.inputs], dtype="<f8")
        return hashlib.sha256(self.known_as.encode() + bounds.tobytes()).hexdigest()

    def values(self, parameters: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """float64 [..., points] at inputs [..., points], for the functions with parameters [..., 2]."""
        amplitude, phase = parameters[..., :1], parameters[..., 1:]
        return amplitude * np.sin(inputs - phase)


SINUSOIDS = Sinusoids()
