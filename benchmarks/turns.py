"""Measures how turns pass: voice to voice, interruptions, and what counts as heard."""

from shared.launch import run

run("turns")
