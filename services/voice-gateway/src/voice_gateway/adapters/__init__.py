"""The upstreams: each adapter implements a port and translates foreign errors into ours."""
