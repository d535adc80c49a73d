"""The authors' own TensorFlow checkpoints, read without TensorFlow."""
