"""What is built is what is installed, and what the nodes cannot have is said before."""

import pytest
from stand_in_cluster import KEY, Answer, Cluster, kubectl, only_line

PUSHED = "reg.example.org/voice/voice-gateway:9f1"
LOADED = "docker.io/library/voice-gateway:9f1 docker.io/library/voice-local-stack:9f1"


def installed(cluster: Cluster) -> str:
    return next(one for one in cluster.said() if "upgrade --install" in one)


def held(*names: str) -> Answer:
    return kubectl("get nodes .*status.images", " ".join(names))


# --- what was built last ---


def test_what_was_built_last_is_installed(cluster: Cluster) -> None:
    cluster.answers = [held(LOADED)]
    assert cluster.run("build_gateway", "--no-sbom", "--tag", "9f1").returncode == 0
    done = cluster.run("deploy_gateway")
    assert done.returncode == 0, done.stderr
    assert "image.repository=voice-gateway,image.tag=9f1" in installed(cluster)
    assert "image: voice-gateway:9f1, built last" in done.stdout


def test_a_registrys_port_is_no_tag(cluster: Cluster) -> None:
    cluster.built("voice-gateway", "reg.example.org:5000/voice/voice-gateway:9f1", "registry")
    assert cluster.run("deploy_gateway").returncode == 0
    wanted = "image.repository=reg.example.org:5000/voice/voice-gateway,image.tag=9f1"
    assert wanted in installed(cluster)


def test_both_images_of_a_laptop(cluster: Cluster) -> None:
    cluster.answers = [held(LOADED)]
    for name in ("voice-gateway", "voice-local-stack"):
        cluster.built(name, f"{name}:9f1")
    done = cluster.run("deploy_gateway", "--overlay", "laptop-cluster")
    assert done.returncode == 0, done.stderr
    wanted = "localStack.image.repository=voice-local-stack,localStack.image.tag=9f1"
    assert wanted in installed(cluster)


@pytest.mark.parametrize("by", ["values", "option"])
def test_an_image_that_somebody_names_stands(by: str, cluster: Cluster) -> None:
    cluster.built("voice-gateway", "voice-gateway:9f1")
    mine = cluster.folder / "mine.yaml"
    mine.write_text("image: {registry: reg.example.org, tag: '7'}\n")
    option = ("--values", str(mine)) if by == "values" else ("--image", "reg.example.org/x:7")
    assert cluster.run("deploy_gateway", *option).returncode == 0
    assert "9f1" not in installed(cluster)


def test_rivas_test_runs_in_what_was_built(cluster: Cluster) -> None:
    cluster.built("voice-gateway", PUSHED, "registry")
    done = cluster.run("deploy_riva", "--test", env={"NGC_API_KEY": KEY})
    assert done.returncode == 0, done.stderr
    assert f"test.image={PUSHED}" in installed(cluster)


def test_rivas_test_says_before_the_models_that_its_image_is_missing(cluster: Cluster) -> None:
    cluster.answers = [held("docker.io/library/pause:3.10")]
    done = cluster.run("deploy_riva", "--test", env={"NGC_API_KEY": KEY})
    assert done.returncode == 1
    assert "no node holds voice-gateway:0.1.0" in only_line(done)
    assert cluster.changes() == []


# --- what the nodes cannot have ---


def test_an_image_that_nobody_has(cluster: Cluster) -> None:
    cluster.answers = [held("docker.io/library/voice-gateway:0.0.9")]
    done = cluster.run("deploy_gateway")
    assert done.returncode == 1
    said = only_line(done)
    assert "no node holds voice-gateway:0.1.0, and its name leads to no registry" in said
    assert "scripts/build_gateway.sh --load" in said
    assert cluster.changes() == []
    assert cluster.run("deploy_gateway", "--no-image-check").returncode == 0


def test_a_node_that_holds_too_many_images_to_tell(cluster: Cluster) -> None:
    many = (f'["reg.example.org/x:{number}","reg.example.org/x@sha256:0"]' for number in range(50))
    cluster.answers = [held(*many)]
    done = cluster.run("deploy_gateway")
    assert done.returncode == 0, done.stderr
    assert "voice-gateway:0.1.0 must be in the nodes; they hold too many" in done.stdout


def test_a_node_that_lists_all_its_images(cluster: Cluster) -> None:
    few = (f'["reg.example.org/x:{number}","reg.example.org/x@sha256:0"]' for number in range(49))
    cluster.answers = [held(*few)]
    assert "no node holds voice-gateway:0.1.0" in only_line(cluster.run("deploy_gateway"))


