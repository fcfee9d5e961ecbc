"""Our choices for the platform, which Google would accept otherwise (ADR 0008). Imports nothing but Python."""
