"""Does anything break of messages that no client should send?"""
