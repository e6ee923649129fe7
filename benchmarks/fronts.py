"""Measures what a call costs on each front."""

from shared.launch import run

run("fronts")
