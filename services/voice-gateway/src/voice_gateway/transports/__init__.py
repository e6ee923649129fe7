"""Contains the fronts, which translate their wires to the values of `messages` and back."""
