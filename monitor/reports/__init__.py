"""Reports: a pure function each, from a report to text."""
