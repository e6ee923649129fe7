"""Contains the rules that must hold in every call.

The rules follow a call's data: what comes in reaches the conversation (`intake`); the conversation
decides rightly (`reply_order`, `caller_words`, `dead_air`, `histories`, `program_requests`,
`silence`); and what it decided goes out, and nothing else (`outcome`, `messages_sent`, `speech`).
`call_end` has the rules on how a call ends.
"""
