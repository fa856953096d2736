"""Workflows, one file each; the step table is the last thing in the file."""
