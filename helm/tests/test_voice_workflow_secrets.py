"""Where the gateway's secrets come from: values, a Secret of the user's, keys of others."""

import yaml
from rendered_charts import Helm
from voice_chart import CHART, NAME, containers


class TestSecrets:
    def test_none_without_one(self, helm: Helm) -> None:
        made = helm.template(CHART)
        assert not made.of("Secret")
        assert len(containers(made.one("Deployment"))[0]["envFrom"]) == 1

    def test_from_values(self, helm: Helm) -> None:
        made = helm.template(CHART, {"secrets": {"LLM_API_KEY": "abc"}})
        assert made.one("Secret")["data"] == {"LLM_API_KEY": "YWJj"}
        sources = containers(made.one("Deployment"))[0]["envFrom"]
        assert sources[1] == {"secretRef": {"name": NAME}}
        others = [one for one in made if one["kind"] != "Secret"]
        assert "abc" not in yaml.safe_dump_all(others).replace("sha256", "")

    def test_a_new_one_restarts_the_pods(self, helm: Helm) -> None:
        def checksum(key: str) -> str:
            made = helm.template(CHART, {"secrets": {"LLM_API_KEY": key}})
            return made.one("Deployment")["spec"]["template"]["metadata"]["annotations"][
                "checksum/secrets"
            ]

        assert checksum("a") != checksum("b")

    def test_of_the_users_own(self, helm: Helm) -> None:
        made = helm.template(CHART, {"existingSecret": "mine"})
        assert not made.of("Secret")
        sources = containers(made.one("Deployment"))[0]["envFrom"]
        assert sources[1] == {"secretRef": {"name": "mine"}}

    def test_one_key_of_another(self, helm: Helm) -> None:
        values = {"secretKeys": {"LLM_API_KEY": {"name": "ngc-api", "key": "NGC_API_KEY"}}}
        made = helm.template(CHART, values)
        (variable,) = containers(made.one("Deployment"))[0]["env"]
        assert variable == {
            "name": "LLM_API_KEY",
            "valueFrom": {"secretKeyRef": {"name": "ngc-api", "key": "NGC_API_KEY"}},
        }

    def test_keys_of_callers(self, helm: Helm) -> None:
        """As a whole folder, without subPath: only then does a change arrive in the pod."""
        values = {"apiKeys": {"secretName": "callers", "key": "keys.json"}}
        made = helm.template(CHART, {**values, "settings": {"ALLOW_ANYONE": False}})
        assert made.one("ConfigMap", NAME)["data"]["API_KEYS_FILE"] == "/etc/voice/keys/keys.json"
        pod = made.one("Deployment")["spec"]["template"]["spec"]
        (volume,) = [one for one in pod["volumes"] if one["name"] == "keys"]
        assert volume["secret"]["secretName"] == "callers"
        (mount,) = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "keys"]
        assert mount == {"name": "keys", "mountPath": "/etc/voice/keys", "readOnly": True}

    def test_a_key_for_the_test_of_the_release(self, helm: Helm) -> None:
        values = {"test": {"apiKey": {"secretName": "caller", "key": "k"}}}
        (caller,) = helm.template(CHART, values).one("Pod")["spec"]["containers"]
        (variable,) = caller["env"]
        assert variable["name"] == "VOICE_API_KEY"
        assert variable["valueFrom"]["secretKeyRef"] == {"name": "caller", "key": "k"}

    def test_authority_of_riva(self, helm: Helm) -> None:
        values = {"settings": {"RIVA_TLS": True}, "rivaCa": {"secretName": "ca", "key": "root.pem"}}
        made = helm.template(CHART, values)
        assert made.one("ConfigMap", NAME)["data"]["RIVA_TLS_CA"] == "/etc/voice/riva-ca/ca.crt"
        pod = made.one("Deployment")["spec"]["template"]["spec"]
        (volume,) = [one for one in pod["volumes"] if one["name"] == "riva-ca"]
        assert volume["secret"]["items"] == [{"key": "root.pem", "path": "ca.crt"}]
        assert "/etc/voice/riva-ca" in {
            one["mountPath"] for one in pod["containers"][0]["volumeMounts"]
        }
