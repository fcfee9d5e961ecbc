"""The names of the files that the pipeline's own steps leave in a run's two folders.

The trainer's are in contracts.run_artifacts.
"""

# beside the data
SNAPSHOT_FILE = "snapshot.json"
VALIDATION_FILE = "validation.json"

# beside the model
GATE_FILE = "gate.json"
REGISTRATION_FILE = "registration.json"


def refusal_file(step: str) -> str:
    """Where a step says why it refused its input, in either folder."""
    return f"refusal-{step}.json"
