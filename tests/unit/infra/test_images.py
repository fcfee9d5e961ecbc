import re

from tests.unit.infra.deploy import deploy, is_unknown

BY_DIGEST = re.compile(
    r"us-central1-docker\.pkg\.dev/acme-recsys-dev/recsys-training/recsys-(train|steps)@sha256:[0-9a-f]{64}"
)


def test_both_images_are_built_for_amd64_and_pushed_under_the_revision() -> None:
    deployment = deploy()
    trainer = deployment.one("Image", "images-trainer").inputs
    steps = deployment.one("Image", "images-steps").inputs

    for inputs, name in ((trainer, "recsys-train"), (steps, "recsys-steps")):
        repository = "us-central1-docker.pkg.dev/acme-recsys-dev/recsys-training"
        assert inputs["tags"] == [f"{repository}/{name}:{inputs['buildArgs']['GIT_SHA']}"]
        assert inputs["platforms"] == ["linux/amd64"]
        assert (inputs["push"], inputs["buildOnPreview"]) == (True, False)


def test_build_contexts_are_relative_so_that_another_checkout_is_no_change() -> None:
    deployment = deploy()
    contexts = {
        record.name: (record.inputs["context"]["location"], record.inputs["dockerfile"]["location"])
        for record in deployment.of_type("Image")
    }

    assert contexts == {
        "images-trainer": ("trainer", "trainer/Dockerfile"),
        "images-steps": (".", "pipeline/Dockerfile"),
    }


def test_images_are_pushed_when_the_repository_is_there() -> None:
    deployment = deploy()

    for record in deployment.of_type("Image"):
        assert "registry-repository" in deployment.dependencies(record)


def test_built_images_are_deployed_by_digest() -> None:
    deployment = deploy()

    for image in deployment.outputs["images"].values():
        assert BY_DIGEST.fullmatch(image)
    assert deployment.outputs["images"]["trainer"] in deployment.one("BucketObject").inputs["source"]["text"]


def test_locked_images_are_taken_as_they_are_and_nothing_is_built(image_lock: str) -> None:
    deployment = deploy(stack="local", config={"recsys-training:imagesLock": image_lock})

    assert deployment.of_type("Image") == []
    assert deployment.outputs["images"]["trainer"].endswith(f"recsys-train@sha256:{'1' * 64}")


def test_a_preview_of_images_that_are_not_built_yet_leaves_the_spec_unknown_and_goes_on() -> None:
    deployment = deploy(preview=True)

    assert is_unknown(deployment.outputs["pipeline_spec_digest"])
    assert is_unknown(deployment.one("BucketObject").inputs["source"])
    assert is_unknown(deployment.one("Schedule").inputs["createPipelineJobRequest"]["pipelineJob"]["pipelineSpec"])
    assert deployment.outputs["artifact_bucket"] == "gs://acme-recsys-dev-artifacts"


def test_a_preview_of_locked_images_knows_the_spec(image_lock: str) -> None:
    deployment = deploy(stack="local", config={"recsys-training:imagesLock": image_lock}, preview=True)

    assert deployment.one("BucketObject").inputs["source"]["text"].startswith("{")
    assert not is_unknown(deployment.outputs["pipeline_spec_uri"])
