"""What does a call cost on each front?"""
