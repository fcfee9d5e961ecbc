"""A cloud on the loopback that answers Google Cloud's REST calls and keeps its state in files.

Owns: the services, each in its folder, and the core that they share. Knows nothing of this repository's platform: it
could serve any project. Written from Google's API documentation.
"""
