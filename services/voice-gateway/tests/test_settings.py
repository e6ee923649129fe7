"""The settings: what stops the start, what the docs say, what nobody else reads."""

import re
from pathlib import Path
from typing import Any, cast

import pytest
import voice_gateway
from pydantic import ValidationError
from voice_gateway.settings import BadSetting, Settings, read_settings
from voice_gateway.settings_table import table

DOCS = Path(__file__).parents[3] / "docs" / "settings.md"
SOURCES = Path(voice_gateway.__file__).parent


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env` of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)


def test_the_defaults_are_the_documented_ports(monkeypatch: pytest.MonkeyPatch):
    settings = read_settings()
    assert settings.grpc_port == 50051
    assert settings.asr_uri() == settings.tts_uri() == "localhost:50052"
    assert settings.llm_base_url == "http://localhost:8000/v1"
    assert settings.llm_model == "meta/llama-3.1-8b-instruct"
    assert (settings.asr_language, settings.sample_rate) == ("en-US", 16_000)


def test_riva_services_may_stand_apart(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RIVA_URI", "riva:50051")
    monkeypatch.setenv("RIVA_TTS_URI", "tts:50051")
    settings = read_settings()
    assert (settings.asr_uri(), settings.tts_uri()) == ("riva:50051", "tts:50051")


@pytest.mark.parametrize(
    "uri",
    [
        "riva:50051",
        "[::1]:50051",
        "a:1,b:2",
        " a:1, b:2 ",
        "dns:///riva-api.speech.svc:50051",
        "dns:///a:1 b:2 [fe80::1]:3",
    ],
)
def test_riva_may_have_several_addresses(monkeypatch: pytest.MonkeyPatch, uri: str):
    monkeypatch.setenv("RIVA_URI", uri)
    assert read_settings().asr_uri() == uri


def test_the_chat_endpoint_may_be_several(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LLM_BASE_URL", "http://a:8000/v1, https://b/v1?x=1")
    assert read_settings().llm_base_url == "http://a:8000/v1, https://b/v1?x=1"


def test_the_old_name_of_the_chat_endpoint_is_understood(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LLM_SERVICE_URL", "http://nim:8000/v1")
    assert read_settings().llm_base_url == "http://nim:8000/v1"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("GRPC_PORT", "70000", "less than or equal to 65535"),
        ("GRPC_PORT", "many", "valid integer"),
        ("SAMPLE_RATE", "100", "greater than or equal to 8000"),
        ("ASR_STOP_HISTORY_MS", "100", "multiple of 80"),
        ("LLM_BASE_URL", "nim", "http:// or https://"),
        ("LLM_BASE_URL", "http://a/v1 b:80", "'b:80' is not an http:// or https:// URL"),
        ("RIVA_URI", "http://riva", "HOST:PORT, [IPV6]:PORT or dns:///NAME:PORT"),
        ("RIVA_URI", "a:1, b", "'b' is not HOST:PORT"),
        ("RIVA_URI", "a:1,http://b:2", "'http://b:2' is not HOST:PORT"),
        ("RIVA_ASR_URI", "a:1 b:99999", "'b:99999' is not HOST:PORT"),
        ("RIVA_TTS_URI", "dns:///riva", "'dns:///riva' is not HOST:PORT"),
        ("RIVA_TTS_URI", " , ", "is not HOST:PORT"),
        ("RIVA_TLS_CA", "/no/such.pem", "does not point to a file"),
        ("JWT_JWKS", "/no/such.json", "an https:// URL, a file that is there"),
        ("JWT_JWKS", "http://id.example.org/jwks", "an https:// URL, a file that is there"),
        ("API_KEYS_FILE", "/no/such.toml", "does not point to a file"),
        ("CALLER_MAY", "voice, everything", "'everything' is none of system_prompt, voice"),
        ("CALLER_MAY", "none voice", "allowed: some of them, or none"),
        ("LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
):
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting) as error:
        read_settings()
    text = str(error.value)
    assert text.startswith(f"{name} is '{value}'")
    assert allowed in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("API_KEYS", " , ", "it holds no key; allowed: keys with commas between them"),
        ("TOKEN_SECRET", "too-short", "allowed: at least 32 characters, or empty"),
    ],
)
def test_a_bad_secret_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
):
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting) as error:
        read_settings()
    assert str(error.value).startswith(f"{name} is (secret): ")
    assert allowed in str(error.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"TLS_CERT": __file__}, "TLS_CERT and TLS_KEY are set together, or neither is"),
        ({"TLS_KEY": __file__}, "TLS_CERT and TLS_KEY are set together, or neither is"),
        ({"TLS_CLIENT_CA": __file__}, "TLS_CLIENT_CA needs TLS_CERT and TLS_KEY"),
        ({"TLS_CLIENT_CRL": __file__}, "TLS_CLIENT_CRL needs TLS_CLIENT_CA"),
        ({"JWT_JWKS": __file__}, "JWT_JWKS needs JWT_ISSUER and JWT_AUDIENCE"),
        ({"GRPC_HOST": "0.0.0.0"}, "GRPC_HOST is '0.0.0.0', and nobody is asked for a key: "),
        ({"HTTP_HOST": "10.0.0.7"}, "HTTP_HOST is '10.0.0.7', and nobody is asked for a key: "),
        ({"HTTP_HOST": "::"}, "HTTP_HOST is '::', and nobody is asked for a key: "),
    ],
)
def test_settings_that_do_not_go_together_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting) as error:
        read_settings()
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "bound", "strangers"),
    [
        ({}, "127.0.0.1", False),
        ({"GRPC_HOST": "localhost", "HTTP_HOST": "::1"}, "127.0.0.1", False),
        ({"ALLOW_ANYONE": "true"}, "0.0.0.0", True),
        ({"ALLOW_ANYONE": "true", "GRPC_HOST": "0.0.0.0"}, "0.0.0.0", True),
        ({"API_KEYS": "k"}, "0.0.0.0", False),
        ({"API_KEYS": "k", "GRPC_HOST": "10.0.0.7"}, "0.0.0.0", False),
        (dict.fromkeys(("TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA"), __file__), "0.0.0.0", False),
        (dict.fromkeys(("TLS_CERT", "TLS_KEY"), __file__), "127.0.0.1", False),
    ],
)
def test_without_a_key_only_this_machine_is_served_unless_anyone_may(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], bound: str, strangers: bool
):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert (settings.bound_host(""), settings.serves_strangers()) == (bound, strangers)


def test_an_unknown_name_in_the_env_file_is_refused(tmp_path: Path):
    (tmp_path / ".env").write_text("GRPC_PROT=1\n")
    with pytest.raises(BadSetting, match=r"GRPC_PROT in \.env is no setting"):
        read_settings()


@pytest.mark.parametrize(
    ("former", "value", "heir", "taken"),
    [
        ("LLM_SYSTEM_PROMPT", "Be brief.", "system_prompt", "Be brief."),
        ("ASR_SAMPLE_RATE", "8000", "sample_rate", 8_000),
        ("TTS_SAMPLE_RATE", "24000", "sample_rate", 24_000),
        ("METRICS_PORT", "9100", "http_port", 9_100),
        ("SHUTDOWN_GRACE_PERIOD", "45", "drain_s", 45.0),
    ],
)
def test_names_of_the_first_version_are_understood(
    monkeypatch: pytest.MonkeyPatch, former: str, value: str, heir: str, taken: object
):
    monkeypatch.setenv(former, value)
    assert getattr(read_settings(), heir) == taken
    monkeypatch.setenv(former, "")
    assert getattr(read_settings(), heir) == Settings.model_fields[heir].default


def test_todays_name_wins_over_the_first_versions(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ASR_SAMPLE_RATE", "8000")
    monkeypatch.setenv("SAMPLE_RATE", "48000")
    assert read_settings().sample_rate == 48_000
    monkeypatch.setenv("METRICS_PORT", "many")
    with pytest.raises(BadSetting, match="HTTP_PORT is 'many'"):
        read_settings()


def test_a_former_name_in_the_env_file_is_refused_with_its_heir(tmp_path: Path):
    (tmp_path / ".env").write_text("LLM_SYSTEM_PROMPT=Hello\n")
    with pytest.raises(BadSetting, match="it is SYSTEM_PROMPT now; see docs"):
        read_settings()


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LLM_API_KEY", "sk-very-secret")
    assert "very-secret" not in repr(read_settings())


@pytest.mark.parametrize(
    "url",
    ["redis://redis", "redis://:secret@redis:6379/0", "rediss://u:secret@redis.example.org:1/"],
)
def test_redis_may_have_a_password_that_is_not_shown(monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.setenv("CALL_STATE_URL", url)
    settings = read_settings()
    assert settings.call_state_url.get_secret_value() == url
    assert "secret@" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "redis",
        "http://:secret@redis",
        "redis://:secret@",
        "redis://:secret@redis:port",
        "redis://:secret@redis:99999",
        "redis://:secret@redis/zero",
        "unix://:secret@/redis.sock",
    ],
)
def test_a_wrong_address_of_redis_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, url: str
):
    monkeypatch.setenv("CALL_STATE_URL", url)
    with pytest.raises(BadSetting) as error:
        read_settings()
    text = str(error.value)
    assert text.startswith("CALL_STATE_URL is (secret): ")
    assert "allowed: redis://HOST:PORT/DATABASE" in text
    assert "secret@" not in text
    assert "\n" not in text


def test_settings_cannot_be_changed_later():
    with pytest.raises(ValidationError, match="frozen"):
        cast(Any, read_settings()).grpc_port = 1


def test_the_docs_table_is_in_step():
    """Regenerate with `uv run python -m voice_gateway.settings_table > docs/settings.md`."""
    assert DOCS.read_text() == table()


def test_every_setting_is_read_by_somebody():
    """One that is declared and handed to nobody would be documented, and do nothing."""
    source = "\n".join(path.read_text() for path in SOURCES.rglob("*.py"))
    read = set(re.findall(r"(?:settings|self(?!\._settings))\.(\w+)", source))
    assert [name for name in Settings.model_fields if name not in read] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APOLOGY", "sorry " * 500),
        ("GRPC_PORT", "9" * 3_000),
        ("LLM_BASE_URL", "http://" + "a" * 3_000 + " ftp://user:word@b"),
        ("TURN_DETECTION", "loud" * 800),
    ],
)
def test_a_long_value_is_not_shown_whole(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting) as error:
        read_settings()
    said = str(error.value)
    assert said.startswith(f"{name} is '{value[:20]}")
    assert f"… ({len(value) + 2:,} characters): " in said or name == "LLM_BASE_URL"
    assert len(said) < 600
    assert "word" not in said
