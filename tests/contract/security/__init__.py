"""What an attacker tries on a local cloud: from the network, from a page, by names, queries, requests and jobs."""
