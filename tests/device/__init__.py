"""The script for someone with a few minutes on a GPU: `python -m tests.device --out FOLDER` (`tox -e cuda`)."""
