"""What is asked: benchmarks, settings, presets with their sources, experiments. No torch."""
