"""`uv run python src/main.py`: the same as `uv run voice-gateway`."""

from voice_gateway.__main__ import main

if __name__ == "__main__":
    main()
