"""Measures on loudspeakers whether an echo is taken for the caller, or the caller for an echo."""

from shared.launch import run

run("echo")
