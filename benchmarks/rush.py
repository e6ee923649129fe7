"""Measures what those who are admitted notice of a rush, and how quickly the others are told."""

from shared.launch import run

run("rush")
