"""Asks how often callers who think while they speak are cut off, against how long others wait."""

from shared.launch import run

run("cut_offs")
