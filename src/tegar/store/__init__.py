"""Tables and queries, one module per noun: the rows on top, the queries below."""
