"""Sound as bytes: samples, seconds, rates. Pure."""
