"""Signals as a terminal gives them, however the tests were started."""

import signal

# A shell starts what runs in the background with SIGINT ignored, and every process below inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
