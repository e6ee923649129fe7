"""Where what was said in calls is kept: in each pod, or in a Redis that every pod reaches."""

from typing import Any

import pytest
import yaml
from rendered_charts import Helm, Manifests
from voice_chart import CHART, NAME, containers
from voice_gateway.settings import read_settings

PEERS = [{"podSelector": {"matchLabels": {"app": "redis"}}}]


def redis(**values: Any) -> dict[str, Any]:
    return {"callState": {"redis": values}}


def rules_out(made: Manifests) -> list[dict[str, Any]]:
    return made.one("NetworkPolicy", NAME)["spec"]["egress"]


def ports_out(made: Manifests) -> list[set[int]]:
    return [{port["port"] for port in rule["ports"]} for rule in rules_out(made)]


def test_each_pod_keeps_its_own_by_default(helm: Helm) -> None:
    made = helm.template(CHART)
    assert "CALL_STATE_URL" not in yaml.safe_dump_all(made)
    assert ports_out(made) == [{53}, {8000, 50051}]


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("redis://redis:6379/0", 6379),
        ("redis://redis", 6379),
        ("rediss://redis.example.org:6380/2", 6380),
    ],
)
def test_an_address_is_a_setting_and_a_port_out(
    helm: Helm, monkeypatch: pytest.MonkeyPatch, url: str, port: int
) -> None:
    made = helm.template(CHART, redis(url=url))
    given = made.one("ConfigMap", NAME)["data"]["CALL_STATE_URL"]
    monkeypatch.setenv("CALL_STATE_URL", given)
    assert read_settings().call_state_url.get_secret_value() == url
    assert ports_out(made)[-1] == {port}


def test_an_address_with_a_password_comes_from_a_secret(helm: Helm) -> None:
    made = helm.template(CHART, redis(existingSecret="redis", key="url", port=7000, peers=PEERS))
    (variable,) = containers(made.one("Deployment"))[0]["env"]
    assert variable == {
        "name": "CALL_STATE_URL",
        "valueFrom": {"secretKeyRef": {"name": "redis", "key": "url"}},
    }
    assert rules_out(made)[-1] == {"ports": [{"port": 7000, "protocol": "TCP"}], "to": PEERS}


def test_the_secrets_of_the_other_settings_do_as_well(helm: Helm) -> None:
    url = "redis://:secret@redis:6390/0"
    made = helm.template(CHART, {"secrets": {"CALL_STATE_URL": url}})
    assert ports_out(made)[-1] == {6390}
    keys = {"secretKeys": {"CALL_STATE_URL": {"name": "redis", "key": "url"}}}
    assert ports_out(helm.template(CHART, keys))[-1] == {6379}


def test_it_is_reached_beside_the_local_stack(helm: Helm) -> None:
    made = helm.template(CHART, {"localStack": {"enabled": True}, **redis(url="redis://redis")})
    assert "to" not in rules_out(made)[-1]
    assert ports_out(made)[-1] == {6379}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (redis(url="redis"), ("callState.redis.url", '"redis"', "redis://HOST:PORT/DATABASE")),
        (redis(url="redis://redis/one"), ("callState.redis.url", "such as redis://redis:6379/0")),
        (redis(url="redis://:secret@redis"), ("a password", "callState.redis.existingSecret")),
        (
            redis(url="redis://redis", existingSecret="redis"),
            ("callState.redis.url and callState.redis.existingSecret", "keep one of them"),
        ),
        (
            {"secrets": {"CALL_STATE_URL": "redis://x"}, **redis(url="redis://redis")},
            ("callState.redis.url and secrets.CALL_STATE_URL", "keep one of them"),
        ),
        (redis(peers=PEERS), ("there is no Redis", "callState.redis.url")),
        (redis(port=0), ("/callState/redis/port",)),
        (redis(host="redis"), ("/callState/redis", "'url'", "'existingSecret'")),
    ],
)
def test_what_is_wrong_is_said(helm: Helm, values: dict[str, Any], words: tuple[str, ...]) -> None:
    said = helm.refusal(CHART, values)
    for word in words:
        assert word in said
    assert "secret@" not in said
