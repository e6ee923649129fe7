"""How do turns pass: voice to voice, interruptions, and what counts as heard?"""
