"""What others did, as they did it: a module a paper, with the values of its protocol and the source of each.

To add one: its module, and its place in `PAPERS` of `bench.protocols.presets`."""
