"""A trainer that learns nothing: it keeps the container's contract and scores what it is told to."""
