"""What does the gateway add to a turn, and what does a call cost it?"""
