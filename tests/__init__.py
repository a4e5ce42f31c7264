"""Tests mirror the packages; tests of whole tasks are in ``stories``."""
