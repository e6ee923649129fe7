"""Measures what the gateway adds to a turn, and what a call costs it."""

from shared.launch import run

run("latency")
