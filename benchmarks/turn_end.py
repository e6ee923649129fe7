"""Where turns end in recorded speech, and what an opinion on that costs."""

from shared.launch import run

run("turn_end")
