"""GPU kernels in Triton. Every sum is taken in a fixed order."""
