"""Identity and Access Management: which calls a principal may make.

Owns: what a role grants, which policies count for a resource, conditions, the decision and its record. Does not own:
who is calling (identity.py), where policies are kept (policies.py), or which permission a method needs (the routes').
"""
