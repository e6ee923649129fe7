"""Measures what the gateway takes for heard of an interrupted reply, beside what was heard."""

from shared.launch import run

run("heard")
