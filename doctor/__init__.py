"""Whether a stack can be brought up in its project, before anything is tried: `make doctor STACK=dev`.

Reads, and changes nothing. Each finding has its fix as a command.
"""
