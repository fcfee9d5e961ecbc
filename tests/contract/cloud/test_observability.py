"""Cloud Logging and Cloud Monitoring over REST, as their reference pages say. Their clients speak gRPC alone."""

import uuid

import pytest


@pytest.fixture
def parent():
    return f"projects/acme-{uuid.uuid4().hex[:8]}"


def channel(cloud, parent, **fields):
    body = {"type": "email", "displayName": "on call", "labels": {"email_address": "oncall@example.com"}}
    return cloud.json("POST", f"/monitoring/v3/{parent}/notificationChannels", body | fields)


def policy(*channels, **fields):
    threshold = {
        "filter": 'metric.type="logging.googleapis.com/user/runs" AND resource.type="global"',
        "comparison": "COMPARISON_LT",
        "thresholdValue": 1,
        "duration": "3600s",
    }
    condition = {"displayName": "idle", "conditionThreshold": threshold}
    named = {"displayName": "idle", "combiner": 2, "notificationChannels": list(channels)}
    return named | {"conditions": [condition]} | fields


def fields_of(error):
    return [each["field"] for each in error["error"]["details"][0]["fieldViolations"]]


# Logging


def test_what_is_written_is_listed_by_filter_and_order(cloud_server, parent):
    resource = {"type": "global", "labels": {"project_id": parent.split("/")[1]}}
    entries = [
        {"textPayload": "started", "severity": 200, "timestamp": "2026-01-01T00:00:01Z"},
        {"jsonPayload": {"loss": 0.5}, "severity": "ERROR", "timestamp": "2026-01-01T00:00:02Z"},
    ]
    body = {"logName": f"{parent}/logs/train%2Floop", "resource": resource, "entries": entries}
    assert cloud_server.json("POST", "/v2/entries:write", body) == {}
    wanted = {"resourceNames": [parent], "orderBy": "timestamp desc"}
    found = cloud_server.json("POST", "/logging/v2/entries:list", wanted)["entries"]
    assert [each["severity"] for each in found] == ["ERROR", "INFO"]
    errors = cloud_server.json("POST", "/v2/entries:list", wanted | {"filter": "severity>=WARNING"})["entries"]
    assert [each["jsonPayload"] for each in errors] == [{"loss": 0.5}]
    first = cloud_server.json("POST", "/v2/entries:list", wanted | {"pageSize": 1})
    again = wanted | {"pageSize": 1, "pageToken": first["nextPageToken"]}
    assert "textPayload" in cloud_server.json("POST", "/v2/entries:list", again)["entries"][0]
    assert cloud_server.json("GET", f"/v2/{parent}/logs")["logNames"] == [f"{parent}/logs/train%2Floop"]
    cloud_server.json("DELETE", f"/v2/{parent}/logs/train%2Floop")
    assert cloud_server.json("POST", "/v2/entries:list", wanted) == {}


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"textPayload": "x", "severity": "LOUD"}, "entries[0].severity"),
        ({}, "entries[0]"),
        ({"textPayload": "x", "timestamp": "noon"}, "entries[0].timestamp"),
        ({"textPayload": "x", "logName": "loop"}, "entries[0].logName"),
    ],
)
def test_a_bad_entry_is_refused_by_its_field(cloud_server, parent, entry, field):
    body = {"logName": f"{parent}/logs/train", "resource": {"type": "global"}, "entries": [entry]}
    assert field in fields_of(cloud_server.json("POST", "/v2/entries:write", body, status=400))


def test_a_metric_is_made_and_changed_by_put(cloud_server, parent):
    path = f"/logging/v2/{parent}/metrics/runs%2Fdone"
    body = {"name": "runs/done", "filter": "severity>=INFO", "description": "runs"}
    made = cloud_server.json("PUT", path, body)
    assert made["metricDescriptor"]["type"] == "logging.googleapis.com/user/runs/done"
    changed = cloud_server.json("PUT", path, body | {"filter": "severity>=ERROR", "description": ""})
    assert changed["createTime"] == made["createTime"]
    assert cloud_server.json("GET", path) == changed
    listed = cloud_server.json("GET", f"/v2/{parent}/metrics")["metrics"]
    assert [each["name"] for each in listed] == ["runs/done"]
    assert cloud_server.json("DELETE", path) == {}
    cloud_server.json("GET", path, status=404)
    bad = {"name": "x", "filter": "f", "labelExtractors": {"state": "EXTRACT(a)"}}
    error = cloud_server.json("POST", f"/v2/{parent}/metrics", bad, status=400)
    assert fields_of(error) == ["labelExtractors['state']"]


