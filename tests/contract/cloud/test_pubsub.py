"""Pub/Sub by Google's own clients: messages really travel."""

import http.server
import json
import threading

import pytest
from google.api_core.exceptions import BadRequest, Conflict, NotFound
from google.protobuf.timestamp_pb2 import Timestamp

from tests.contract.google_clients import unique
from tests.contract.vertex.conftest import wait_until


@pytest.fixture
def publisher(google_clients):
    return google_clients.client("google.pubsub_v1", "PublisherClient")


@pytest.fixture
def subscriber(google_clients):
    return google_clients.client("google.pubsub_v1", "SubscriberClient")


@pytest.fixture
def topic(google_clients, publisher):
    name = f"{google_clients.parent}/topics/{unique('drift')}"
    publisher.create_topic(name=name)
    yield name
    publisher.delete_topic(topic=name)


@pytest.fixture
def subscribe(google_clients, subscriber, topic):
    """Makes a subscription on the topic and gives its name."""
    made = []

    def make(**fields):
        name = f"{google_clients.parent}/subscriptions/{unique('sub')}"
        subscriber.create_subscription(request={"name": name, "topic": topic, **fields})
        made.append(name)
        return name

    yield make
    for name in made:
        subscriber.delete_subscription(subscription=name)


def pull(subscriber, subscription, most=10):
    request = {"subscription": subscription, "max_messages": most, "return_immediately": True}
    return list(subscriber.pull(request=request).received_messages)


def publish(publisher, topic, *texts, **fields):
    messages = [{"data": text.encode(), **fields} for text in texts]
    return list(publisher.publish(topic=topic, messages=messages).message_ids)


def test_what_is_published_is_pulled_once_it_is_acknowledged(publisher, subscriber, topic, subscribe):
    subscription = subscribe()
    ids = publish(publisher, topic, "one", "two", attributes={"kind": "drift"})
    received = pull(subscriber, subscription)
    assert [each.message.message_id for each in received] == ids
    assert [each.message.data for each in received] == [b"one", b"two"]
    assert dict(received[0].message.attributes) == {"kind": "drift"}
    assert received[0].message.publish_time.year > 2020
    assert pull(subscriber, subscription) == []  # leased
    subscriber.acknowledge(subscription=subscription, ack_ids=[received[0].ack_id])
    subscriber.modify_ack_deadline(subscription=subscription, ack_ids=[received[1].ack_id], ack_deadline_seconds=0)
    assert [each.message.data for each in pull(subscriber, subscription)] == [b"two"]


def test_each_subscription_gets_every_message_and_only_from_its_beginning_on(publisher, subscriber, topic, subscribe):
    early = subscribe()
    publish(publisher, topic, "first")
    late = subscribe()
    publish(publisher, topic, "second")
    assert [each.message.data for each in pull(subscriber, early)] == [b"first", b"second"]
    assert [each.message.data for each in pull(subscriber, late)] == [b"second"]


def test_a_pull_waits_for_a_first_message(publisher, subscriber, topic, subscribe):
    subscription = subscribe()
    threading.Timer(0.3, publish, (publisher, topic, "late")).start()
    received = subscriber.pull(subscription=subscription, max_messages=1).received_messages
    assert [each.message.data for each in received] == [b"late"]


def test_a_filter_selects_by_attributes(publisher, subscriber, topic, subscribe):
    subscription = subscribe(filter='attributes.kind = "drift" AND NOT attributes:muted')
    publish(publisher, topic, "yes", attributes={"kind": "drift"})
    publish(publisher, topic, "muted", attributes={"kind": "drift", "muted": "1"})
    publish(publisher, topic, "other", attributes={"kind": "x"})
    assert [each.message.data for each in pull(subscriber, subscription)] == [b"yes"]


def test_messages_of_a_key_come_one_after_the_other(publisher, subscriber, topic, subscribe):
    subscription = subscribe(enable_message_ordering=True)
    publish(publisher, topic, "a1", "a2", ordering_key="a")
    publish(publisher, topic, "b1", ordering_key="b")
    first = pull(subscriber, subscription, most=1)
    assert [each.message.data for each in first] == [b"a1"]
    assert [each.message.data for each in pull(subscriber, subscription)] == [b"b1"]  # a2 waits for a1
    subscriber.acknowledge(subscription=subscription, ack_ids=[first[0].ack_id])
    assert [each.message.data for each in pull(subscriber, subscription)] == [b"a2"]


