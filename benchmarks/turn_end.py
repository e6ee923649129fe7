"""Measures where turns end in recorded speech, and what a prediction of that costs."""

from shared.launch import run

run("turn_end")
