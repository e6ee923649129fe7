"""The OpenAI Realtime API (the GA names) in front of the same calls.

`front` opens the WebSocket, `caller` is the call's end of the line on it, `dialogue` turns events
into what the core knows and back. No turn is decided here.
"""
