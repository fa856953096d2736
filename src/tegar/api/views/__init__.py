"""Views, one module per noun: rows to response records.

A view takes all rows of a page at once and fetches what they name in one query a kind.
Fields that are None are left out of the answer.
"""
