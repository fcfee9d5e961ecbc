"""Cloud DNS over REST, and with Google's discovery client, as its reference pages say."""

import uuid

import pytest
from google.oauth2.credentials import Credentials
from googleapiclient import discovery
from googleapiclient.errors import HttpError


@pytest.fixture
def project(cloud_server):
    """A project with a network, `net`."""
    name = f"acme-{uuid.uuid4().hex[:8]}"
    cloud_server.json(
        "POST", f"/compute/v1/projects/{name}/global/networks", {"name": "net", "autoCreateSubnetworks": False}
    )
    return name


@pytest.fixture
def zones(project):
    return f"/dns/v1/projects/{project}/managedZones"


def zone(project, **changes):
    network = {"networkUrl": f"https://www.googleapis.com/compute/v1/projects/{project}/global/networks/net"}
    private = {"visibility": "private", "privateVisibilityConfig": {"networks": [network]}}
    return {"name": "apis", "dnsName": "googleapis.com.", "description": "", **private, **changes}


A_RECORD = {"name": "private.googleapis.com.", "type": "A", "ttl": 300, "rrdatas": ["199.36.153.8"]}


def names(records):
    return sorted((each["name"], each["type"]) for each in records)


def test_a_zone_begins_with_its_name_servers_and_its_authority(cloud_server, project, zones):
    made = cloud_server.json("POST", zones, zone(project))
    assert (made["kind"], made["visibility"], made["dnsName"]) == ("dns#managedZone", "private", "googleapis.com.")
    assert cloud_server.json("GET", f"{zones}/apis") == made
    listed = cloud_server.json("GET", f"{zones}/apis/rrsets")["rrsets"]
    assert names(listed) == [("googleapis.com.", "NS"), ("googleapis.com.", "SOA")]
    assert [each["name"] for each in cloud_server.json("GET", f"{zones}?dnsName=googleapis.com.")["managedZones"]]
    assert cloud_server.json("GET", f"{zones}?dnsName=other.com.")["managedZones"] == []
    assert cloud_server.json("POST", zones, zone(project), status=409)["error"]["errors"][0]["reason"] == (
        "alreadyExists"
    )


def test_a_change_makes_all_of_its_record_sets_or_none(cloud_server, project, zones):
    cloud_server.json("POST", zones, zone(project))
    alias = {"name": "*.googleapis.com.", "type": "CNAME", "ttl": 300, "rrdatas": ["private.googleapis.com."]}
    change = cloud_server.json("POST", f"{zones}/apis/changes", {"additions": [A_RECORD, alias]})
    assert (change["status"], change["kind"]) == ("done", "dns#change")
    assert cloud_server.json("GET", f"{zones}/apis/changes/{change['id']}") == change
    [read] = cloud_server.json("GET", f"{zones}/apis/rrsets?name={A_RECORD['name']}&type=A")["rrsets"]
    assert read == {"kind": "dns#resourceRecordSet", **A_RECORD}
    other = A_RECORD | {"name": "other.googleapis.com."}
    cloud_server.json("POST", f"{zones}/apis/changes", {"additions": [other, A_RECORD]}, status=409)
    assert (other["name"], "A") not in names(cloud_server.json("GET", f"{zones}/apis/rrsets")["rrsets"])
    replaced = {"deletions": [A_RECORD], "additions": [A_RECORD | {"ttl": 60}]}
    cloud_server.json("POST", f"{zones}/apis/changes", replaced)
    assert cloud_server.json("GET", f"{zones}/apis/rrsets/{A_RECORD['name']}/A")["ttl"] == 60
    stale = cloud_server.json("POST", f"{zones}/apis/changes", {"deletions": [A_RECORD]}, status=412)
    assert stale["error"]["errors"][0]["reason"] == "conditionNotMet"