def test_a_message_that_nobody_can_handle_becomes_a_dead_letter(
    cloud_server, google_clients, publisher, subscriber, topic, subscribe
):
    dead = f"{google_clients.parent}/topics/{unique('dead')}"
    number = cloud_server.json("GET", f"/crm/v1/{google_clients.parent}")["projectNumber"]
    agent = f"serviceAccount:service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    cloud_server.grant(google_clients.project, {"roles/pubsub.publisher": [agent]})
    publisher.create_topic(name=dead)
    letters = f"{google_clients.parent}/subscriptions/{unique('letters')}"
    subscriber.create_subscription(name=letters, topic=dead)
    subscription = subscribe(dead_letter_policy={"dead_letter_topic": dead, "max_delivery_attempts": 5})
    publish(publisher, topic, "bad")
    for attempt in range(1, 6):
        [received] = pull(subscriber, subscription)
        assert received.delivery_attempt == attempt
        subscriber.modify_ack_deadline(subscription=subscription, ack_ids=[received.ack_id], ack_deadline_seconds=0)
    assert pull(subscriber, subscription) == []
    [letter] = pull(subscriber, letters)
    assert letter.message.data == b"bad"
    assert letter.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert letter.message.attributes["CloudPubSubDeadLetterSourceSubscription"] == subscription.rsplit("/", 1)[-1]


def test_seeking_goes_back_to_what_was_acknowledged_and_over_what_was_not(publisher, subscriber, topic, subscribe):
    subscription = subscribe(retain_acked_messages=True)
    publish(publisher, topic, "again")
    [received] = pull(subscriber, subscription)
    subscriber.acknowledge(subscription=subscription, ack_ids=[received.ack_id])
    subscriber.seek(request={"subscription": subscription, "time": Timestamp(seconds=0)})
    assert [each.message.data for each in pull(subscriber, subscription)] == [b"again"]
    subscriber.seek(request={"subscription": subscription, "time": Timestamp(seconds=4_000_000_000)})
    assert pull(subscriber, subscription) == []


@pytest.fixture
def snapshot(google_clients, subscriber):
    """Takes a snapshot of a subscription and gives its name."""
    made = []

    def take(subscription, **fields):
        name = f"{google_clients.parent}/snapshots/{unique('before')}"
        subscriber.create_snapshot(request={"name": name, "subscription": subscription, **fields})
        made.append(name)
        return name

    yield take
    for name in made:
        subscriber.delete_snapshot(snapshot=name)


def drain(subscriber, subscription):
    received = pull(subscriber, subscription, 100)
    if received:
        subscriber.acknowledge(subscription=subscription, ack_ids=[each.ack_id for each in received])
    return [each.message.data.decode() for each in received]


def test_a_snapshot_brings_back_what_waited_then_and_came_after(publisher, subscriber, topic, subscribe, snapshot):
    subscription, late = subscribe(), subscribe(filter='attributes.kind = "b"')
    publish(publisher, topic, "done")
    assert drain(subscriber, subscription) == ["done"]
    publish(publisher, topic, "waited", attributes={"kind": "a"})
    taken = snapshot(subscription, labels={"why": "deploy"})
    publish(publisher, topic, "after", attributes={"kind": "b"})
    assert drain(subscriber, subscription) == ["waited", "after"]
    assert drain(subscriber, late) == ["after"]
    for _ in range(2):
        subscriber.seek(request={"subscription": subscription, "snapshot": taken})
        assert drain(subscriber, subscription) == ["waited", "after"]
    subscriber.seek(request={"subscription": late, "snapshot": taken})
    assert drain(subscriber, late) == ["after"]


def test_a_snapshot_is_read_listed_and_changed(google_clients, publisher, subscriber, topic, subscribe, snapshot):
    taken = snapshot(subscribe(), labels={"why": "deploy"})
    read = subscriber.get_snapshot(snapshot=taken)
    assert (read.topic, dict(read.labels)) == (topic, {"why": "deploy"})
    assert taken in [each.name for each in subscriber.list_snapshots(project=google_clients.parent)]
    assert list(publisher.list_topic_snapshots(topic=topic)) == [taken]
    changed = subscriber.update_snapshot(
        request={"snapshot": {"name": taken, "labels": {"why": "drill"}}, "update_mask": {"paths": ["labels"]}}
    )
    assert dict(changed.labels) == {"why": "drill"}
    assert changed.expire_time == read.expire_time


