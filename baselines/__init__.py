"""What a configuration is: the catalogue, the canonical form, what differs, what was approved.

Pure: no network, no database, no clock, no environment. Reading a file happens in ``reader`` and
``catalogue`` only. Knows nothing of ``rules``, ``alerts`` and ``monitor``.
"""
