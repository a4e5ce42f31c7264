"""Runs it: collects, stores, schedules, shows, delivers. Everything with effects stands here."""
