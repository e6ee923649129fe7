"""Is the gateway's own voice ever taken for the caller's, and the caller's for its?"""
