"""What the tests of BigQuery share: Google's client and a dataset of the module's own."""

import os
import uuid

import pytest
from google.cloud import bigquery
from google.oauth2.credentials import Credentials


@pytest.fixture(scope="module")
def client(cloud_server):
    if os.environ.get("LOCAL_CLOUD_CONTRACT") == "google":
        return bigquery.Client()
    options = {"api_endpoint": cloud_server.url}
    return bigquery.Client(project="acme-recsys", credentials=Credentials(cloud_server.token), client_options=options)


@pytest.fixture(scope="module")
def dataset(client):
    """The id of a dataset for all tests of a module: name what you create in it for your test."""
    name = f"ct_{uuid.uuid4().hex[:10]}"
    client.create_dataset(name)
    return name
