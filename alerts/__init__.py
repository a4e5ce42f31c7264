"""What to say about findings, to whom, and in which channel.

``alert`` holds the values, ``slack.blocks`` turns a story into a message, ``channels`` says what delivery
may expect of a channel. Pure, but for the senders (``slack.sender``). Knows nothing of ``monitor``.
"""
