"""Measures what callers notice while gateways are cut off, replaced and killed."""

from shared.launch import run

run("rolling")
