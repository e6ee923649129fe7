"""The first version's names of settings, which its users' environments still have."""

from collections.abc import Mapping

HEIRS = {
    "LLM_SYSTEM_PROMPT": "SYSTEM_PROMPT",
    "ASR_SAMPLE_RATE": "SAMPLE_RATE",
    "TTS_SAMPLE_RATE": "SAMPLE_RATE",
    "METRICS_PORT": "HTTP_PORT",
    "SHUTDOWN_GRACE_PERIOD": "DRAIN_S",
}


def under_former_names(environment: Mapping[str, str]) -> dict[str, str]:
    """What stands in the environment under a former name alone, by the name of today's field."""
    names = {name.upper() for name, value in environment.items() if value}
    found: dict[str, str] = {}
    for former, heir in HEIRS.items():
        if environment.get(former) and heir not in names:
            found.setdefault(heir.lower(), environment[former])
    return found
