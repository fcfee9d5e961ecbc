"""Where the recording's server was not Google, and the documentation says what Google answers.

A pattern is looked for in `#N METHOD PATH: FIELD TEXT`.
"""

DOCUMENTED = {
    # Control plane
    r"GET /crm/v1/projects/acme-recsys: parent is missing": "a project without an organization has no parent",
    r"GET /crm/v1/projects/acme-recsys: name is 'acme-recsys'": "a new project is named by its id",
    r"GET /cloudbilling/.*: billingAccountName is": "every cloud has its own billing account",
    r":[gs]etIamPolicy: version is 1 instead of 3": "Policy.version is 3 only where a binding has a condition",
    r"/iam: version is 1 instead of 3": "Policy.version is 3 only where a binding has a condition",
    r"/services: services\[\d+\]\.\w+ is missing": "the call's `fields` selects the services' names alone",
    r"/datasets.*: defaultTableExpirationMs is '69120000000' instead of 69120000000": "int64 travels as a string",
    r"/datasets.*: access\[2\].userByEmail is": "a new dataset's owner is who made it",
    r":enable: (metadata|response)\.@type is": "google.api.serviceusage.v1 is the package of Service Usage",
    r"(POST|DELETE) /artifactregistry/.*: metadata\.@type is": "google.devtools.artifactregistry.v1 is the package",
    r"PATCH /artifactregistry/.*: \w+ is": "repositories.patch answers with the Repository, no operation",
    r"workloadIdentityPools.*: metadata\.@type is": "google.iam.v1beta is the package of workload identity pools",
    r"/servicenetworking/.*: metadata\.@type is": "google.cloud.servicenetworking.v1 is the package",
    r"/pubsub/.*/subscriptions/.*: expirationPolicy is": "a subscription without a policy expires after 31 days",
    r"/monitoring/.*(creationRecord|mutationRecords?(\[\d\])?)\.mutatedBy is": "who called, each server's own",
    # Compute Engine
    r"/compute/.*: user is": "who called, each server's own",
    r"/global/addresses/ct-psa: kind is": "the kind is compute#address",
    r"/global/addresses/ct-psa: address is": "a free range, each server's own",
    r"/routers/ct-router: fingerprint is missing": "a router has no fingerprint",
    r"/firewalls/ct-allow-internal: fingerprint is missing": "a firewall rule has no fingerprint",
    r"/firewalls/ct-allow-internal: network is": "a reference is answered as a full URL, after a PATCH too",
    r"/networks/ct-net: subnetworks is": "a network lists its subnetworks",
    # Eventarc, Cloud Run
    r"/eventarc/.*: metadata\.@type is": "google.cloud.eventarc.v1 is the package",
    r"/eventarc/.*: (response\.)?(generation|observedGeneration|launchStage|terminalCondition) is missing": (
        "a trigger has no such field"
    ),
    r"/cloudrunv2/.*: metadata\.@type is": "the metadata of Cloud Run's operations is the resource",
    r"DELETE /(cloudrunv2|eventarc)/.*: response\.@type is": "the operation of a delete ends with the resource",
    r"PATCH /cloudrunv2/.*: response\.(observedG|g)eneration is '2'": "a change makes a new generation",
    r"GET /cloudrunv2/.*: (observedG|g)eneration is '2'": "a change makes a new generation",
    # Vertex AI
    r"/aiplatform/.*: metadata\.@type is": "each method's operations have metadata of their own type",
    r"blobStoragePathPrefix is": "a folder's name, each server's own",
}
