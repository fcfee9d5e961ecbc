"""Network attachments over REST, as their reference page says."""

import uuid

import pytest


@pytest.fixture
def project(cloud_server):
    """A project with a network, `net`, and a subnetwork, `subnet`."""
    name = f"acme-{uuid.uuid4().hex[:8]}"
    cloud_server.json(
        "POST", f"/compute/v1/projects/{name}/global/networks", {"name": "net", "autoCreateSubnetworks": False}
    )
    subnetwork = {"name": "subnet", "network": "global/networks/net", "ipCidrRange": "10.10.0.0/28"}
    cloud_server.json("POST", f"{region(name)}/subnetworks", subnetwork)
    return name


def region(project, name="europe-west1"):
    return f"/compute/v1/projects/{project}/regions/{name}"


def body(**changes):
    wanted = {"subnetworks": ["regions/europe-west1/subnetworks/subnet"], "connectionPreference": "ACCEPT_AUTOMATIC"}
    return {"name": "attachment", **wanted, **changes}


def fields_of(error):
    return [each["field"] for each in error["error"]["details"][0]["fieldViolations"]]


def test_an_attachment_is_made_in_a_subnetwork_and_tells_its_network(cloud_server, project):
    attachments = f"{region(project)}/networkAttachments"
    done = cloud_server.json("POST", attachments, body())
    assert (done["status"], done["operationType"]) == ("DONE", "insert")
    read = cloud_server.json("GET", f"{attachments}/attachment")
    root = f"https://www.googleapis.com/compute/v1/projects/{project}"
    assert read["subnetworks"] == [f"{root}/regions/europe-west1/subnetworks/subnet"]
    assert read["network"] == f"{root}/global/networks/net"
    assert (read["kind"], read["connectionEndpoints"]) == ("compute#networkAttachment", [])
    listed = cloud_server.json("GET", attachments)
    assert (listed["kind"], listed["items"]) == ("compute#networkAttachmentList", [read])
    groups = cloud_server.json("GET", f"/compute/v1/projects/{project}/aggregated/networkAttachments")["items"]
    assert [each["name"] for each in groups["regions/europe-west1"]["networkAttachments"]] == ["attachment"]


def test_its_subnetwork_is_not_deleted_before_it(cloud_server, project):
    attachments, subnetwork = f"{region(project)}/networkAttachments", f"{region(project)}/subnetworks/subnet"
    cloud_server.json("POST", attachments, body())
    error = cloud_server.json("DELETE", subnetwork, status=400)["error"]
    assert error["errors"][0]["reason"] == "resourceInUseByAnotherResource"
    cloud_server.json("DELETE", f"{attachments}/attachment")
    cloud_server.json("DELETE", subnetwork)


def test_a_patch_needs_the_present_fingerprint(cloud_server, project):
    attachment = f"{region(project)}/networkAttachments/attachment"
    cloud_server.json("POST", f"{region(project)}/networkAttachments", body(connectionPreference="ACCEPT_MANUAL"))
    first = cloud_server.json("GET", attachment)["fingerprint"]
    change = {"producerAcceptLists": ["1234"]}
    assert "fingerprint" in cloud_server.json("PATCH", attachment, change, status=400)["error"]["message"]
    cloud_server.json("PATCH", attachment, change | {"fingerprint": first})
    read = cloud_server.json("GET", attachment)
    assert (read["producerAcceptLists"], read["fingerprint"] != first) == (["1234"], True)
    cloud_server.json("PATCH", attachment, change | {"fingerprint": first}, status=412)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"connectionPreference": "MAYBE"}, "connectionPreference"),
        ({"connectionPreference": "INVALID"}, "connectionPreference"),
        ({"subnetworks": []}, "subnetworks"),
        ({"producerAcceptLists": ["1234"]}, "producerAcceptLists"),
        (
            {"connectionPreference": "ACCEPT_MANUAL", "producerAcceptLists": ["1"], "producerRejectLists": ["1"]},
            "producerRejectLists",
        ),
    ],
)
def test_what_no_attachment_can_be_is_refused(cloud_server, project, change, field):
    error = cloud_server.json("POST", f"{region(project)}/networkAttachments", body(**change), status=400)
    assert fields_of(error) == [field]


def test_a_subnetwork_must_be_there_and_in_the_attachments_region(cloud_server, project):
    absent = body(subnetworks=["regions/europe-west1/subnetworks/absent"])
    cloud_server.json("POST", f"{region(project)}/networkAttachments", absent, status=404)
    error = cloud_server.json("POST", f"{region(project, 'us-central1')}/networkAttachments", body(), status=400)
    assert "another region" in error["error"]["message"]


def test_it_has_a_policy_of_its_own(cloud_server, project):
    attachment = f"{region(project)}/networkAttachments/attachment"
    cloud_server.json("POST", f"{region(project)}/networkAttachments", body())
    policy = {"bindings": [{"role": "roles/compute.networkUser", "members": ["user:ann@acme.example"]}]}
    cloud_server.json("POST", f"{attachment}/setIamPolicy", {"policy": policy})
    assert cloud_server.json("GET", f"{attachment}/getIamPolicy")["bindings"] == policy["bindings"]
    asked = {"permissions": ["compute.networkAttachments.get"]}
    assert cloud_server.json("POST", f"{attachment}/testIamPermissions", asked) == asked
