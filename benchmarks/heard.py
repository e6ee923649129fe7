"""What the gateway takes for heard when a reply is interrupted, beside what was."""

from shared.launch import run

run("heard")
