"""The model registry: models, their versions and aliases, and their evaluations.

Owns: their REST methods. Serving is not here: a model is a record of where its files lie.
Source: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.models
"""

from typing import TYPE_CHECKING, Any

from local.cloud.aiplatform.messages import canonical
from local.cloud.aiplatform.resources import (
    Collection,
    Resource,
    done,
    kind_of,
    location_of,
    new_id,
    proto,
    refuse_outside,
    without_output_only,
)
from local.cloud.call import Call
from local.cloud.errors import already_exists, failed_precondition, invalid_argument, not_found
from local.cloud.routing import Route
from local.cloud.validation import Violations

if TYPE_CHECKING:
    from local.cloud.app import Cloud

_ID = r"[a-z0-9_-]{1,63}"
_ALIAS = r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]"
_DEFAULT = "default"
_OUTPUT_ONLY = (
    *("versionId", "versionCreateTime", "versionUpdateTime"),
    *("deployedModels", "supportedExportFormats", "trainingPipeline"),
)
_OF_THE_MODEL = ("displayName", "description")


class Models(Collection):
    """Versions are kept as `models/ID@NUMBER`; a model is all versions of its id."""

    def __init__(self, cloud: "Cloud") -> None:
        super().__init__(cloud, "Model", with_etag=True)
        self._evaluations = Collection(cloud, "ModelEvaluation")

    def routes(self) -> list[Route]:
        parent, model = "/v1/{parent=projects/*/locations/*}/models", "/v1/{name=projects/*/locations/*/models/*}"
        evaluations = "/v1/{parent=projects/*/locations/*/models/*}/evaluations"
        may = "aiplatform.models"
        return [
            Route("POST", f"{parent}:upload", self._upload, f"{may}.upload"),
            Route("GET", parent, self._list, f"{may}.list"),
            Route("GET", model, self._get, f"{may}.get"),
            Route("PATCH", model, self._patch, f"{may}.update"),
            Route("DELETE", model, self._delete, f"{may}.delete"),
            Route("GET", f"{model}:listVersions", self._list_versions, f"{may}.get"),
            Route("POST", f"{model}:mergeVersionAliases", self._merge_aliases, f"{may}.update"),
            Route("DELETE", f"{model}:deleteVersion", self._delete_version, f"{may}.delete"),
            Route("POST", f"{evaluations}:import", self._import_evaluation, "aiplatform.modelEvaluations.import"),
            Route("GET", evaluations, self._list_evaluations, "aiplatform.modelEvaluations.list"),
            Route(
                "GET",
                "/v1/{name=projects/*/locations/*/models/*/evaluations/*}",
                self._get_evaluation,
                "aiplatform.modelEvaluations.get",
            ),
        ]

    def version(self, name: str) -> Resource:
        """The version that `models/ID`, `models/ID@NUMBER` or `models/ID@alias` names; without either, the default."""
        model, _, wanted = self.cloud.projects.with_id(name).partition("@")
        versions = self._versions(model)
        if not versions:
            raise not_found(f"The Model '{model}' does not exist.")
        for each in versions:
            if wanted == each["versionId"] or (wanted or _DEFAULT) in each["versionAliases"]:
                return each
        raise not_found(f"The Model '{model}' has no version or alias {wanted!r}.")

    def _versions(self, model: str) -> list[Resource]:
        """All versions of a model, oldest first."""
        return sorted(self.all(model), key=lambda each: int(each["versionId"]))

    def upload(self, location: str, request: Resource) -> Resource:
        """Keep what a canonical `UploadModelRequest` asks for; the version that it made."""
        with self.cloud.store.transaction():
            return self._add_version(self.wanted(location, request), request.get("model") or {})

    def wanted(self, location: str, request: Resource) -> str:
        """The name of the model that a request makes, or makes a version of. Raises what refuses the request."""
        self._check(request.get("model") or {}, request)
        if not request.get("parentModel"):
            model = f"{location}/models/{request.get('modelId') or new_id()}"
            if self._versions(model):
                raise already_exists(f"The Model '{model}' already exists. Upload a version with parentModel.")
            return model
        refuse_outside(self.cloud, "parentModel", [request["parentModel"]], location)
        return self.version(request["parentModel"].partition("@")[0])["name"].partition("@")[0]

    def _upload(self, call: Call) -> dict[str, Any]:
        location, request = call.params["parent"], canonical("UploadModelRequest", call.object(), "request")
        request["model"] = without_output_only(request.get("model") or {}, *_OUTPUT_ONLY)
        made = self.upload(location, request)
        model = made["name"].partition("@")[0]
        return self.cloud.operations.done(
            location,
            {"model": self.cloud.projects.with_number(model), "modelVersionId": made["versionId"]},
            kind=kind_of(call),
            response_type=proto(call, "UploadModelResponse"),
            metadata_type=proto(call, "UploadModelOperationMetadata"),
        )

    def _add_version(self, model: str, body: Resource) -> Resource:
        versions = self._versions(model)
        number = str(int(versions[-1]["versionId"]) + 1 if versions else 1)
        given: list[str] = body.get("versionAliases", [])
        aliases: list[str] = [*given]
        if not versions and _DEFAULT not in given:
            aliases.append(_DEFAULT)
        now = self.cloud.clock.timestamp()
        made = {
            **body,
            "versionId": number,
            "versionAliases": [],
            "versionCreateTime": now,
            "versionUpdateTime": now,
        }
        name = f"{model}@{number}"
        self.create(name, made)
        self._move_aliases(model, name, aliases, [])
        return self.get(name)

    def _move_aliases(self, model: str, name: str, add: list[str], remove: list[str]) -> Resource:
        """Give a version aliases: an alias that another version has moves from there."""
        for each in self._versions(model):
            kept = [
                alias
                for alias in each["versionAliases"]
                if alias not in {*add, *(remove if each["name"] == name else ())}
            ]
            new = [*kept, *add] if each["name"] == name else kept
            if new != each["versionAliases"]:
                self._write(each["name"], {"versionAliases": new})
        return self.get(name)

    def _write(self, name: str, fields: Resource) -> Resource:
        return self.update(name, lambda each: each.update(fields, versionUpdateTime=self.cloud.clock.timestamp()))

    def _parent(self, name: str) -> str | None:
        return name.partition("@")[0]

    def _list(self, call: Call) -> dict[str, Any]:
        defaults = [each for each in self.all() if _DEFAULT in each["versionAliases"]]
        here = [each for each in defaults if _under(each["name"], call.params["parent"])]
        return self.page(call, "models", items=here, render=_as_model)

    def _get(self, call: Call) -> dict[str, Any]:
        found = self.version(call.params["name"])
        return self.shown(found if "@" in call.params["name"] else _as_model(found))

    def _list_versions(self, call: Call) -> dict[str, Any]:
        model = self.version(call.params["name"])["name"].partition("@")[0]
        return self.page(call, "models", items=self._versions(model))

    def _patch(self, call: Call) -> dict[str, Any]:
        body = canonical("Model", call.object(), "model")
        found = self.version(call.params["name"])
        versioned = "@" in call.params["name"]
        call.params["name"] = found["name"]
        fixed = (
            (*_OUTPUT_ONLY, "versionAliases", "artifactUri", "containerSpec") if call.query.get("updateMask") else ()
        )
        if not call.query.get("updateMask"):
            body = {
                key: body[key] for key in ("displayName", "description", "versionDescription", "labels") if key in body
            }
        if versioned:
            return self.shown(self._write(self.patch(call, body, fixed=fixed)["name"], {}))
        with self.cloud.store.transaction():
            self._accept_any_etag(found, body)
            changed = self._write(self.patch(call, body, fixed=fixed)["name"], {})
            self._share(changed)
            return self.shown(_as_model(self.get(changed["name"])))

    def _accept_any_etag(self, default: Resource, body: Resource) -> None:
        """A change of the model itself may rest on what was read of any of its versions, as the SDK's does."""
        versions = self._versions(default["name"].partition("@")[0])
        if body.get("etag") in {each["etag"] for each in versions}:
            body["etag"] = default["etag"]

    def _share(self, default: Resource) -> None:
        """Give the other versions what is the model's and not a version's; labels of the model join their own.

        Source: https://cloud.google.com/vertex-ai/docs/reference/rpc/google.cloud.aiplatform.v1#updatemodelrequest
        """
        for each in self._versions(default["name"].partition("@")[0]):
            shared: Resource = {key: default[key] for key in _OF_THE_MODEL if key in default}
            if labels := {**each.get("labels", {}), **default.get("labels", {})}:
                shared["labels"] = labels
            if any(each.get(key) != value for key, value in shared.items()):
                self._write(each["name"], shared)

    def _merge_aliases(self, call: Call) -> dict[str, Any]:
        body = canonical("MergeVersionAliasesRequest", call.object(), "request")
        if "@" not in call.params["name"]:
            raise invalid_argument([("name", f"{call.params['name']!r} names no version: write models/ID@VERSION")])
        wanted = body.get("versionAliases", [])
        found = Violations()
        found.unless(wanted, "versionAliases", "is required")
        for alias in wanted:
            found.matches(
                _ALIAS, alias.removeprefix("-"), "versionAliases", "is no alias: letters, digits and hyphens, 2 to 128"
            )
        found.unless(f"-{_DEFAULT}" not in wanted, "versionAliases", "the default alias can be moved but not removed")
        found.refuse()
        with self.cloud.store.transaction():
            version = self.version(call.params["name"])
            add = [alias for alias in wanted if not alias.startswith("-")]
            remove = [alias[1:] for alias in wanted if alias.startswith("-")]
            return self.shown(self._move_aliases(version["name"].partition("@")[0], version["name"], add, remove))

    def _delete(self, call: Call) -> dict[str, Any]:
        model = self.version(call.params["name"].partition("@")[0])["name"].partition("@")[0]
        with self.cloud.store.transaction():
            for each in self._versions(model):
                self._remove_version(each["name"])
        return done(call, "Delete", None)

    def _delete_version(self, call: Call) -> dict[str, Any]:
        version = self.version(call.params["name"])
        if "@" not in call.params["name"]:
            raise invalid_argument([("name", f"{call.params['name']!r} names no version: write models/ID@VERSION")])
        if _DEFAULT in version["versionAliases"]:
            raise failed_precondition(
                f"{version['name']} is the default version: move the default alias, or delete the whole model."
            )
        self._remove_version(version["name"])
        return done(call, "Delete", None)

    def _remove_version(self, name: str) -> None:
        for evaluation in self._evaluations.all(name):
            self._evaluations.remove(evaluation["name"])
        self.remove(name)

    def _import_evaluation(self, call: Call) -> dict[str, Any]:
        request = canonical("ImportModelEvaluationRequest", call.object(), "request")
        evaluation = request.get("modelEvaluation") or {}
        version = self.version(call.params["parent"])["name"]
        made = self._evaluations.create(f"{version}/evaluations/{new_id()}", without_output_only(evaluation))
        return self._evaluations.shown(made)

    def _list_evaluations(self, call: Call) -> dict[str, Any]:
        version = self.version(call.params["parent"])["name"]
        return self._evaluations.page(call, "modelEvaluations", items=self._evaluations.all(version))

    def _get_evaluation(self, call: Call) -> dict[str, Any]:
        model, _, short = call.params["name"].partition("/evaluations/")
        for version in self._versions(self.version(model)["name"].partition("@")[0]):
            found = self._evaluations.find(f"{version['name']}/evaluations/{short}")
            if found:
                return self._evaluations.shown(found)
        raise not_found(f"The ModelEvaluation '{call.params['name']}' does not exist.")

    def _check(self, body: Resource, request: Resource) -> None:
        found = Violations()
        found.unless(body.get("displayName"), "model.displayName", "is required")
        found.unless(len(body.get("displayName", "")) <= 128, "model.displayName", "has more than 128 characters")
        found.labels(body.get("labels"), "model.labels")
        uri = body.get("artifactUri", "")
        found.unless(not uri or uri.startswith("gs://"), "model.artifactUri", f"{uri!r} is not a gs:// URI")
        if request.get("modelId"):
            found.matches(_ID, request["modelId"], "modelId", "must hold 1 to 63 of a-z, 0-9, _ and -")
        for alias in body.get("versionAliases", []):
            found.matches(_ALIAS, alias, "model.versionAliases", "is no alias: letters, digits and hyphens, 2 to 128")
        found.refuse()


def _as_model(version: Resource) -> Resource:
    """A version under its model's own name."""
    return {**version, "name": version["name"].partition("@")[0]}


def _under(name: str, parent: str) -> bool:
    return location_of(name) == parent or (parent.endswith("/locations/-") and name.startswith(parent[:-1]))
