"""Reads across tables and reference files; arrays and frozen answers, no writes."""
