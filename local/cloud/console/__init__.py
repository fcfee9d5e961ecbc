"""The console: one page that shows what a cloud holds and does, for the person who runs it.

Owns: the page under `/_local/console`, its sessions, and the one-time links that open it. Reads the services' own
state in this process and changes nothing but faults. Does not own: what is shown of any service, which is that
service's; the guard against foreign pages, which is the server's (asgi.py).
"""
