"""Do the calls that are admitted keep their latency while many more want to call?"""
