"""What does each setting of the turn-taking cost, and what does it save?"""
