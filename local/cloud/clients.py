"""The variables that point standard clients at a cloud: the provider, Google's client libraries, gcloud.

Owns: their names and forms. Source: each client's documentation; for the provider, the keys that it was seen to obey.
"""

_PROVIDER_PATHS = {
    "ARTIFACT_REGISTRY": "artifactregistry/v1/",
    "BIG_QUERY": "bigquery/v2/",
    "BILLING_BUDGETS": "billingbudgets/v1/",
    "CLOUD_BILLING": "cloudbilling/v1/",
    "CLOUD_RUN_V2": "cloudrunv2/v2/",
    "CLOUD_SCHEDULER": "cloudscheduler/v1/",
    "COLAB": "aiplatform/v1beta1/",
    "COMPUTE": "compute/beta/",
    "DNS": "dns/v1/",
    "EVENTARC": "eventarc/v1/",
    "IAM_BETA": "iam/v1/",
    "KMS": "kms/v1/",
    "LOGGING": "logging/v2/",
    "MONITORING": "monitoring/",
    "PUBSUB": "pubsub/v1/",
    "RESOURCE_MANAGER": "crm/v1/",
    "SECRET_MANAGER": "secretmanager/v1/",
    "SERVICE_NETWORKING": "servicenetworking/v1/",
    "SERVICE_USAGE": "serviceusage/v1beta1/",
    "STORAGE": "storage/v1/",
    "VERTEX_AI": "aiplatform/v1beta1/",
}
_GCLOUD_PATHS = {
    **dict.fromkeys(("AIPLATFORM", "ARTIFACTREGISTRY", "BILLINGBUDGETS", "CLOUDBILLING", "CLOUDKMS"), ""),
    **dict.fromkeys(("CLOUDRESOURCEMANAGER", "CLOUDSCHEDULER", "EVENTARC", "IAM", "IAMCREDENTIALS", "LOGGING"), ""),
    **dict.fromkeys(("MONITORING", "PUBSUB", "SECRETMANAGER", "SERVICENETWORKING", "SERVICEUSAGE"), ""),
    "BIGQUERY": "bigquery/v2/",
    "COMPUTE": "compute/v1/",
    "DNS": "dns/v1/",
    "STORAGE": "storage/v1/",
}


def client_environment(url: str, *, operator_token: str, token_file: str) -> dict[str, str]:
    """What to export so that clients talk to the cloud at `url` as its operator."""
    environment = {f"GOOGLE_{key}_CUSTOM_ENDPOINT": f"{url}/{path}" for key, path in _PROVIDER_PATHS.items()}
    environment |= {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{key}": f"{url}/{path}" for key, path in _GCLOUD_PATHS.items()}
    return environment | {
        "BIGQUERY_EMULATOR_HOST": url,
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": token_file,
        "GOOGLE_OAUTH_ACCESS_TOKEN": operator_token,
        "PULUMI_GCP_SKIP_REGION_VALIDATION": "true",
        "STORAGE_EMULATOR_HOST": url,
    }
