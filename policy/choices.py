"""What we allow ourselves. Google allows more: its limits are in infra/limits.py and infra/machines.py.

A stack that is named nowhere here is held to prod's choices.
"""

STRICTEST = "prod"

ACCELERATORS = frozenset({"NVIDIA_TESLA_T4", "NVIDIA_L4", "NVIDIA_TESLA_A100"})
REGIONS = frozenset({"us-central1", "europe-west1", "europe-west4"})  # those whose prices infra/prices.py knows
LABELS = ("platform", "environment")

MAX_REPLICAS = {"local": 4, "dev": 2, "prod": 4}
MAX_CONCURRENT_RUNS = {"local": 2, "dev": 1, "prod": 2}
UNPROTECTED_STACKS = frozenset({"local", "dev"})

PRIMITIVE_ROLES = frozenset({"roles/owner", "roles/editor", "roles/viewer"})
PUBLIC_MEMBERS = frozenset({"allUsers", "allAuthenticatedUsers"})


def of_stack(table: dict[str, int], stack: str) -> int:
    return table.get(stack, table[STRICTEST])
