"""Slack: how a message looks (``blocks``), what Slack accepts (``limits``), and the only traffic to it (``sender``)."""
