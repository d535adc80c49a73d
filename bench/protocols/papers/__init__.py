"""Protocols of published work: one module per paper, with the values of its protocol and the source of each.

To add one, write its module, and add it to `PAPERS` in `bench.protocols.presets`."""
