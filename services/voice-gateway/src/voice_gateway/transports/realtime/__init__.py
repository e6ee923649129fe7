"""Serves the OpenAI Realtime API (with the GA names) in front of the same calls.

`front` opens the WebSocket, and `caller` is the call's end of it. `inbound` translates client
events to messages, `outbound` messages to server events. No turn is decided here.
"""
