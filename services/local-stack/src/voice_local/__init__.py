"""The local stack: Riva's and OpenAI's APIs over small models on the CPU."""
