"""Audio as bytes: samples, durations, sample rates and G.711. The package is pure."""
