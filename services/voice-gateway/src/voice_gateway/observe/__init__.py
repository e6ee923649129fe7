"""Records and measures what the gateway does: event logs, metrics, and the upstreams' state."""
