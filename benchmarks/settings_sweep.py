"""Measures what each setting of the turn-taking costs in latency, and saves in false starts."""

from shared.launch import run

run("settings_sweep")
