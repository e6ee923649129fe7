"""The fronts: each translates its wire to the values of `ports` and back."""