@pytest.mark.parametrize(
    ("record", "field"),
    [
        (A_RECORD | {"name": "private.example.com."}, "entity.change.additions[0].name"),
        (A_RECORD | {"type": "B"}, "entity.change.additions[0].type"),
        (A_RECORD | {"ttl": -1}, "entity.change.additions[0].ttl"),
        (A_RECORD | {"rrdatas": []}, "entity.change.additions[0].rrdatas"),
    ],
)
def test_a_record_set_that_no_zone_can_hold_is_refused(cloud_server, project, zones, record, field):
    cloud_server.json("POST", zones, zone(project))
    error = cloud_server.json("POST", f"{zones}/apis/changes", {"additions": [record]}, status=400)
    assert [each["field"] for each in error["error"]["details"][0]["fieldViolations"]] == [field]


def test_a_name_has_an_alias_or_other_records(cloud_server, project, zones):
    cloud_server.json("POST", zones, zone(project))
    cloud_server.json("POST", f"{zones}/apis/rrsets", A_RECORD)
    alias = A_RECORD | {"type": "CNAME", "rrdatas": ["x.googleapis.com."]}
    error = cloud_server.json("POST", f"{zones}/apis/rrsets", alias, status=400)["error"]
    assert error["errors"][0]["reason"] == "cnameResourceRecordSetConflict"


def test_a_zone_is_deleted_when_only_its_first_records_are_left(cloud_server, project, zones):
    cloud_server.json("POST", zones, zone(project))
    cloud_server.json("POST", f"{zones}/apis/rrsets", A_RECORD)
    error = cloud_server.json("DELETE", f"{zones}/apis", status=400)["error"]
    assert error["errors"][0]["reason"] == "containerNotEmpty"
    cloud_server.json("DELETE", f"{zones}/apis/rrsets/{A_RECORD['name']}/A")
    cloud_server.json("DELETE", f"{zones}/apis", status=204)
    cloud_server.json("GET", f"{zones}/apis", status=404)
    assert cloud_server.json("GET", f"{zones}/apis/rrsets", status=404)["error"]["errors"][0]["reason"] == "notFound"


def test_a_zone_changes_but_for_its_name(cloud_server, project, zones):
    cloud_server.json("POST", zones, zone(project))
    changed = cloud_server.json("PATCH", f"{zones}/apis", {"description": "Google's APIs"})
    assert (changed["kind"], changed["status"]) == ("dns#operation", "done")
    assert cloud_server.json("GET", f"{zones}/apis")["description"] == "Google's APIs"
    error = cloud_server.json("PATCH", f"{zones}/apis", {"dnsName": "example.com."}, status=400)
    assert "'example.com.'" in error["error"]["message"]


def test_a_private_zone_is_bound_to_networks_that_are_there(cloud_server, project, zones):
    absent = [{"networkUrl": f"projects/{project}/global/networks/absent"}]
    wrong = zone(project, privateVisibilityConfig={"networks": absent})
    error = cloud_server.json("POST", zones, wrong, status=400)
    field = "privateVisibilityConfig.networks[0].networkUrl"
    assert [each["field"] for each in error["error"]["details"][0]["fieldViolations"]] == [field]
    public = zone(project, visibility="public")
    assert "public zone" in cloud_server.json("POST", zones, public, status=400)["error"]["message"]
    cloud_server.json("POST", zones, zone(project, dnsName="googleapis.com"), status=400)


def test_google_s_discovery_client_makes_a_zone(cloud_server, project):
    credentials = Credentials(token=cloud_server.token)
    url = f"{cloud_server.url}/dns/$discovery/rest?version=v1"
    client = discovery.build(
        "dns", "v1", credentials=credentials, discoveryServiceUrl=url, static_discovery=False, cache_discovery=False
    )
    made = client.managedZones().create(project=project, body=zone(project)).execute()
    read = client.managedZones().get(project=project, managedZone=made["name"]).execute()
    assert read["id"] == made["id"]
    with pytest.raises(HttpError, match="does not exist"):
        client.managedZones().get(project=project, managedZone="absent").execute()
