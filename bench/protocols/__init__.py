"""What to run: benchmarks, settings, presets with their sources, experiments. No torch."""
