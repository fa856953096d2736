"""Operations, one module per noun; one function per thing a caller can ask.

An operation checks, records intent and submits a saga, all in the request's one transaction.
It does no work on hosts.
"""
