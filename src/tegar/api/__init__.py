"""The outside: the CloudStack query protocol over HTTP."""
