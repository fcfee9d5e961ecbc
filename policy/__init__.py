"""Our choices for the platform, which Google would accept otherwise (ADR 0007). Imports nothing but Python."""
