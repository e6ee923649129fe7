"""Measures what callers hear while the services are killed, paused and reset."""

from shared.launch import run

run("faults")
