"""What must hold in every call.

A call has three seams, and the rules stand along them: whatever comes in reaches the conversation
(`intake`); what the conversation makes of its events (`reply_order`, `caller_words`,
`program_requests`, `silence`); and what it decided goes out, and nothing else (`outcome`,
`messages_sent`, `speech`). How a call ends is in `call_end`.
"""
