"""Vertex AI's messages, of v1 and v1beta1 together."""

from pathlib import Path

from local.cloud.messages import Messages

canonical = Messages(Path(__file__).with_name("messages.json")).canonical
