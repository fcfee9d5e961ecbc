"""What a change would do, in words and money, before anything happens and without an account (ADR 0008).

Reads the embedded engine's plan; plans nothing itself. Nothing of ours imports this package.
"""
