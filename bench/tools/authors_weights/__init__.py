"""Reads the authors' TensorFlow checkpoints without TensorFlow."""