def test_a_sink_keeps_its_writer_and_changes_by_mask(cloud_server, parent):
    body = {"name": "sink", "destination": "storage.googleapis.com/logs", "filter": "severity>=INFO"}
    made = cloud_server.json("POST", f"/v2/{parent}/sinks?uniqueWriterIdentity=true", body)
    assert "gcp-sa-logging" in made["writerIdentity"]
    path = f"/v2/{parent}/sinks/sink"
    cloud_server.json("POST", f"/v2/{parent}/sinks", body, status=409)
    change = {"destination": "storage.googleapis.com/other", "filter": "severity>=ERROR", "disabled": True}
    changed = cloud_server.json("PATCH", f"{path}?updateMask=filter", change)
    assert (changed["filter"], changed["destination"]) == ("severity>=ERROR", body["destination"])
    assert "disabled" not in changed
    assert changed["writerIdentity"] == made["writerIdentity"]
    assert cloud_server.json("PUT", path, change)["destination"] == change["destination"]
    error = cloud_server.json("POST", f"/v2/{parent}/sinks", {"name": "s", "destination": "gs://logs"}, status=400)
    assert fields_of(error) == ["destination"]
    cloud_server.json("DELETE", path)


# Monitoring


def test_a_policy_names_its_conditions_and_keeps_who_changed_it(cloud_server, parent):
    notified = channel(cloud_server, parent)
    made = cloud_server.json("POST", f"/v3/{parent}/alertPolicies", policy(notified["name"]))
    assert made["combiner"] == "OR"
    assert made["conditions"][0]["name"].startswith(f"{made['name']}/conditions/")
    change = {"displayName": "renamed", "enabled": False}
    changed = cloud_server.json("PATCH", f"/v3/{made['name']}?updateMask=displayName", change)
    assert (changed["displayName"], changed["enabled"]) == ("renamed", True)
    assert changed["conditions"] == made["conditions"]
    assert changed["creationRecord"] == made["creationRecord"]
    listed = cloud_server.json("GET", f"/v3/{parent}/alertPolicies?filter=display_name=%22renamed%22")
    assert [each["name"] for each in listed["alertPolicies"]] == [made["name"]]
    assert cloud_server.json("GET", f"/v3/{parent}/alertPolicies?filter=display_name=%22other%22") == {}


def test_a_channel_that_a_policy_uses_is_deleted_by_force_alone(cloud_server, parent):
    notified = channel(cloud_server, parent)
    made = cloud_server.json("POST", f"/v3/{parent}/alertPolicies", policy(notified["name"]))
    path = f"/v3/{notified['name']}"
    error = cloud_server.json("DELETE", path, status=400)["error"]
    assert (error["status"], made["name"] in error["message"]) == ("FAILED_PRECONDITION", True)
    cloud_server.json("DELETE", f"{path}?force=true")
    assert cloud_server.json("GET", f"/v3/{made['name']}")["notificationChannels"] == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"combiner": "XOR"}, "combiner"),
        ({"conditions": []}, "conditions"),
        ({"notificationChannels": ["projects/p/notificationChannels/1"]}, "notificationChannels[0]"),
        ({"conditions": [{"displayName": "x"}]}, "conditions[0]"),
    ],
)
def test_a_bad_policy_is_refused_by_its_field(cloud_server, parent, fields, field):
    assert field in fields_of(cloud_server.json("POST", f"/v3/{parent}/alertPolicies", policy(**fields), status=400))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"type": "pigeon"}, "type"),
        ({"labels": {}}, "labels['email_address']"),
        ({"labels": {"email_address": "nobody"}}, "labels['email_address']"),
    ],
)
def test_a_bad_channel_is_refused_by_its_field(cloud_server, parent, fields, field):
    body = {"type": "email", "labels": {"email_address": "a@example.com"}} | fields
    assert field in fields_of(cloud_server.json("POST", f"/v3/{parent}/notificationChannels", body, status=400))


def test_the_kinds_of_channels_are_told(cloud_server, parent):
    kinds = cloud_server.json("GET", f"/v3/{parent}/notificationChannelDescriptors")["channelDescriptors"]
    assert {"email", "pubsub", "slack"} <= {each["type"] for each in kinds}
    one = cloud_server.json("GET", f"/v3/{parent}/notificationChannelDescriptors/email")
    assert one["labels"] == [{"key": "email_address", "valueType": "STRING"}]


def test_a_dashboard_is_replaced_whole_unless_it_was_changed_in_the_meantime(google_clients, cloud_server):
    dashboards = google_clients.client("google.cloud.monitoring_dashboard_v1", "DashboardsServiceClient")
    body = {"display_name": "training", "grid_layout": {"columns": 2, "widgets": [{"title": "runs", "blank": {}}]}}
    made = dashboards.create_dashboard(request={"parent": google_clients.parent, "dashboard": body})
    assert made.grid_layout.columns == 2
    change = {"name": made.name, "display_name": "renamed", "etag": made.etag, "column_layout": {}}
    changed = dashboards.update_dashboard(request={"dashboard": change})
    assert "grid_layout" not in changed
    stale = cloud_server.json(
        "PATCH", f"/v1/{made.name}", {"displayName": "x", "gridLayout": {}, "etag": made.etag}, status=409
    )
    assert stale["error"]["status"] == "ABORTED"
    dashboards.delete_dashboard(request={"name": made.name})
