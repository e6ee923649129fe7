"""The fronts: each translates its wire to the values of `messages` and back."""
