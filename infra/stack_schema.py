"""The JSON schema of a stack file, by which editors complete and check it: `python -m infra.stack_schema` prints it.

Follows from the keys (infra/stack_config.py) and the tables of what exists (infra/limits.py, infra/machines.py). What
takes more than one key to check stays with infra/rules.py.
"""

import json
import sys
from typing import Any

from infra.limits import VERTEX_REGIONS
from infra.machines import MACHINES
from infra.stack_config import NAMESPACE, StackConfig, config_key

_POOL = "PoolSettings"


def schema() -> dict[str, Any]:
    """JSON Schema of draft 7, which is what editors of YAML understand."""
    generated = StackConfig.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    definitions = generated.pop("$defs")
    for section in definitions.values():
        section["additionalProperties"] = False
    _name_what_exists(definitions[_POOL]["properties"])
    keys = {config_key(name): generated["properties"][name] for name in StackConfig.model_fields}
    keys["gcp:region"] = {"type": "string", "enum": sorted(VERTEX_REGIONS)}
    config = {
        "type": "object",
        "properties": keys,
        "required": list(keys),
        "patternProperties": {f"^(?!{NAMESPACE}:)": {}},  # the providers' own keys
        "additionalProperties": False,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A stack of recsys-training",
        "type": "object",
        "properties": {"config": config, "encryptionsalt": {"type": "string"}, "secretsprovider": {"type": "string"}},
        "required": ["config"],
        "additionalProperties": False,
        "definitions": definitions,
    }


def _name_what_exists(pool: dict[str, Any]) -> None:
    accelerators = {kind for machine in MACHINES.values() for kind in machine.accelerators}
    disks = {disk for machine in MACHINES.values() for disk in machine.disks}
    pool["machineType"]["enum"] = list(MACHINES)
    pool["acceleratorType"]["enum"] = ["", *sorted(accelerators - {""})]
    pool["bootDiskType"]["enum"] = sorted(disks)
    for count in ("replicas", "minReplicas", "maxReplicas"):
        pool[count]["minimum"] = 1


def text() -> str:
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
