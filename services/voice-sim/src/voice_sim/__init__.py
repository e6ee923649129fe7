"""Random whole calls on a virtual clock, each determined by its seed, and what must hold in all."""
