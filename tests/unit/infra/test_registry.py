import json
from pathlib import Path

from tests.unit.infra.deploy import deploy

REGISTRY = "recsys-training:registry"


def policies(**config: object) -> dict[str, dict[str, object]]:
    repository = deploy(config=config).one("artifactregistry/repository:Repository").inputs
    return {policy["id"]: policy for policy in repository["cleanupPolicies"]}


def test_only_what_no_tag_names_is_deleted_and_the_newest_stay() -> None:
    declared = policies(**{REGISTRY: {"keptVersions": 7, "untaggedDays": 3}})

    assert declared["delete-untagged"]["condition"] == {"tagState": "UNTAGGED", "olderThan": "259200s"}
    assert declared["keep-newest"]["mostRecentVersions"] == {"keepCount": 7}
    assert {policy["action"] for name, policy in declared.items() if name != "delete-untagged"} == {"KEEP"}


def test_the_deployed_digests_are_kept_whatever_else(image_lock: str) -> None:
    digests = {image.partition("@")[2] for image in json.loads(Path(image_lock).read_text()).values()}
    kept = policies(**{"recsys-training:imagesLock": image_lock})["keep-deployed"]

    assert kept["action"] == "KEEP"
    assert kept["condition"] == {"tagState": "ANY", "versionNamePrefixes": sorted(digests)}


def test_images_that_are_built_on_the_way_are_kept_by_their_tag() -> None:
    """Their digests are not known before the repository is: docker's tag is the commit's."""
    assert "keep-deployed" not in policies()
    assert all(record.inputs["tags"] for record in deploy().of_type("Image"))


def test_tags_are_immutable_in_prod() -> None:
    immutable = {
        stack: deploy(stack=stack).one("artifactregistry/repository:Repository").inputs.get("dockerConfig")
        for stack in ("prod", "dev")
    }

    assert immutable == {"prod": {"immutableTags": True}, "dev": None}