def test_an_image_that_a_node_tells_of_a_little_later(cluster: Cluster) -> None:
    there = "docker.io/library/voice-gateway:0.1.0"
    cluster.answers = [kubectl("get nodes .*status.images", ["", "", there])]
    done = cluster.run("deploy_gateway", env={"DEPLOY_GRACE_S": "30"})
    assert done.returncode == 0, done.stderr
    assert "the nodes hold voice-gateway:0.1.0" in done.stdout


def test_an_image_for_other_processors(cluster: Cluster) -> None:
    cluster.built("voice-gateway", PUSHED, "registry", "linux/arm64")
    done = cluster.run("deploy_gateway")
    assert done.returncode == 1
    said = only_line(done)
    assert f"{PUSHED} was built for linux/arm64, and the nodes are amd64" in said
    assert "--platform linux/amd64" in said
    cluster.built("voice-gateway", PUSHED, "registry", "linux/arm64,linux/amd64")
    assert cluster.run("deploy_gateway").returncode == 0


def test_an_image_that_was_not_pushed(cluster: Cluster) -> None:
    cluster.built("voice-gateway", PUSHED, "here")
    done = cluster.run("deploy_gateway")
    assert done.returncode == 0, done.stderr  # somebody may have pushed it by hand
    assert f"{PUSHED} was built here; the nodes need it in its registry" in done.stdout


def test_registry_in_the_environment_as_the_first_version_had_it(cluster: Cluster) -> None:
    named = {"REGISTRY": "reg.example.org/voice"}
    done = cluster.run("build_gateway", "--no-sbom", "--tag", "t", env=named)
    assert done.returncode == 0, done.stderr
    assert "--tag reg.example.org/voice/voice-gateway:t" in cluster.changes()[0]


# --- for other machines ---


def test_for_another_processor(cluster: Cluster) -> None:
    done = cluster.run("build_gateway", "--no-sbom", "--tag", "t", "--platform", "linux/amd64")
    assert done.returncode == 0, done.stderr
    assert "--platform linux/amd64 --tag voice-gateway:t" in cluster.changes()[0]
    noted = (cluster.folder / "images" / "voice-gateway.built").read_text()
    assert noted == "voice-gateway:t|here|linux/amd64\n"


@pytest.mark.parametrize(
    ("engine", "wanted"),
    [
        ("docker", ["docker buildx build --push"]),
        ("podman", ["--manifest reg.example.org/x/voice-gateway:t", "podman manifest push --all"]),
        ("buildah", ["--manifest reg.example.org/x/voice-gateway:t", "buildah manifest push"]),
    ],
)
def test_for_several_processors(engine: str, wanted: list[str], cluster: Cluster) -> None:
    done = cluster.run(
        *("build_gateway", "--engine", engine, "--platform", "linux/amd64,linux/arm64"),
        *("--registry", "reg.example.org/x", "--tag", "t", "--push"),
        programs=(engine, "kubectl"),
    )
    assert done.returncode == 0, done.stderr
    changes = "\n".join(cluster.changes())
    assert "--platform linux/amd64,linux/arm64" in changes
    for one in wanted:
        assert one in changes


@pytest.mark.parametrize(
    ("context", "wanted"),
    [
        ("kind-lab", "kind load image-archive --name lab"),
        ("k3d-lab", "k3d image import --cluster lab"),
        ("minikube", "minikube image load --profile minikube"),
        ("default", "k3s ctr images import"),
    ],
)
def test_into_the_nodes(context: str, wanted: str, cluster: Cluster) -> None:
    cluster.answers = [
        kubectl("config current-context", f"{context}\n"),
        {"program": "podman", "says": "^save"},
    ]
    programs = ("kubectl", "podman", "kind", "k3d", "minikube", "k3s", "sudo")
    options = ("--no-sbom", "--tag", "t", "--load", "--engine", "podman")
    done = cluster.run("build_gateway", *options, programs=programs)
    assert done.returncode == 0, done.stderr
    said = cluster.said()
    assert [one for one in said if wanted in one and one.endswith("/image.tar")]
    # Nodes look a short name up by its whole one.
    assert "podman tag voice-gateway:t docker.io/library/voice-gateway:t" in said
    noted = (cluster.folder / "images" / "voice-gateway.built").read_text()
    assert noted.startswith("voice-gateway:t|nodes|")


def test_nowhere_to_load_into(cluster: Cluster) -> None:
    options = ("--no-sbom", "--tag", "t", "--load", "--engine", "docker")
    done = cluster.run("build_gateway", *options, programs=("kubectl", "docker"))
    assert done.returncode == 1
    assert "--load: neither kind, k3d, minikube nor MicroK8s is the context (lab)" in only_line(
        done
    )
