"""Doors of the command line: parse, call one service, print."""
