"""URNs: how Pulumi names a resource, `urn:pulumi:STACK::PROJECT::PARENT_TYPE$TYPE::NAME`."""

from __future__ import annotations

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"


def make(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """The URN of a resource; the parent's types are part of it, the stack's is not."""
    parent_type = qualified_type(parent) if parent else ""
    if parent_type and parent_type != STACK_TYPE:
        type_ = f"{parent_type}${type_}"
    return f"urn:pulumi:{stack}::{project}::{type_}::{name}"


def qualified_type(urn: str) -> str:
    return urn.split("::", 3)[2]


def type_of(urn: str) -> str:
    return qualified_type(urn).rsplit("$", 1)[-1]


def name_of(urn: str) -> str:
    return urn.split("::", 3)[3]


def is_provider(type_: str) -> bool:
    return type_.startswith(PROVIDER_PREFIX)


def package_of(type_: str) -> str:
    """The provider package that manages a type, for a provider's type the package it provides."""
    return type_[len(PROVIDER_PREFIX) :] if is_provider(type_) else type_.split(":", 1)[0]


def provider_reference(reference: str) -> tuple[str, str]:
    """The URN and the id in a reference to a provider."""
    urn, _, identity = reference.rpartition("::")
    return urn, identity