def test_a_snapshot_of_another_topic_or_none_is_refused(
    google_clients, publisher, subscriber, topic, subscribe, snapshot
):
    taken, other = snapshot(subscribe()), f"{google_clients.parent}/topics/{unique('other')}"
    foreign = f"{google_clients.parent}/subscriptions/{unique('foreign')}"
    publisher.create_topic(name=other)
    subscriber.create_subscription(name=foreign, topic=other)
    with pytest.raises(BadRequest, match=taken):
        subscriber.seek(request={"subscription": foreign, "snapshot": taken})
    with pytest.raises(NotFound, match="resource=absent"):
        subscriber.seek(request={"subscription": foreign, "snapshot": f"{google_clients.parent}/snapshots/absent"})
    with pytest.raises(NotFound, match="resource=absent"):
        snapshot(f"{google_clients.parent}/subscriptions/absent")
    subscriber.delete_subscription(subscription=foreign)
    publisher.delete_topic(topic=other)


def test_what_a_topic_retains_reaches_a_later_subscription_by_seek(google_clients, publisher, subscriber):
    topic = f"{google_clients.parent}/topics/{unique('kept')}"
    publisher.create_topic(request={"name": topic, "message_retention_duration": {"seconds": 3600}})
    publish(publisher, topic, "early")
    late = f"{google_clients.parent}/subscriptions/{unique('late')}"
    subscriber.create_subscription(name=late, topic=topic)
    assert drain(subscriber, late) == []
    subscriber.seek(request={"subscription": late, "time": Timestamp(seconds=0)})
    assert drain(subscriber, late) == ["early"]
    subscriber.delete_subscription(subscription=late)
    publisher.delete_topic(topic=topic)


def test_a_push_subscription_calls_its_endpoint_until_it_answers_well(publisher, topic, subscribe):
    seen = []

    class Endpoint(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204 if len(seen) > 1 else 500)
            self.end_headers()

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        subscribe(push_config={"push_endpoint": f"http://127.0.0.1:{server.server_port}/hook"})
        publish(publisher, topic, "pushed")
        wait_until(lambda: len(seen), lambda count: count >= 2)
        server.shutdown()
    assert [each["message"]["data"] for each in seen[:2]] == ["cHVzaGVk"] * 2


def test_topics_and_subscriptions_are_listed_changed_and_outlive_one_another(
    google_clients, publisher, subscriber, topic, subscribe
):
    subscription = subscribe()
    assert topic in [each.name for each in publisher.list_topics(project=google_clients.parent)]
    assert list(publisher.list_topic_subscriptions(topic=topic)) == [subscription]
    change = {"name": topic, "labels": {"env": "dev"}, "message_retention_duration": {"seconds": 600}}
    mask = {"paths": ["labels", "message_retention_duration"]}
    assert dict(publisher.update_topic(topic=change, update_mask=mask).labels) == {"env": "dev"}
    read = subscriber.get_subscription(subscription=subscription)
    assert (read.ack_deadline_seconds, read.state.name) == (10, "ACTIVE")
    assert read.topic_message_retention_duration.seconds == 600
    other = f"{google_clients.parent}/topics/{unique('gone')}"
    publisher.create_topic(name=other)
    orphan = f"{google_clients.parent}/subscriptions/{unique('orphan')}"
    subscriber.create_subscription(name=orphan, topic=other)
    publisher.delete_topic(topic=other)
    assert subscriber.get_subscription(subscription=orphan).topic == "_deleted-topic_"
    subscriber.delete_subscription(subscription=orphan)


def test_what_is_taken_absent_or_wrong_is_refused(google_clients, publisher, subscriber, topic):
    with pytest.raises(Conflict):
        publisher.create_topic(name=topic)
    absent = f"{google_clients.parent}/topics/absent"
    with pytest.raises(NotFound):
        publisher.publish(topic=absent, messages=[{"data": b"x"}])
    with pytest.raises(NotFound):
        subscriber.create_subscription(name=f"{google_clients.parent}/subscriptions/sub", topic=absent)
    with pytest.raises(BadRequest, match=r"messages\[0\]"):
        publisher.publish(topic=topic, messages=[{}])
    with pytest.raises(BadRequest, match="600s to"):
        publisher.create_topic(
            request={"name": f"{topic}-2", "message_retention_duration": {"seconds": 5}},
        )
