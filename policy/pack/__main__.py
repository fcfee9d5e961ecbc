"""The rules as a policy pack of the pulumi command: `pulumi preview --policy-pack policy/pack`.

An environment of its own (`make policy-pack`): pulumi-policy wants another protobuf than kfp. Owns no rule.
"""

import sys
from pathlib import Path

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from policy.resources import Resource, stack_of
from policy.rules import RULES, STACK_RULES, Rule, StackRule


def _resource(args: ResourceValidationArgs | PolicyResource) -> Resource:
    """`opts.protect` is what the program asks for."""
    return Resource(
        type=args.resource_type,
        name=args.name,
        stack=stack_of(args.urn),
        inputs=args.props,  # a proxy: what is not known yet is refused only if it is read
        protect=bool(args.opts.protect),
    )


def _of_resource(rule: Rule) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
        for message in rule.check(_resource(args)):
            report_violation(message, None)

    return ResourceValidationPolicy(rule.name, rule.about, validate, EnforcementLevel(rule.level))


def _of_stack(rule: StackRule) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report_violation: ReportViolation) -> None:
        resources = {resource.urn: _resource(resource) for resource in args.resources}
        urns = {id(resource): urn for urn, resource in resources.items()}
        for resource, message in rule.check(list(resources.values())):
            report_violation(message, urns[id(resource)])

    return StackValidationPolicy(rule.name, rule.about, validate, EnforcementLevel(rule.level))


PolicyPack(
    name="recsys-training",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[*map(_of_resource, RULES), *map(_of_stack, STACK_RULES)],
)
