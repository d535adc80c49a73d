"""What a person with some minutes on a GPU runs: `python -m tests.device --out FOLDER` (`tox -e cuda`)."""
