"""What does the gateway take for heard when a reply is interrupted, and what was?"""
