"""Each page makes one view value from the store; templates only show it."""
