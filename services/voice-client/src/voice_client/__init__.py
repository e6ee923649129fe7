"""The terminal client of the voice gateway."""
