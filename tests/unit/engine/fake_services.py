"""The routes of the fake Google for services whose things are plain collections, and for Compute Engine, whose
operations and references are its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.unit.engine.fake_google import FakeGoogle

PROJECT, NUMBER = "acme-recsys", "123456789012"
NOW = "2026-01-02T03:04:05.678901Z"
COMPUTE = "https://www.googleapis.com/compute/beta"


@dataclass(frozen=True)
class Kind:
    """How a collection names what is created in it, and what its service adds."""

    id_key: str = ""
    numbered: bool = False
    operation: bool = False
    added: dict[str, Any] = field(default_factory=dict)


KINDS = {
    "topics": Kind(),
    "subscriptions": Kind(added={"pushConfig": {}, "state": "ACTIVE"}),
    "keyRings": Kind("keyRingId"),
    "cryptoKeys": Kind("cryptoKeyId", added={"destroyScheduledDuration": "2592000s"}),
    "secrets": Kind("secretId", numbered=True),
    "jobs": Kind(added={"state": "ENABLED"}),
    "notificationChannels": Kind(),
    "alertPolicies": Kind(),
    "dashboards": Kind(numbered=True, added={"etag": "d1"}),
    "metrics": Kind(),
    "sinks": Kind(added={"writerIdentity": "serviceAccount:sinks@example.iam.gserviceaccount.com"}),
    "budgets": Kind(added={"etag": "b1"}),
    "workloadIdentityPools": Kind("workloadIdentityPoolId", numbered=True, operation=True, added={"state": "ACTIVE"}),
    "providers": Kind("workloadIdentityPoolProviderId", numbered=True, operation=True, added={"state": "ACTIVE"}),
    "tensorboards": Kind(numbered=True, operation=True),
}
_SHORT = {"metrics", "sinks"}  # whose `name` is the short one
_WRAPPED = {"topics": "topic", "subscriptions": "subscription"}
_STATES = {"pause": "PAUSED", "resume": "ENABLED", "enable": "ENABLED", "disable": "DISABLED", "destroy": "DESTROYED"}


def plain(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    """One request to a plain collection or to a thing in one."""
    path = at["path"].replace(f"projects/{NUMBER}", f"projects/{PROJECT}")
    content = body if isinstance(body, dict) else {}
    if "/operations/" in path:
        return fake.poll(path)
    if verb := at.get("verb"):
        return _verb(fake, path, verb, content)
    *above, collection, name = ["", *path.split("/")]
    if method == "POST":
        return _create(fake, path, KINDS[name], query, content)
    if method == "PUT" and path not in fake.things and collection in KINDS:
        return _add(fake, "/".join([*above, collection]).strip("/"), name, KINDS[collection], content)
    return _thing(fake, method, path, query, content)


def _thing(fake: FakeGoogle, method: str, path: str, query: dict[str, str], content: dict[str, Any]) -> Any:
    collection, name = path.split("/")[-2:]
    if name == "cryptoKeyVersions":
        return {"cryptoKeyVersions": [{"name": f"{path}/1", "state": "ENABLED"}]}
    thing = fake.need(path)
    if method == "DELETE":
        del fake.things[path]
        thing = {}
    elif method in ("PATCH", "PUT"):
        _change(thing, content.get(_WRAPPED.get(collection, ""), content), query.get("updateMask"))
    else:
        return thing
    return fake.operation(path, thing) if KINDS[collection].operation else thing


def _create(fake: FakeGoogle, collection: str, kind: Kind, query: dict[str, str], content: dict[str, Any]) -> Any:
    name = query.get(kind.id_key) or content.get("name", "").rsplit("/", 1)[-1] or str(1000 + fake.unique())
    return _add(fake, collection, name, kind, content)


def _add(fake: FakeGoogle, collection: str, name: str, kind: Kind, content: dict[str, Any]) -> Any:
    path = f"{collection}/{name}"
    shown = path.replace(f"projects/{PROJECT}", f"projects/{NUMBER}") if kind.numbered else path
    shown = name if collection.rsplit("/", 1)[-1] in _SHORT else shown
    thing = fake.add(path, {**kind.added, **content, "name": shown, "createTime": NOW})
    return fake.operation(path, thing) if kind.operation else thing


def _change(thing: dict[str, Any], content: dict[str, Any], mask: str | None) -> None:
    members = {path.split(".")[0] for path in mask.split(",")} if mask else {*content} - {"name"}
    for member in members:
        if content.get(member) in (None, "", [], {}):
            thing.pop(member, None)
        else:
            thing[member] = content[member]


def _verb(fake: FakeGoogle, path: str, verb: str, content: dict[str, Any]) -> Any:
    if verb.endswith("IamPolicy"):
        fake.need(path)
        return fake.policy(path, verb[:3], content)
    if verb == "listAttestationRules":
        return {}
    if verb == "addVersion":
        number = sum(name.startswith(f"{path}/versions/") for name in fake.things) + 1
        version = f"{path}/versions/{number}"
        shown = version.replace(f"projects/{PROJECT}", f"projects/{NUMBER}")
        return fake.add(version, {"name": shown, "createTime": NOW, "state": "ENABLED", "data": content["payload"]})
    thing = fake.things.setdefault(path, {"name": path})
    thing["state"] = _STATES[verb]
    return thing


def _url(value: Any) -> Any:
    return f"{COMPUTE}/{value.removeprefix(COMPUTE + '/')}" if isinstance(value, str) else value


def compute(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    """One request to Compute Engine; operations that are not done at once are done at their first poll."""
    path, scope = at["path"], at["path"].rsplit(f"/{at['kind']}", 1)[0]
    content = body if isinstance(body, dict) else {}
    if at["kind"] == "operations":
        return {"name": at["name"], "status": "DONE"}
    if method == "POST" and not at.get("name"):
        _add_to_compute(fake, path, scope, content)
    elif method == "DELETE":
        fake.need(path)
        del fake.things[path]
    elif method == "PATCH":
        fake.need(path).update({key: _url(value) if key == "network" else value for key, value in content.items()})
    elif method == "POST":
        thing = fake.need(f"{scope}/{at['kind']}/{at['name']}")
        switch = {"privateIpGoogleAccess": False} if at["verb"] == "setPrivateIpGoogleAccess" else {}
        thing.update({**switch, **content})
    else:
        return fake.need(path)
    state = "RUNNING" if fake.slow_operations else "DONE"
    name = f"operation-{fake.unique()}"
    return {"name": name, "status": state, "selfLink": f"{COMPUTE}/{scope}/operations/{name}"}


def _add_to_compute(fake: FakeGoogle, collection: str, scope: str, content: dict[str, Any]) -> None:
    path = f"{collection}/{content['name']}"
    times = {"id": str(10**18 + fake.unique()), "creationTimestamp": NOW, "selfLink": f"{COMPUTE}/{path}"}
    links = {key: _url(content[key]) for key in ("network",) if key in content}
    region = {"region": f"{COMPUTE}/{scope}"} if "/regions/" in scope else {}
    fake.add(path, {**content, **links, **region, **times, "labelFingerprint": "f1", "fingerprint": "f1"})


def connections(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    """Private services access: one connection for each network."""
    if method == "GET":
        found = fake.things.get(f"connections/{query['network']}")
        return {"connections": [found]} if found else {}
    if at.get("name") and method == "POST":
        fake.things.pop(f"connections/{body['consumerNetwork']}", None)
    else:
        peering = at["service"].replace(".", "-")
        fake.things[f"connections/{body['network']}"] = {**body, "peering": peering}
    return {"name": f"operations/{fake.unique()}", "done": True, "response": {}}


def dns(fake: FakeGoogle, method: str, at: dict[str, str], query: dict[str, str], body: Any) -> Any:
    """Zones, and their record sets, which changes add and remove."""
    zone = f"projects/{PROJECT}/managedZones/{at.get('zone') or (body or {}).get('name')}"
    if at.get("kind"):
        return _records(fake.need(zone)["records"], at["kind"], query, body)
    if method == "POST":
        own = {"id": "42", "creationTime": NOW, "nameServers": ["ns."], "records": {}}
        fake.add(zone, {**body, **own})
        return body
    if method == "DELETE":
        del fake.things[zone]
        return None
    if method == "PUT":
        fake.need(zone).update(body)
    return {key: value for key, value in fake.need(zone).items() if key != "records"}


def _records(records: dict[Any, Any], kind: str, query: dict[str, str], body: Any) -> Any:
    if kind == "rrsets":
        wanted = {(query["name"], query["type"])} if "name" in query else {*records}
        return {"rrsets": [record for key, record in records.items() if key in wanted]}
    for each in body.get("deletions", []):
        del records[each["name"], each["type"]]
    records.update({(each["name"], each["type"]): each for each in body.get("additions", [])})
    return {"id": "1", "status": "done"}


ROUTES: list[tuple[str, Callable[..., Any]]] = [
    (
        r"/compute/beta/(?P<path>projects/[^/]+/(global|regions/[^/]+)/(?P<kind>\w+)(/(?P<name>[^/]+))?)(/(?P<verb>\w+))?",
        compute,
    ),
    (r"/dns/v1/projects/[^/]+/managedZones(/(?P<zone>[^/]+)(/(?P<kind>rrsets|changes))?)?", dns),
    (r"/servicenetworking/v1/services/(?P<service>[^/]+)/connections(/(?P<name>[^/]+))?", connections),
    (
        r"/(pubsub/v1|kms/v1|secretmanager/v1|cloudscheduler/v1|monitoring/v[13]|logging/v2|billingbudgets/v1)"
        r"/(?P<path>[^:]+)(:(?P<verb>\w+))?",
        plain,
    ),
    (r"/iam/v1/(?P<path>projects/[^/]+/locations/global/workloadIdentityPools[^:]*)(:(?P<verb>\w+))?", plain),
    (r"/aiplatform/v1beta1/(?P<path>projects/[^/]+/locations/[^/]+/tensorboards[^:]*)", plain),
]
